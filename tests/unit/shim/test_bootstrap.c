/* SPDX-License-Identifier: Apache-2.0 */
/* What containerd writes to the input of `start`, of each of its generations. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/shim/bootstrap.h"
#include "proto/bootstrap.pb-c.h"
#include "proto/google/protobuf/any.pb-c.h"
#include "proto/runtimeoptions.pb-c.h"

static int setup(void **state)
{
	(void)state;
	unsetenv("MAX_SHIM_VERSION");
	unsetenv("TTRPC_ADDRESS");
	return 0;
}

/* The options that name a configuration, packed into @any; the caller frees its data. */
static void pack_options(Google__Protobuf__Any *any)
{
	Runtimeoptions__V1__Options o = RUNTIMEOPTIONS__V1__OPTIONS__INIT;

	o.config_path = (char *)"/etc/kata.toml";
	any->type_url = (char *)"runtimeoptions.v1.Options";
	any->value.data = xmalloc(runtimeoptions__v1__options__get_packed_size(&o));
	any->value.len = runtimeoptions__v1__options__pack(&o, any->value.data);
}

static struct cmdline cmdline(void)
{
	return (struct cmdline){ .id = "cc", .namespace = "k8s.io", .owner_fd = -1 };
}

static void reads_options(void **state)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct cmdline cl = cmdline();
	auto_free uint8_t *wire = NULL;
	struct bootstrap b;
	size_t len;

	(void)state;
	pack_options(&any);
	wire = xmalloc(google__protobuf__any__get_packed_size(&any));
	len = google__protobuf__any__pack(&any, wire);
	bootstrap_parse(&cl, wire, len, &b);
	assert_string_equal(b.config, "/etc/kata.toml");
	assert_false(b.params);
	assert_false(b.sandboxes); /* 1.6 */
	bootstrap_free(&b);
	setenv("MAX_SHIM_VERSION", "2", 1);
	bootstrap_parse(&cl, wire, len, &b);
	assert_true(b.sandboxes);
	assert_false(b.params);
	bootstrap_free(&b);
	free(any.value.data);
}

static void reads_params(void **state)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapParams p =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension extension =
		CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
	Containerd__Runtime__Bootstrap__V1__Extension *extensions[] = { &extension };
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct cmdline cl = cmdline(), empty = { .owner_fd = -1 };
	auto_free uint8_t *wire = NULL;
	struct bootstrap b;
	size_t len;

	(void)state;
	pack_options(&any);
	extension.value = &any;
	p.instance_id = (char *)"cc";
	p.namespace_ = (char *)"k8s.io";
	p.log_level = -4;
	p.containerd_version = (char *)"2.3.0";
	p.containerd_ttrpc_address = (char *)"/run/t";
	p.containerd_grpc_address = (char *)"/run/g";
	p.containerd_binary = (char *)"/bin/containerd";
	p.extensions = extensions;
	p.n_extensions = 1;
	wire = xmalloc(containerd__runtime__bootstrap__v1__bootstrap_params__get_packed_size(&p));
	len = containerd__runtime__bootstrap__v1__bootstrap_params__pack(&p, wire);
	bootstrap_parse(&cl, wire, len, &b);
	assert_true(b.params);
	assert_true(b.sandboxes);
	assert_string_equal(b.config, "/etc/kata.toml");
	assert_true(b.cl.debug);
	assert_string_equal(b.cl.address, "/run/g");
	bootstrap_free(&b);
	/* Some day the flags will not come any more. */
	bootstrap_parse(&empty, wire, len, &b);
	assert_string_equal(b.cl.id, "cc");
	assert_string_equal(b.cl.namespace, "k8s.io");
	assert_string_equal(b.cl.publish_binary, "/bin/containerd");
	assert_string_equal(getenv("TTRPC_ADDRESS"), "/run/t");
	bootstrap_free(&b);
	/* Another's are none. */
	cl.id = "dd";
	bootstrap_parse(&cl, wire, len, &b);
	assert_false(b.params);
	assert_null(b.config);
	bootstrap_free(&b);
	free(any.value.data);
}

static void ignores_nonsense(void **state)
{
	struct cmdline cl = cmdline();
	struct bootstrap b;

	(void)state;
	bootstrap_parse(&cl, "", 0, &b);
	assert_null(b.config);
	bootstrap_free(&b);
	bootstrap_parse(&cl, "\x0a\xff\xff", 3, &b);
	assert_null(b.config);
	assert_false(b.params);
	bootstrap_free(&b);
}

static void asks_only_containerd_and_not_for_long(void **state)
{
	struct cmdline cl = cmdline();
	struct bootstrap b;
	int64_t begin;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	begin = loop_now_ms();
	bootstrap_read(&cl, fds[0], &b);
	bootstrap_free(&b);
	/* A shell's input stays where it is, and so does that of kata-runtime's caller. */
	setenv("TTRPC_ADDRESS", "/run/t", 1);
	cl.owner_fd = 3;
	bootstrap_read(&cl, fds[0], &b);
	bootstrap_free(&b);
	assert_true(loop_now_ms() - begin < 900);
	assert_int_equal(fd_poll(fds[0], POLLIN, 0), 1);
	/* Who never ends what he says has not said it. */
	cl.owner_fd = -1;
	bootstrap_read(&cl, fds[0], &b);
	assert_null(b.config);
	bootstrap_free(&b);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reads_options, setup),
		cmocka_unit_test_setup(reads_params, setup),
		cmocka_unit_test_setup(ignores_nonsense, setup),
		cmocka_unit_test_setup(asks_only_containerd_and_not_for_long, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
