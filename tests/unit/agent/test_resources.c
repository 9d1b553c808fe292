/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/resources.h"

static Grpc__LinuxDeviceCgroup rule(bool allow, const char *type, int64_t major, int64_t minor,
				    const char *access)
{
	Grpc__LinuxDeviceCgroup d = GRPC__LINUX_DEVICE_CGROUP__INIT;

	d.allow = allow;
	d.type = (char *)type;
	d.major = major;
	d.minor = minor;
	d.access = (char *)access;
	return d;
}

static int rules_of(Grpc__LinuxDeviceCgroup *d, struct cgroup_device_rule **rules, struct err *err)
{
	Grpc__LinuxDeviceCgroup *list[] = { d };
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Linux lin = GRPC__LINUX__INIT;

	res.devices = list;
	res.n_devices = 1;
	lin.resources = &res;
	return resources_device_rules(&lin, rules, err);
}

static void test_own_rule_first(void **state)
{
	static const struct {
		const char *type, *access;
		int64_t major, minor;
		char want_type;
		int64_t want_major, want_minor;
		unsigned want_access;
	} cases[] = {
		{ "", "rwm", 0, 0, 'a', -1, -1, CGROUP_DEVICE_ALL },
		{ "a", "", -1, -1, 'a', -1, -1, CGROUP_DEVICE_ALL },
		{ "c", "r", 5, 0, 'c', 5, 0, CGROUP_DEVICE_READ },
		{ "b", "wm", 8, -1, 'b', 8, -1, CGROUP_DEVICE_WRITE | CGROUP_DEVICE_MKNOD },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__LinuxDeviceCgroup d =
			rule(true, cases[i].type, cases[i].major, cases[i].minor, cases[i].access);
		struct cgroup_device_rule *rules;
		struct err err = ERR_INIT;

		assert_true(rules_of(&d, &rules, &err) > 1);
		assert_true(rules[0].allow);
		assert_int_equal(rules[0].type, cases[i].want_type);
		assert_int_equal(rules[0].major, cases[i].want_major);
		assert_int_equal(rules[0].minor, cases[i].want_minor);
		assert_int_equal(rules[0].access, cases[i].want_access);
		free(rules);
	}
}

static void test_bad_rules(void **state)
{
	static const struct {
		const char *type, *access, *says;
		int64_t major;
	} cases[] = {
		{ "x", "r", "unknown type \"x\"", 1 },
		{ "c", "rx", "access \"rx\"", 1 },
		{ "c", "r", "no device -2:0", -2 },
		{ "c", "r", "no device 4294967296:0", INT64_C(4294967296) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__LinuxDeviceCgroup d =
			rule(true, cases[i].type, cases[i].major, 0, cases[i].access);
		struct cgroup_device_rule *rules;
		struct err err = ERR_INIT;

		assert_int_equal(rules_of(&d, &rules, &err), -EINVAL);
		assert_non_null(strstr(err_msg(&err), cases[i].says));
	}
}

/* Without rules the nodes of the specification may be used, and the usual ones. */
static void test_nodes(void **state)
{
	Grpc__LinuxDevice node = GRPC__LINUX_DEVICE__INIT, fifo = GRPC__LINUX_DEVICE__INIT;
	Grpc__LinuxDevice *list[] = { &fifo, &node };
	Grpc__Linux lin = GRPC__LINUX__INIT;
	struct cgroup_device_rule *rules;
	struct err err = ERR_INIT;
	int n;

	(void)state;
	fifo.type = (char *)"p";
	node.type = (char *)"b";
	node.major = 254;
	node.minor = 16;
	lin.devices = list;
	lin.n_devices = 2;
	n = resources_device_rules(&lin, &rules, &err);
	assert_int_equal(rules[0].type, 'b');
	assert_int_equal(rules[0].major, 254);
	assert_int_equal(rules[0].minor, 16);
	free(rules);
	assert_int_equal(resources_device_rules(NULL, &rules, &err), n - 1);
	for (int i = 0; i < n - 1; i++)
		assert_true(rules[i].allow);
	free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_rule_first),
		cmocka_unit_test(test_bad_rules),
		cmocka_unit_test(test_nodes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
