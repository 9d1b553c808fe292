/* SPDX-License-Identifier: Apache-2.0 */
/* Joining on a kernel that lacks something: what is said, and that nothing stays behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/netns.h"
#include "host/network/wire.h"

/* What the kernel answers in place of doing it; 0: it does. The linker puts these between. */
static int macvtap_answer, ingress_answer, redirect_answer;

int __real_device_add_macvtap(int nl, const char *name, int lower);
int __wrap_device_add_macvtap(int nl, const char *name, int lower);
int __real_tc_add_ingress(int nl, int index);
int __wrap_tc_add_ingress(int nl, int index);
int __real_tc_redirect(int nl, int from, int to);
int __wrap_tc_redirect(int nl, int from, int to);

int __wrap_device_add_macvtap(int nl, const char *name, int lower)
{
	return macvtap_answer ? macvtap_answer : __real_device_add_macvtap(nl, name, lower);
}

int __wrap_tc_add_ingress(int nl, int index)
{
	return ingress_answer ? ingress_answer : __real_tc_add_ingress(nl, index);
}

int __wrap_tc_redirect(int nl, int from, int to)
{
	return redirect_answer ? redirect_answer : __real_tc_redirect(nl, from, to);
}

struct fixture {
	int netns;
	struct net_tap eth0; /* the interface, which somebody holds */
	struct net_endpoint endpoint;
	struct strv journal;
	struct net_journal hooks;
	struct net_wire wire;
};

static int note(void *arg, const char *entry, struct err *err)
{
	struct fixture *f = arg;

	(void)err;
	strv_add(&f->journal, entry);
	return 0;
}

static void forget(void *arg, const char *entry)
{
	struct fixture *f = arg;

	assert_true(f->journal.n > 0);
	assert_string_equal(f->journal.v[f->journal.n - 1], entry);
	free(f->journal.v[--f->journal.n]);
	f->journal.v[f->journal.n] = NULL;
}

static void begin(struct fixture *f, enum net_model model)
{
	auto_close int nl = -1;
	struct err err = ERR_INIT;

	*f = (struct fixture){ .netns = netns_new(&err) };
	assert_true(f->netns >= 0);
	assert_int_equal(net_tap_open(f->netns, "eth0", 1, false, false, &f->eth0, &err), 0);
	nl = netns_netlink(f->netns, &err);
	f->endpoint = (struct net_endpoint){ .index = device_index(nl, "eth0"),
					     .name = "eth0",
					     .type = "veth",
					     .model = model,
					     .mtu = 1500,
					     .queues = 1 };
	assert_true(f->endpoint.index > 0);
	f->hooks = (struct net_journal){ note, forget, f };
	f->wire = (struct net_wire){ .netns = f->netns, .dir = "/", .journal = &f->hooks };
	macvtap_answer = ingress_answer = redirect_answer = 0;
}

/* Nothing was left to undo, nor is there any device more. */
static void end(struct fixture *f)
{
	auto_net_view struct net_view view = { .links = NULL };
	struct err err = ERR_INIT;

	assert_int_equal(f->journal.n, 0);
	assert_int_equal(net_scan(f->netns, &view, &err), 0);
	for (size_t i = 0; i < view.n_links; i++)
		assert_null(strstr(view.links[i].name, NET_TAP_SUFFIX));
	strv_free(&f->journal);
	net_tap_close(&f->eth0);
	close(f->netns);
}

static void no_macvtap(void **state)
{
	struct err err = ERR_INIT;
	struct net_tap tap;
	struct fixture f;

	(void)state;
	begin(&f, NET_MODEL_MACVTAP);
	macvtap_answer = -EOPNOTSUPP;
	assert_int_equal(net_wire_open(&f.wire, &f.endpoint, 0, 1, &tap, &err), -ENOTSUP);
	assert_string_equal(err_msg(&err), "interface eth0: the kernel has no macvtap, which the "
					   "model of that name needs");
	end(&f);
}

static void a_macvtap_that_is_refused(void **state)
{
	struct err err = ERR_INIT;
	struct net_tap tap;
	struct fixture f;

	(void)state;
	begin(&f, NET_MODEL_MACVTAP);
	macvtap_answer = -EBUSY;
	assert_int_equal(net_wire_open(&f.wire, &f.endpoint, 0, 1, &tap, &err), -EBUSY);
	assert_non_null(strstr(err_msg(&err), "it is used by others"));
	end(&f);
}

/* The tap is there already, and goes with its descriptors. */
static void refused_join(int *answer, int value, int code, const char *words)
{
	struct err err = ERR_INIT;
	struct net_tap tap;
	struct fixture f;

	begin(&f, NET_MODEL_TC);
	*answer = value;
	assert_int_equal(net_wire_open(&f.wire, &f.endpoint, 0, 1, &tap, &err), 0);
	assert_int_equal(net_wire_join(&f.wire, &f.endpoint, &tap, &err), code);
	assert_non_null(strstr(err_msg(&err), words));
	net_tap_close(&tap);
	end(&f);
}

static void no_ingress(void **state)
{
	(void)state;
	refused_join(&ingress_answer, -ENOENT, -ENOTSUP,
		     "interface eth0: the kernel lacks what the model tcfilter needs: sch_ingress, "
		     "cls_matchall or cls_u32, and act_mirred");
}

static void no_filters(void **state)
{
	(void)state;
	refused_join(&redirect_answer, -ENOENT, -ENOTSUP,
		     "the kernel lacks what the model tcfilter needs");
	refused_join(&redirect_answer, -ENOMEM, -ENOMEM, "cannot redirect what comes in there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_macvtap),
		cmocka_unit_test(a_macvtap_that_is_refused),
		cmocka_unit_test(no_ingress),
		cmocka_unit_test(no_filters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
