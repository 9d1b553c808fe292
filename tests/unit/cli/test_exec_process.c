/* SPDX-License-Identifier: Apache-2.0 */
/* What process comes of exec's flags, and of a file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/cli/exec_process.h"

static char dir[32];
static char *args[] = { (char *)"ls", (char *)"-l" };
static Grpc__Process *p;
static struct err err;

static void put(const char *name, const char *text)
{
	auto_free char *path = path_join(dir, name);

	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-exec-XXXXXX");
	assert_non_null(mkdtemp(dir));
	put("config.json",
	    "{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":true,\"args\":[\"sh\",\"-c\",\"x\"],"
	    "\"cwd\":\"/home\",\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":3,\"gid\":4,"
	    "\"additionalGids\":[5],\"username\":\"u\"},\"capabilities\":{\"bounding\":"
	    "[\"CAP_CHOWN\"],\"effective\":[]}},\"root\":{\"path\":\"tree\"}}");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (p)
		grpc__process__free_unpacked(take_ptr(p), NULL);
	err_clear(&err);
	return tree_remove(dir, NULL);
}

static void make(const struct exec_options *opt)
{
	if (p)
		grpc__process__free_unpacked(take_ptr(p), NULL);
	if (exec_process(opt, dir, 2, args, &p, &err) < 0)
		fail_msg("%s", err_msg(&err));
}

static void refuse(const struct exec_options *opt, const char *text)
{
	Grpc__Process *none;

	assert_int_equal(exec_process(opt, dir, 2, args, &none, &err), -EINVAL);
	assert_null(none);
	assert_string_equal(err_msg(&err), text);
}

static void as_the_container_but_for_its_command(void **state)
{
	(void)state;
	make(&(const struct exec_options){ 0 });
	assert_int_equal(p->n_args, 2);
	assert_string_equal(p->args[1], "-l");
	assert_string_equal(p->cwd, "/home");
	assert_int_equal(p->n_env, 1);
	assert_int_equal(p->user->uid, 3);
	assert_string_equal(p->user->username, "u");
	/* Its terminal is not the container's. */
	assert_false(p->terminal);
	assert_int_equal(p->capabilities->n_bounding, 1);
}

static void with_what_the_flags_say(void **state)
{
	char *env[] = { (char *)"A=b", (char *)"C=", NULL }, *caps[] = { (char *)"kill", NULL },
	     *gids[] = { (char *)"6", (char *)"7", NULL };

	(void)state;
	make(&(const struct exec_options){ .cwd = "/tmp",
					   .user = "10:11",
					   .tty = true,
					   .no_new_privs = true,
					   .apparmor = "profile",
					   .label = "label",
					   .env = { env, 2 },
					   .caps = { caps, 1 },
					   .gids = { gids, 2 } });
	assert_string_equal(p->cwd, "/tmp");
	assert_int_equal(p->user->uid, 10);
	assert_int_equal(p->user->gid, 11);
	assert_string_equal(p->user->username, "");
	assert_int_equal(p->user->n_additionalgids, 3);
	assert_int_equal(p->user->additionalgids[2], 7);
	assert_true(p->terminal);
	assert_true(p->nonewprivileges);
	assert_string_equal(p->apparmorprofile, "profile");
	assert_string_equal(p->selinuxlabel, "label");
	assert_int_equal(p->n_env, 3);
	assert_string_equal(p->env[1], "A=b");
	assert_string_equal(p->capabilities->bounding[1], "CAP_KILL");
	assert_string_equal(p->capabilities->effective[0], "CAP_KILL");
	assert_string_equal(p->capabilities->permitted[0], "CAP_KILL");
	assert_int_equal(p->capabilities->n_ambient, 0);
	make(&(const struct exec_options){ .user = "10" });
	assert_int_equal(p->user->gid, 4);
}

static void a_mistake_names_the_flag(void **state)
{
	char *env[] = { (char *)"=b", NULL }, *caps[] = { (char *)"CAP_X Y", NULL },
	     *gids[] = { (char *)"wheel", NULL };

	(void)state;
	refuse(&(const struct exec_options){ .user = "root" },
	       "flag --user: \"root\" is no number of a user or group");
	refuse(&(const struct exec_options){ .user = "1:" },
	       "flag --user: \"\" is no number of a user or group");
	refuse(&(const struct exec_options){ .user = "4294967295" },
	       "flag --user: \"4294967295\" is no number of a user or group");
	refuse(&(const struct exec_options){ .cwd = "tmp" },
	       "flag --cwd: \"tmp\" is no absolute path");
	refuse(&(const struct exec_options){ .env = { env, 1 } },
	       "flag --env: \"=b\" is not NAME=VALUE");
	refuse(&(const struct exec_options){ .caps = { caps, 1 } },
	       "flag --cap: \"CAP_X Y\" is no capability");
	refuse(&(const struct exec_options){ .gids = { gids, 1 } },
	       "flag --additional-gids: \"wheel\" is no number of a user or group");
}

static void from_a_file(void **state)
{
	auto_free char *path = path_join(dir, "p.json"), *text = NULL;
	const struct exec_options opt = { .process = path, .cwd = "ignored" };
	Grpc__Process *none;

	(void)state;
	put("p.json", "{\"terminal\":true,\"args\":[\"top\"],\"cwd\":\"/\"}");
	make(&opt);
	assert_string_equal(p->args[0], "top");
	assert_true(p->terminal);
	put("p.json", "{\"args\":[],\"cwd\":\"/\"}");
	refuse(&opt, "process.args: must not be empty");
	put("p.json", "{\n\"args\":x");
	text = xasprintf("%s:2:8: ", path);
	assert_int_equal(exec_process(&opt, dir, 2, args, &none, &err), -EINVAL);
	assert_int_equal(strncmp(err_msg(&err), text, strlen(text)), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(as_the_container_but_for_its_command),
		T(with_what_the_flags_say),
		T(a_mistake_names_the_flag),
		T(from_a_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
