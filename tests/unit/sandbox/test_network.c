/* SPDX-License-Identifier: Apache-2.0 */
/* The guest follows a namespace, and an agent that does not always answer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/netns.h"
#include "host/sandbox/network_parts.h"
#include "sandbox_double.h"

#define LIMIT_MS 20000

/* A host without vhost-net: the linker puts this in its place. */
int __wrap_net_tap_open_vhost(struct net_tap *tap);

static unsigned vhost_asked;

int __wrap_net_tap_open_vhost(struct net_tap *tap)
{
	(void)tap;
	vhost_asked++;
	return -ENOENT;
}

struct fixture {
	struct sandbox_double box;
	struct hypervisor_ops ops;
	struct network *net;
	struct net_tap tap; /* the pod's interface */
	unsigned failures;  /* so many times the agent is to fail, */
	unsigned interfaces, routes, well;
	char mac[32], present[32]; /* and of the last interface that it was told of */
	unsigned asked, refused;   /* whom network_sync() has answered, and how */
};

static void answer(struct fixture *f, struct ttrpc_call *call, const ProtobufCMessage *rsp)
{
	if (f->failures > 0) {
		f->failures--;
		ttrpc_fail(call, TTRPC_DEADLINE_EXCEEDED, "no answer");
	} else {
		f->well++;
		ttrpc_reply(call, rsp);
	}
}

static void on_interface(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Types__Interface *i = ((const Grpc__UpdateInterfaceRequest *)msg)->interface;
	Types__Interface rsp = TYPES__INTERFACE__INIT;
	struct fixture *f = ctx;

	f->interfaces++;
	snprintf(f->mac, sizeof(f->mac), "%s", i->hwaddr);
	snprintf(f->present, sizeof(f->present), "%s", i->presenthwaddr);
	answer(f, call, &rsp.base);
}

static void on_routes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__Routes rsp = GRPC__ROUTES__INIT;
	struct fixture *f = ctx;

	(void)msg;
	f->routes++;
	answer(f, call, &rsp.base);
}

static const struct ttrpc_method methods[] = { { "UpdateInterface", on_interface },
					       { "UpdateRoutes", on_routes },
					       { NULL, NULL } };

static void on_synced(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->asked++;
	f->refused += err != NULL;
}

/* Until *@count is @n, and what comes along. */
static void until(struct fixture *f, const unsigned *count, unsigned n)
{
	int64_t deadline = loop_now_ms() + LIMIT_MS;

	while (*count < n && loop_now_ms() < deadline)
		assert_int_equal(loop_step(f->box.sb.loop, 50), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_step(f->box.sb.loop, 10), 0);
	assert_true(*count >= n);
}

/* The card of the guest has an address of its own yet, as a spare one has. */
static void give_card(struct fixture *f)
{
	static const uint8_t spare[NET_MAC_LEN] = { 2, 0, 0, 0, 0, 9 };
	auto_close int nl = netns_netlink(f->net->netns, NULL);
	struct nic *nic = network_add_nic(f->net);

	nic->index = device_index(nl, "eth0");
	assert_true(nic->index > 0);
	snprintf(nic->name, sizeof(nic->name), "eth0");
	memcpy(nic->mac, spare, sizeof(spare));
}

static struct fixture *begin(void)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->ops.name = "none";
	f->box.sb.ops = &f->ops;
	f->box.sb.vm = (struct vm *)f; /* there is one, and nobody looks into it */
	f->box.sb.net = f->net = xcalloc(1, sizeof(*f->net));
	f->net->sb = &f->box.sb;
	f->net->wishes = (struct net_wishes){ .model = NET_MODEL_TC, .queues = 1 };
	list_init(&f->net->waiters);
	f->net->netns = netns_new(&err);
	assert_true(f->net->netns >= 0);
	assert_int_equal(net_tap_open(f->net->netns, "eth0", 1, false, false, &f->tap, &err), 0);
	give_card(f);
	sandbox_double_begin(&f->box, methods, f);
	return f;
}

static void end(struct fixture *f)
{
	network_end(&f->box.sb);
	sandbox_double_hang_up(&f->box);
	network_free(f->net);
	net_tap_close(&f->tap);
	sandbox_double_end(&f->box);
	free(f);
}

static void test_told_once(void **state)
{
	struct fixture *f = begin();
	auto_close int nl = netns_netlink(f->net->netns, NULL);

	(void)state;
	network_sync(&f->box.sb, on_synced, f);
	until(f, &f->asked, 1);
	assert_int_equal(f->refused, 0);
	assert_int_equal(f->interfaces, 1);
	assert_string_equal(f->present, "02:00:00:00:00:09");
	network_sync(&f->box.sb, on_synced, f);
	until(f, &f->asked, 2);
	assert_int_equal(f->interfaces, 1);
	/* Another size is news, and the card has the address that it was given. */
	assert_int_equal(device_raise_silent(nl, f->net->nics[0]->index, 1400), 0);
	until(f, &f->interfaces, 2);
	assert_string_equal(f->present, "");
	assert_int_equal(f->routes, 0);
	end(f);
}

static void test_told_again(void **state)
{
	struct fixture *f = begin();
	auto_close int nl = netns_netlink(f->net->netns, NULL);

	(void)state;
	/* Who asked hears of it at once; the guest may have got it or not. */
	f->failures = 2;
	network_sync(&f->box.sb, on_synced, f);
	until(f, &f->asked, 1);
	assert_int_equal(f->refused, 1);
	until(f, &f->well, 1);
	assert_int_equal(f->interfaces, 3);
	assert_string_equal(f->present, "02:00:00:00:00:09");
	/* It has ended well. */
	assert_null(f->net->retry);
	network_sync(&f->box.sb, on_synced, f);
	until(f, &f->asked, 2);
	assert_int_equal(f->refused, 1);
	assert_int_equal(f->interfaces, 3);
	/* The same when nobody asks. */
	f->failures = 1;
	assert_int_equal(device_raise_silent(nl, f->net->nics[0]->index, 1400), 0);
	until(f, &f->well, 2);
	assert_int_equal(f->interfaces, 5);
	/* Nothing waits any more when the machine has ended. */
	f->failures = 100;
	assert_int_equal(device_raise_silent(nl, f->net->nics[0]->index, 1300), 0);
	until(f, &f->interfaces, 6);
	end(f);
}

static int nothing_noted(void *arg, const char *entry, struct err *err)
{
	(void)arg;
	(void)entry;
	(void)err;
	return 0;
}

static void test_without_vhost(void **state)
{
	struct fixture *f = begin();
	struct nic *nic = network_add_nic(f->net);
	struct err err = ERR_INIT;
	struct config config = { .hypervisor.disable_vhost_net = false };
	struct net_endpoint e = { .index = f->net->nics[0]->index,
				  .name = "eth0",
				  .model = NET_MODEL_NONE,
				  .mtu = 1500,
				  .queues = 1 };
	struct vm_dev dev;

	(void)state;
	f->box.sb.config = &config;
	f->net->journal = (struct net_journal){ .note = nothing_noted };
	f->net->wire = (struct net_wire){ .netns = f->net->netns, .journal = &f->net->journal };
	/* Who cannot use it does not ask for it. */
	assert_int_equal(network_open_nic(f->net, nic, &e, &err), 0);
	assert_int_equal(vhost_asked, 0);
	net_tap_close(&nic->tap);
	/* Who can goes without. */
	f->box.sb.caps = HV_CAP_VHOST_NET;
	assert_int_equal(network_open_nic(f->net, nic, &e, &err), 0);
	assert_int_equal(vhost_asked, 1);
	assert_true(f->net->no_vhost);
	network_describe(nic, e.mtu, &dev);
	assert_int_equal(dev.net.n_fds, 1);
	assert_null(dev.net.vhost_fds);
	net_tap_close(&nic->tap);
	/* And who may not does not, either. */
	config.hypervisor.disable_vhost_net = true;
	assert_int_equal(network_open_nic(f->net, nic, &e, &err), 0);
	assert_int_equal(vhost_asked, 1);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_told_again),
		cmocka_unit_test(test_without_vhost),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
