/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "host/cli/host_ns.h"

/* Each: "TYPE" or "TYPE=PATH". */
static int check(const char *const *list, size_t n, bool net, struct err *err)
{
	Grpc__LinuxNamespace ns[8], *namespaces[8];
	Grpc__Linux linux = GRPC__LINUX__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	char types[8][16];

	for (size_t i = 0; i < n; i++) {
		const char *path = strchr(list[i], '=');

		grpc__linux_namespace__init(&ns[i]);
		strncpy(types[i], list[i], sizeof(types[i]) - 1);
		types[i][path ? (size_t)(path - list[i]) : strlen(list[i])] = '\0';
		ns[i].type = types[i];
		if (path)
			ns[i].path = (char *)(uintptr_t)(path + 1);
		namespaces[i] = &ns[i];
	}
	linux.namespaces = namespaces;
	linux.n_namespaces = n;
	spec.linux = &linux;
	return host_ns_check(&spec, net, err);
}

static void refuses_the_hosts(void **state)
{
	static const struct {
		const char *list[4];
		const char *says; /* NULL: fine */
		bool net;
	} cases[] = {
		{ { "network", "pid", "ipc", "mount" }, NULL, false },
		{ { "network=/nonexistent", "pid", "ipc" }, NULL, false },
		{ { "network=/proc/self/ns/uts", "pid", "ipc" }, NULL, false },
		{ { "pid", "ipc", "uts" }, "--network host", false },
		{ { "network=/proc/self/ns/net", "pid", "ipc" }, "--network host", false },
		{ { "pid", "ipc", "uts" }, NULL, true },
		{ { "ipc", "uts" }, "--pid host", true },
		{ { "network", "ipc", "uts" }, "--pid host", false },
		{ { "network", "pid=/proc/self/ns/pid", "ipc" }, "--pid host", false },
		{ { "network", "pid", "uts" }, "--ipc host", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		size_t n = 0;
		int r;

		while (n < 4 && cases[i].list[n])
			n++;
		r = check(cases[i].list, n, cases[i].net, &err);
		assert_int_equal(r, cases[i].says ? -EOPNOTSUPP : 0);
		if (cases[i].says)
			assert_non_null(strstr(err_msg(&err), cases[i].says));
	}
}

/* Namespaces by a path that nothing on the host enters. */
static void paths_are_of_their_kind(void **state)
{
	static const struct {
		const char *last, *says;
		int code;
	} cases[] = {
		{ "cgroup=/proc/self/ns/cgroup", NULL, 0 },
		{ "user=/proc/self/ns/user", NULL, 0 },
		{ "time=/proc/self/ns/time", NULL, 0 },
		{ "cgroup=/proc/self/ns/ipc", "/proc/self/ns/ipc is no cgroup namespace", EINVAL },
		{ "user=/proc/self/ns/net", "/proc/self/ns/net is no user namespace", EINVAL },
		{ "time=/proc/self/stat", "/proc/self/stat is no time namespace", EINVAL },
		{ "user=/nonexistent", "/nonexistent: No such file", ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const list[] = { "network", "pid", "ipc", cases[i].last };
		struct err err = ERR_INIT;

		assert_int_equal(check(list, 4, false, &err), -cases[i].code);
		if (cases[i].says)
			assert_non_null(strstr(err_msg(&err), cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(refuses_the_hosts),
					    cmocka_unit_test(paths_are_of_their_kind) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
