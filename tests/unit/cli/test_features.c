/* SPDX-License-Identifier: Apache-2.0 */
/* What `features` promises, against what the agent's own tables know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/version.h"
#include "guest/agent/caps.h"
#include "guest/agent/mount_options.h"
#include "guest/agent/seccomp.h"
#include "host/cli/feature_list.h"

static void mount_options(void **state)
{
	(void)state;
	for (const char *const *p = features_mount_options; *p; p++) {
		char *one[] = { (char *)(uintptr_t)*p };
		struct mount_options o;

		mount_options_parse(one, 1, &o);
		/* What is left for the file system is not ours to promise. */
		if (o.data.n)
			fail_msg("the agent does not know the option %s", *p);
		mount_options_done(&o);
		if (p[1])
			assert_true(strcmp(*p, p[1]) < 0);
	}
}

static void capabilities(void **state)
{
	(void)state;
	for (size_t i = 0; features_capabilities[i]; i++)
		assert_int_equal(cap_number(features_capabilities[i]), i);
}

static int compile(const char *action, const char *op, const char *arch, const char *flag)
{
	Grpc__LinuxSeccompArg arg = GRPC__LINUX_SECCOMP_ARG__INIT, *args[] = { &arg };
	Grpc__LinuxSyscall call = GRPC__LINUX_SYSCALL__INIT, *calls[] = { &call };
	Grpc__LinuxSeccomp spec = GRPC__LINUX_SECCOMP__INIT;
	char *names[] = { (char *)"uname" }, *archs[] = { (char *)(uintptr_t)arch },
	     *flags[] = { (char *)(uintptr_t)flag };
	struct seccomp_filter f = { 0 };
	struct err err = ERR_INIT;
	int r;

	arg.op = (char *)(uintptr_t)op;
	arg.value = 1;
	call.names = names;
	call.n_names = 1;
	call.args = args;
	call.n_args = 1;
	call.action = (char *)(uintptr_t)action;
	spec.defaultaction = (char *)"SCMP_ACT_ALLOW";
	spec.syscalls = calls;
	spec.n_syscalls = 1;
	spec.architectures = archs;
	spec.n_architectures = 1;
	spec.flags = flags;
	spec.n_flags = 1;
	r = seccomp_compile(&spec, &f, &err);
	if (r < 0)
		print_error("%s\n", err_msg(&err));
	seccomp_done(&f);
	return r;
}

static void seccomp(void **state)
{
	const char *const action = features_seccomp_actions[1], *op = features_seccomp_operators[0],
			  *arch = features_seccomp_archs[0], *flag = features_seccomp_flags[0];

	(void)state;
	for (const char *const *p = features_seccomp_actions; *p; p++)
		assert_int_equal(compile(*p, op, arch, flag), 0);
	for (const char *const *p = features_seccomp_operators; *p; p++)
		assert_int_equal(compile(action, *p, arch, flag), 0);
	for (const char *const *p = features_seccomp_archs; *p; p++)
		assert_int_equal(compile(action, op, *p, flag), 0);
	for (const char *const *p = features_seccomp_flags; *p; p++)
		assert_int_equal(compile(action, op, arch, *p), 0);
	assert_true(compile("SCMP_ACT_NOTIFY", op, arch, flag) < 0);
}

static void shape(void **state)
{
	json_object *obj = features_json(), *member;

	(void)state;
	assert_true(json_object_object_get_ex(obj, "ociVersionMax", &member));
	assert_string_equal(json_object_get_string(member), OCI_SPEC_VERSION);
	assert_true(json_object_object_get_ex(obj, "linux", &member));
	assert_true(json_object_object_get_ex(member, "seccomp", &member));
	assert_true(json_object_object_get_ex(member, "actions", &member));
	assert_int_equal(json_object_array_length(member), 8);
	json_object_put(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mount_options),
		cmocka_unit_test(capabilities),
		cmocka_unit_test(seccomp),
		cmocka_unit_test(shape),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
