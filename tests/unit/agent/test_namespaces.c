/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest/agent/namespaces.h"

static const struct ns_shared nothing = { -1, -1, -1 };

static int plan(const char *type, const char *path, struct ns_plan *p, struct err *err)
{
	Grpc__LinuxNamespace ns = GRPC__LINUX_NAMESPACE__INIT, *list[] = { &ns };
	Grpc__Linux spec = GRPC__LINUX__INIT;

	ns.type = (char *)type;
	ns.path = (char *)path;
	spec.namespaces = list;
	spec.n_namespaces = 1;
	return ns_plan(&spec, &nothing, p, err);
}

/* Both the specification's names and the kernel's, which the Rust runtime sends. */
static void test_names(void **state)
{
	static const struct {
		const char *type;
		unsigned long flag;
	} names[] = {
		{ "mount", CLONE_NEWNS },
		{ "mnt", CLONE_NEWNS },
		{ "pid", CLONE_NEWPID },
		{ "ipc", CLONE_NEWIPC },
		{ "uts", CLONE_NEWUTS },
		{ "user", CLONE_NEWUSER },
		{ "time", 0x80 /* CLONE_NEWTIME */ },
	};
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(plan(names[i].type, "", &p, &err), 0);
		assert_true(p.create & names[i].flag);
	}
	/* There is one network, the sandbox's. */
	assert_int_equal(plan("net", "", &p, &err), 0);
	assert_false(p.create & CLONE_NEWNET);
	assert_int_equal(plan("network", "", &p, &err), 0);
	assert_false(p.create & CLONE_NEWNET);
}

static void test_bad(void **state)
{
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	assert_int_equal(plan("nets", "", &p, &err), -EINVAL);
	assert_int_equal(plan("", "", &p, &err), -EINVAL);
	assert_int_equal(plan("ipc", "/nonexistent", &p, &err), -ENOENT);
}

static void test_twice(void **state)
{
	Grpc__LinuxNamespace one = GRPC__LINUX_NAMESPACE__INIT, two = one;
	Grpc__LinuxNamespace *list[] = { &one, &two };
	Grpc__Linux spec = GRPC__LINUX__INIT;
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	/* Also by its other name. */
	one.type = (char *)"mount";
	one.path = (char *)"/proc/self/ns/mnt";
	two.type = (char *)"mnt";
	spec.namespaces = list;
	spec.n_namespaces = 2;
	assert_int_equal(ns_plan(&spec, &nothing, &p, &err), -EINVAL);
	assert_string_equal(err_msg(&err), "namespace mnt is there twice");
	assert_int_equal(p.join[NS_MNT], -1); /* closed */
}

/* The original needs no pid namespace in the list: it adds one itself. */
static void test_defaults(void **state)
{
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	assert_int_equal(ns_plan(NULL, &nothing, &p, &err), 0);
	assert_int_equal(p.create, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP);
}

static void test_join(void **state)
{
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	assert_int_equal(plan("mnt", "/proc/self/ns/mnt", &p, &err), 0);
	assert_true(p.join[NS_MNT] >= 0);
	assert_false(p.create & CLONE_NEWNS);
	ns_plan_done(&p);
}

/* In a user namespace of its own a container must own its ipc namespace, too. */
static void test_shared(void **state)
{
	const struct ns_shared shared = { .ipc = STDIN_FILENO, .uts = -1, .pid = -1 };
	Grpc__LinuxNamespace ipc = GRPC__LINUX_NAMESPACE__INIT, user = ipc;
	Grpc__LinuxNamespace *list[] = { &ipc, &user };
	Grpc__Linux spec = GRPC__LINUX__INIT;
	struct err err = ERR_INIT;
	struct ns_plan p;

	(void)state;
	ipc.type = (char *)"ipc";
	user.type = (char *)"user";
	spec.namespaces = list;
	spec.n_namespaces = 1;
	assert_int_equal(ns_plan(&spec, &shared, &p, &err), 0);
	assert_true(p.join[NS_IPC] >= 0);
	assert_false(p.create & CLONE_NEWIPC);
	ns_plan_done(&p);
	spec.n_namespaces = 2;
	assert_int_equal(ns_plan(&spec, &shared, &p, &err), 0);
	assert_int_equal(p.join[NS_IPC], -1);
	assert_true(p.create & CLONE_NEWIPC);
	ns_plan_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_bad),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_join),
		cmocka_unit_test(test_shared),	 cmocka_unit_test(test_twice),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
