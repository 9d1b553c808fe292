/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/monitor/options.h"

static int parse(struct options *o, struct err *err, ...)
{
	char *argv[12] = { (char *)"kata-monitor" }, *arg;
	int argc = 1;
	va_list ap;

	va_start(ap, err);
	while ((arg = va_arg(ap, char *)))
		argv[argc++] = arg;
	va_end(ap);
	return options_parse(argc, argv, o, err);
}

static void what_is_understood(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, &err, NULL), 0);
	assert_string_equal(o.address, "127.0.0.1:8090");
	assert_int_equal(o.level, LOG_LEVEL_INFO);
	assert_int_equal(o.roots.n, 0);
	assert_int_equal(parse(&o, &err, "--listen-address", ":1", "-log-level=trace",
			       "--runtime-endpoint", "/run/crio/crio.sock", "-root", "/a",
			       "--root=/b", NULL),
			 0);
	assert_string_equal(o.address, ":1");
	assert_int_equal(o.level, LOG_LEVEL_DEBUG);
	assert_int_equal(o.roots.n, 2);
	assert_string_equal(o.roots.v[1], "/b");
	strv_free(&o.roots);
	assert_int_equal(parse(&o, &err, "-log-level", "panic", NULL), 0);
	assert_int_equal(o.level, LOG_LEVEL_ERROR);
	assert_int_equal(parse(&o, &err, "-log-level", "odd", NULL), 0);
	assert_int_equal(o.level, LOG_LEVEL_WARN);
	assert_int_equal(parse(&o, &err, "-h", NULL), 0);
	assert_true(o.help);
	assert_int_equal(parse(&o, &err, "--version", NULL), 0);
	assert_true(o.version);
	assert_int_equal(parse(&o, &err, "version", NULL), 0);
	assert_true(o.version);
}

static void what_is_not(void **state)
{
	struct err err = ERR_INIT;
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, &err, "-nosuch", NULL), -EINVAL);
	assert_string_equal(err.msg, "flag provided but not defined: -nosuch");
	assert_int_equal(parse(&o, &err, "--listen-address", NULL), -EINVAL);
	assert_string_equal(err.msg, "flag needs an argument: -listen-address");
	assert_int_equal(parse(&o, &err, "more", NULL), -EINVAL);
	assert_string_equal(err.msg, "unexpected argument: more");
	assert_int_equal(parse(&o, &err, "-root", "relative", NULL), -EINVAL);
}

static int family_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	return addr.ss_family;
}

static void where_it_listens(void **state)
{
	static const char *const wrong[] = {
		"", "8090", "127.0.0.1:", "127.0.0.1:nosuchport", "256.0.0.1:80", "192.0.2.1:0"
	};
	struct err err = ERR_INIT;
	int fd = options_listen("127.0.0.1:0", &err);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	fd = options_listen("localhost:0", &err);
	assert_true(fd >= 0);
	assert_int_equal(family_of(fd), AF_INET);
	close(fd);
	fd = options_listen(":0", &err);
	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		err_clear(&err);
		assert_true(options_listen(wrong[i], &err) < 0);
		assert_true(err.code < 0 && *err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_understood),
		cmocka_unit_test(what_is_not),
		cmocka_unit_test(where_it_listens),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
