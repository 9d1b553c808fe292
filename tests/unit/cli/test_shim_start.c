/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a shim that is a script on PATH. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/cli/shim_start.h"

static char dir[] = "/tmp/cli-test-XXXXXX";
static int stop;

static int setup(void **state)
{
	auto_free char *path = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s:%s", dir, getenv("PATH"));
	return setenv("PATH", path, 1);
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	return tree_remove(dir, &err);
}

static int started(const char *script, char **address, struct err *err)
{
	auto_free char *path = path_join(dir, "containerd-shim-kata-v2");
	auto_free char *text = xasprintf("#!/bin/sh\n%s\n", script);
	struct shim_options opt = { .id = "box",
				    .bundle = dir,
				    .root = "/r",
				    .config = "/c.toml",
				    .log = "/l",
				    .log_json = true,
				    .debug = true,
				    .stop = &stop };
	struct loop *loop = loop_new();
	int p[2], r;

	assert_int_equal(file_replace(path, text, strlen(text), 0755, err), 0);
	assert_int_equal(pipe(p), 0);
	opt.owner_fd = p[0];
	r = shim_start(loop, &opt, address, err);
	close(p[0]);
	close(p[1]);
	loop_free(loop);
	return r;
}

static void reads_the_address(void **state)
{
	struct err err = ERR_INIT;
	char *address = NULL;

	(void)state;
	if (started("echo noise >&2; printf 'unix:///run/s\\n'", &address, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(address, "unix:///run/s");
	free(address);
	/* The one that goes on running may hold the pipe. */
	if (started("printf unix:///run/t; sleep 0.1 & exit 0", &address, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(address, "unix:///run/t");
	free(address);
}

static void passes_what_the_shim_needs(void **state)
{
	struct err err = ERR_INIT;
	char *address = NULL, *tail;

	(void)state;
	if (started("test -e /proc/self/fd/${16} && echo \"unix://$* $PWD\"", &address, &err) < 0)
		fail_msg("%s", err.msg);
	tail = strstr(address, " -owner-fd ");
	assert_non_null(tail);
	assert_true(str_ends(tail, dir));
	*tail = '\0';
	assert_true(
		str_starts(address, "unix://-namespace default -id box -bundle /tmp/cli-test-"));
	assert_true(str_ends(address, " -root /r -config /c.toml -log /l -debug -log-json"));
	free(address);
}

static void tells_what_the_shim_said(void **state)
{
	struct err err = ERR_INIT;
	char *address = NULL;

	(void)state;
	assert_int_equal(started("echo early >&2; echo no memory >&2; exit 1", &address, &err),
			 -EIO);
	assert_string_equal(err.msg, "no memory");
	assert_int_equal(started("echo container box already exists >&2; exit 1", &address, &err),
			 -EEXIST);
	assert_int_equal(started("exit 3", &address, &err), -EIO);
	assert_string_equal(err.msg, "containerd-shim-kata-v2 start failed with status 3");
	assert_int_equal(started("kill -9 $$", &address, &err), -EIO);
	assert_string_equal(err.msg, "containerd-shim-kata-v2 start was killed by signal 9");
	assert_int_equal(started("echo http://x", &address, &err), -EPROTO);
	assert_string_equal(err.msg,
			    "containerd-shim-kata-v2 start gave no address but \"http://x\"");
	assert_null(address);
}

static void gives_up_when_told(void **state)
{
	struct err err = ERR_INIT;
	char *address = NULL;

	(void)state;
	stop = 2;
	assert_int_equal(started("exec sleep 100", &address, &err), -EINTR);
	stop = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_address),
		cmocka_unit_test(passes_what_the_shim_needs),
		cmocka_unit_test(tells_what_the_shim_said),
		cmocka_unit_test(gives_up_when_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
