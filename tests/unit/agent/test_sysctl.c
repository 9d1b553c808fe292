/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/agent.h"
#include "guest/agent/sysctl.h"

static void path(const char *key, const char *want)
{
	auto_free char *p = sysctl_path(key);

	if (want)
		assert_string_equal(p, want);
	else
		assert_null(p);
}

static void test_path(void **state)
{
	(void)state;
	path("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward");
	path("net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward");
	/* With slashes first, dots are part of a name; with dots first, slashes stand for them. */
	path("net/ipv4/conf/eth0.1/forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
	path("net.ipv4.conf.eth0/1.forwarding", "/proc/sys/net/ipv4/conf/eth0.1/forwarding");
	path("single", "/proc/sys/single");
	path("", NULL);
	path("../x", NULL);
	path("net/../kernel/x", NULL);
	path("net..x", NULL);
	path(".x", NULL);
	path("/etc/passwd", NULL);
}

static void test_namespaced(void **state)
{
	(void)state;
	assert_int_equal(sysctl_namespace("net.core.somaxconn"), CLONE_NEWNET);
	assert_int_equal(sysctl_namespace("net/core/somaxconn"), CLONE_NEWNET);
	assert_int_equal(sysctl_namespace("kernel.shmmax"), CLONE_NEWIPC);
	assert_int_equal(sysctl_namespace("fs.mqueue.msg_max"), CLONE_NEWIPC);
	assert_int_equal(sysctl_namespace("kernel/domainname"), CLONE_NEWUTS);
	assert_int_equal(sysctl_namespace("kernel.panic"), 0);
	assert_int_equal(sysctl_namespace("vm.swappiness"), 0);
	assert_int_equal(sysctl_namespace("kernel.shmmaxx"), 0);
	assert_int_equal(sysctl_namespace("network.x"), 0);
	assert_int_equal(sysctl_namespace(""), 0);
}

static void test_ids(void **state)
{
	static char longest[1026];

	(void)state;
	assert_true(id_is_valid("ab"));
	assert_true(id_is_valid("a.b-c_D9"));
	assert_false(id_is_valid(""));
	assert_false(id_is_valid("a"));
	assert_false(id_is_valid(".a"));
	assert_false(id_is_valid("-a"));
	assert_false(id_is_valid("a/b"));
	assert_false(id_is_valid("a b"));
	assert_false(id_is_valid("a\n"));
	assert_false(id_is_valid("a\xc3\xa4"));
	memset(longest, 'a', 1025);
	assert_false(id_is_valid(longest));
	assert_false(exec_id_is_valid(longest));
	longest[1024] = '\0';
	assert_true(id_is_valid(longest));
	assert_true(exec_id_is_valid(longest));
	/* Of a process it is any line. */
	assert_true(exec_id_is_valid("1"));
	assert_true(exec_id_is_valid("a/b \xc3\xa4"));
	assert_false(exec_id_is_valid(""));
	assert_false(exec_id_is_valid("a\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_namespaced),
		cmocka_unit_test(test_ids),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
