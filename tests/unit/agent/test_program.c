/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
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
#include "guest/agent/program.h"
#include "guest/agent/rlimits.h"

static char dir[] = "/tmp/agent-program-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return -1;
	close(open("tool", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	close(open("text", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink("tool");
	unlink("text");
	return rmdir(dir);
}

/* What program_find() says of @name with @path as the PATH (NULL: none). */
static int find(const char *name, const char *path, char **found, struct err *err)
{
	Grpc__Process p = GRPC__PROCESS__INIT;
	auto_free char *var = path ? xasprintf("PATH=%s", path) : NULL;
	char *args[] = { (char *)name }, *env[] = { (char *)"X=1", var };

	p.args = args;
	p.n_args = 1;
	p.env = env;
	p.n_env = path ? 2 : 1;
	return program_find(&p, found, err);
}

static void test_find(void **state)
{
	auto_free char *one = NULL, *two = NULL, *three = NULL, *four = NULL;
	auto_free char *path = xasprintf("/nosuch:%s", dir), *want = xasprintf("%s/tool", dir);

	(void)state;
	assert_int_equal(find("tool", path, &one, NULL), 0);
	assert_string_equal(one, want);
	assert_int_equal(find(want, "/nosuch", &two, NULL), 0);
	assert_string_equal(two, want);
	/* An empty entry is the working directory. */
	assert_int_equal(find("tool", "/nosuch:", &three, NULL), 0);
	assert_string_equal(three, "./tool");
	/* Without a PATH there is a usual one. */
	assert_int_equal(find("sh", NULL, &four, NULL), 0);
	assert_true(str_ends(four, "/sh"));
}

static void fails(const char *name, const char *path, int code, const char *text)
{
	struct err err = ERR_INIT;
	char *found = NULL;

	assert_int_equal(find(name, path, &found, &err), code);
	assert_null(found);
	assert_non_null(strstr(err_msg(&err), text));
}

static void test_not_found(void **state)
{
	(void)state;
	fails("nosuch", dir, -ENOENT, "exec: \"nosuch\": executable file not found in $PATH");
	fails("text", dir, -EACCES, "exec: \"text\": permission denied");
	fails("./text", dir, -EACCES, "permission denied");
	fails("/no/such", dir, -ENOENT, "stat /no/such: no such file or directory");
	fails("./tool/x", dir, -ENOENT, "no such file or directory");
	fails("/tmp", dir, -EACCES, "is a directory");
	fails("", dir, -EINVAL, "process.args");
}

static void test_env(void **state)
{
	char *env[] = { (char *)"A=1", (char *)"noise", (char *)"HOME=", (char *)"A=2" };
	Grpc__Process p = GRPC__PROCESS__INIT;
	struct strv out = { NULL, 0 };

	(void)state;
	p.env = env;
	p.n_env = ARRAY_SIZE(env);
	assert_string_equal(program_getenv(&p, "A"), "2");
	assert_null(program_getenv(&p, "nois"));
	program_env(&p, "/home/u", &out);
	assert_int_equal(out.n, 2);
	assert_string_equal(out.v[0], "A=2");
	assert_string_equal(out.v[1], "HOME=/home/u");
	strv_free(&out);
	env[2] = (char *)"HOME=/set";
	program_env(&p, "/home/u", &out);
	assert_int_equal(out.n, 2);
	assert_string_equal(out.v[0], "HOME=/set");
	strv_free(&out);
}

static void test_rlimit_names(void **state)
{
	(void)state;
	assert_int_equal(rlimit_number("RLIMIT_NOFILE"), 7);
	assert_int_equal(rlimit_number("RLIMIT_CPU"), 0);
	assert_int_equal(rlimit_number("NOFILE"), -EINVAL);
	assert_int_equal(rlimit_number(""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_rlimit_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
