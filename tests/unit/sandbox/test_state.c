/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/state.h"

static char root[] = "/tmp/test-state-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(root, NULL);
}

static void checks_ids(void **state)
{
	static const char *const good[] = { "ab", "0-", "A-b_c.d", "x..y" };
	static const char *const bad[] = { "",	 "a",	".",   "..",  "-a",
					   "_a", "a/b", "a b", "a\n", "\xc3\xa4" };
	char id[130];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(state_check_id(good[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(state_check_id(bad[i], &err), -EINVAL);
		assert_non_null(strstr(err.msg, strcmp(bad[i], "a\n") ? bad[i] : "'a?'"));
	}
	assert_int_equal(state_check_id(NULL, NULL), -EINVAL);
	assert_int_equal(state_check_id("1", NULL), -EINVAL);
	assert_true(state_process_id_ok("1"));
	assert_false(state_process_id_ok(""));
	assert_false(state_process_id_ok("a/b"));
	memset(id, 'x', sizeof(id));
	id[128] = '\0';
	assert_int_equal(state_check_id(id, NULL), 0);
	id[128] = 'x';
	id[129] = '\0';
	assert_int_equal(state_check_id(id, NULL), -EINVAL);
}

static struct sandbox_state *make_full(void)
{
	struct sandbox_state *st = state_new(root, "full");
	struct state_container *c;

	st->namespace = xstrdup("default");
	st->bundle = xstrdup("/b \"quoted\"\n/\xc3\xa4");
	st->address = xstrdup("unix:///run/x.sock");
	st->hypervisor = xstrdup("fake");
	st->config_path = xstrdup("/etc/c.toml");
	state_add_process(st, "shim", getpid());
	state_note(&st->dirs, "/run/a");
	state_note(&st->dirs, "/run/b");
	state_note(&st->dirs, "/run/a");
	state_note(&st->mounts, "/run/a/m");
	state_note(&st->cgroups, "/kata/full");
	c = state_add_container(st, "full");
	c->status = xstrdup("running");
	c->created = xstrdup("2026-01-02T03:04:05Z");
	strv_add(&c->annotations, "k");
	strv_add(&c->annotations, "");
	c = state_add_container(st, "second");
	c->bundle = xstrdup("/b2");
	c->rootfs = xstrdup("/b2/rootfs");
	return st;
}

static void check_full(struct sandbox_state *st)
{
	struct state_container *c;

	assert_string_equal(st->id, "full");
	assert_string_equal(st->namespace, "default");
	assert_string_equal(st->bundle, "/b \"quoted\"\n/\xc3\xa4");
	assert_string_equal(st->address, "unix:///run/x.sock");
	assert_string_equal(st->hypervisor, "fake");
	assert_string_equal(st->config_path, "/etc/c.toml");
	assert_int_equal(st->n_processes, 1);
	assert_int_equal(st->processes[0].pid, getpid());
	assert_true(state_shim_alive(st));
	assert_int_equal(st->dirs.n, 2);
	assert_string_equal(st->dirs.v[1], "/run/b");
	assert_string_equal(st->mounts.v[0], "/run/a/m");
	assert_string_equal(st->cgroups.v[0], "/kata/full");
	assert_int_equal(st->n_containers, 2);
	c = state_find_container(st, "full");
	assert_string_equal(c->status, "running");
	assert_string_equal(c->created, "2026-01-02T03:04:05Z");
	assert_null(c->bundle);
	assert_int_equal(c->annotations.n, 2);
	assert_string_equal(c->annotations.v[1], "");
	assert_string_equal(state_find_container(st, "second")->rootfs, "/b2/rootfs");
	assert_null(state_find_container(st, "third"));
}

static void comes_back_whole(void **state)
{
	struct sandbox_state *st = make_full(), *back = NULL;
	auto_free char *dir = path_join(root, "full"), *file = path_join(dir, "state.json");
	struct stat s;

	(void)state;
	assert_int_equal(state_create(st, NULL), 0);
	assert_int_equal(stat(dir, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
	assert_int_equal(state_load(root, "full", &back, NULL), 0);
	check_full(back);
	state_free(back);

	state_forget(&st->dirs, "/run/a");
	state_forget(&st->dirs, "/nowhere");
	state_remove_container(st, "full");
	st->processes[0].start++; /* another process has the pid now */
	assert_int_equal(state_save(st, NULL), 0);
	assert_int_equal(state_load(root, "full", &back, NULL), 0);
	assert_int_equal(back->dirs.n, 1);
	assert_string_equal(back->dirs.v[0], "/run/b");
	assert_null(back->dirs.v[1]);
	assert_int_equal(back->n_containers, 1);
	assert_string_equal(back->containers[0].id, "second");
	assert_false(state_shim_alive(back));
	state_free(back);
	state_free(st);
}

static void has_one_owner_per_id(void **state)
{
	struct sandbox_state *st = state_new(root, "once"), *none = NULL;
	struct strv ids = { NULL, 0 };
	struct err err = ERR_INIT;
	auto_free char *stray = path_join(root, "stray");

	(void)state;
	assert_int_equal(state_create(st, NULL), 0);
	assert_int_equal(state_create(st, &err), -EEXIST);
	assert_string_equal(err.msg, "container once already exists");
	assert_int_equal(state_load(root, "twice", &none, &err), -ENOENT);
	assert_string_equal(err.msg, "container twice does not exist");
	assert_int_equal(state_load(root, "../once", &none, &err), -EINVAL);
	assert_int_equal(mkdir(stray, 0700), 0);
	assert_int_equal(state_list(root, &ids, NULL), 0);
	assert_int_equal(ids.n, 2);
	assert_string_equal(ids.v[0], "full");
	assert_string_equal(ids.v[1], "once");
	strv_free(&ids);
	assert_int_equal(state_list("/nonexistent/root", &ids, NULL), 0);
	assert_int_equal(ids.n, 0);
	state_free(st);
}

/* The shim listens there before it has a sandbox. */
static void takes_a_directory_without_a_state(void **state)
{
	auto_free char *dir = path_join(root, "early"), *other = path_join(dir, "shim.sock");
	struct sandbox_state *st = state_new(root, "early"), *back = NULL;
	struct strv ids = { NULL, 0 };

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(file_replace(other, "", 0, 0600, NULL), 0);
	assert_int_equal(state_create(st, NULL), 0);
	assert_int_equal(access(other, F_OK), 0);
	assert_int_equal(state_load(root, "early", &back, NULL), 0);
	assert_int_equal(state_create(st, NULL), -EEXIST);
	assert_int_equal(tree_remove(dir, NULL), 0);
	assert_int_equal(state_list(root, &ids, NULL), 0);
	for (size_t i = 0; i < ids.n; i++)
		assert_null(strstr(ids.v[i], "early"));
	strv_free(&ids);
	state_free(back);
	state_free(st);
}

static void refuses_bad_files(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "", "is no JSON: cut short" },
		{ "garbage", "is no JSON" },
		{ "{\"version\": 1, \"id\": \"bad\"", "cut short" },
		{ "{\"version\": 1, \"id\": \"bad\"} x", "is no JSON" },
		{ "null", "is no JSON" },
		{ "[]", "is no JSON object" },
		{ "{}", "\"version\": must be 1" },
		{ "{\"version\": 2, \"id\": \"bad\"}", "\"version\": must be 1" },
		{ "{\"version\": 1}", "\"id\": must be \"bad\"" },
		{ "{\"version\": 1, \"id\": \"other\"}", "\"id\": must be \"bad\"" },
		{ "{\"version\": 1, \"id\": 7}", "\"id\": must be of type string" },
		{ "{\"version\": 1, \"id\": \"bad\", \"bundle\": []}", "\"bundle\": must be" },
		{ "{\"version\": 1, \"id\": \"bad\", \"dirs\": \"/\"}", "\"dirs\": must be" },
		{ "{\"version\": 1, \"id\": \"bad\", \"dirs\": [\"/\"]}", "\"dirs\": item 0" },
		{ "{\"version\": 1, \"id\": \"bad\", \"dirs\": [\"/a\", \"b\"]}",
		  "\"dirs\": item 1" },
		{ "{\"version\": 1, \"id\": \"bad\", \"dirs\": [\"/a/../b\"]}",
		  "\"dirs\": item 0" },
		{ "{\"version\": 1, \"id\": \"bad\", \"mounts\": [\"/a/..\"]}",
		  "\"mounts\": item 0" },
		{ "{\"version\": 1, \"id\": \"bad\", \"cgroups\": [3]}", "\"cgroups\": item 0" },
		{ "{\"version\": 1, \"id\": \"bad\", \"processes\": [3]}", "\"processes\"" },
		{ "{\"version\": 1, \"id\": \"bad\", \"processes\": [{\"name\": \"x\"}]}",
		  "\"processes\"" },
		{ "{\"version\": 1, \"id\": \"bad\", \"processes\": "
		  "[{\"name\": \"x\", \"pid\": -1, \"start\": 0}]}",
		  "\"processes\"" },
		{ "{\"version\": 1, \"id\": \"bad\", \"containers\": [{\"id\": \"a/b\"}]}",
		  "\"containers\"" },
		{ "{\"version\": 1, \"id\": \"bad\", \"containers\": "
		  "[{\"id\": \"aa\", \"annotations\": {\"k\": 1}}]}",
		  "annotations must be strings" },
	};
	auto_free char *dir = path_join(root, "bad"), *file = path_join(dir, "state.json");

	(void)state;
	assert_int_equal(mkdir(dir, 0700), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sandbox_state *st = NULL;
		struct err err = ERR_INIT;

		assert_int_equal(file_replace(file, bad[i].text, strlen(bad[i].text), 0600, NULL),
				 0);
		assert_int_equal(state_load(root, "bad", &st, &err), -EINVAL);
		assert_null(st);
		assert_int_equal(strncmp(err.msg, file, strlen(file)), 0);
		if (!strstr(err.msg, bad[i].error))
			fail_msg("%s: '%s', not '%s'", bad[i].text, err.msg, bad[i].error);
	}
}

static void tells_when_it_cannot_write(void **state)
{
	struct sandbox_state *st = state_new("/proc/no", "xx");
	struct err err = ERR_INIT;

	(void)state;
	assert_true(state_create(st, &err) < 0);
	assert_non_null(strstr(err.msg, "/proc/no"));
	assert_true(state_save(st, &err) < 0);
	state_free(st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_ids),
		cmocka_unit_test(comes_back_whole),
		cmocka_unit_test(has_one_owner_per_id),
		cmocka_unit_test(takes_a_directory_without_a_state),
		cmocka_unit_test(refuses_bad_files),
		cmocka_unit_test(tells_when_it_cannot_write),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("state", tests, setup, teardown);
}
