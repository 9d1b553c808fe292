/* SPDX-License-Identifier: Apache-2.0 */
/* What is on disk: whose it is, and that it goes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "host/sandbox/state.h"
#include "host/shim/traces.h"

struct disk {
	char dir[32];
	char *bundle, *mine, *socket, *state;
	struct shim_options opt;
};

static int setup(void **state)
{
	struct disk *d = xcalloc(1, sizeof(*d));

	memcpy(d->dir, "/tmp/test-traces-XXXXXX", 24);
	if (!mkdtemp(d->dir))
		return -1;
	d->bundle = path_join(d->dir, "bundle");
	d->mine = path_join(d->dir, "root/cc");
	d->socket = path_join(d->mine, SANDBOX_SOCKET);
	d->state = path_join(d->mine, "state.json");
	d->opt = (struct shim_options){ .id = "cc", .bundle = d->bundle, .address = "unix:///x" };
	d->opt.root = path_join(d->dir, "root");
	*state = d;
	return mkdir(d->bundle, 0700);
}

static int teardown(void **state)
{
	struct disk *d = *state;
	int r = tree_remove(d->dir, NULL);

	free(d->bundle);
	free(d->mine);
	free(d->socket);
	free(d->state);
	free((char *)(uintptr_t)d->opt.root);
	free(d);
	return r;
}

static void one_shim_has_an_id(void **state)
{
	struct disk *d = *state;
	struct err err = ERR_INIT;
	int first = -1, second = -1, fd;

	assert_int_equal(traces_claim(&d->opt, &first, NULL), 0);
	fd = unix_connect(d->socket, true, NULL);
	assert_true(fd >= 0);
	assert_int_equal(traces_claim(&d->opt, &second, &err), -EEXIST);
	assert_string_equal(err.msg, "container cc already exists");
	assert_int_equal(second, -1);
	close(fd);
	assert_int_equal(traces_remove(&d->opt, NULL), 0);
	assert_int_not_equal(access(d->mine, F_OK), 0);
	close(first);
	/* Nothing but the root is left. */
	assert_int_equal(rmdir(d->opt.root), 0);
}

/* A shim that was killed before it had a sandbox must not keep the ID for ever. */
static void an_abandoned_id_is_free(void **state)
{
	struct disk *d = *state;
	int fd = -1;

	assert_int_equal(traces_claim(&d->opt, &fd, NULL), 0);
	close(fd);
	assert_int_equal(traces_claim(&d->opt, &fd, NULL), 0);
	assert_int_equal(file_replace(d->state, "{}", 2, 0600, NULL), 0);
	close(fd);
	/* With a state it is for `delete`. */
	assert_int_equal(traces_claim(&d->opt, &fd, NULL), -EEXIST);
}

/* A root is chosen by the user: what somebody else has in a directory of that name stays. */
static void of_others_nothing_is_removed(void **state)
{
	struct disk *d = *state;
	auto_free char *file = path_join(d->mine, "letters");
	struct err err = ERR_INIT;
	int fd = -1;

	assert_int_equal(dir_make(d->mine, 0700, NULL), 0);
	assert_int_equal(file_replace(file, "x", 1, 0600, NULL), 0);
	assert_int_equal(traces_claim(&d->opt, &fd, &err), -EEXIST);
	assert_string_equal(err.msg, "container cc already exists");
	assert_int_equal(state_drop_abandoned(d->opt.root, "cc", -1, NULL), 0);
	fd = unix_listen(d->socket, 1, NULL);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(state_drop_abandoned(d->opt.root, "cc", -1, NULL), 0);
	assert_int_equal(access(file, F_OK), 0);
	/* Without it, it is what a shim left. */
	assert_int_equal(unlink(file), 0);
	assert_int_equal(state_drop_abandoned(d->opt.root, "cc", -1, NULL), 1);
	assert_int_not_equal(access(d->mine, F_OK), 0);
	assert_int_equal(state_drop_abandoned(d->opt.root, "cc", -1, NULL), 1);
}

#define RIVALS 8
#define ROUNDS 5

/* Long enough that others get between a look at a directory and its removal. */
static useconds_t slowness;

int __real_tree_remove(const char *path, struct err *err);
int __wrap_tree_remove(const char *path, struct err *err);
int __wrap_tree_remove(const char *path, struct err *err)
{
	if (slowness)
		usleep(slowness);
	return __real_tree_remove(path, err);
}

/* Begins when @start closes, says at @result whether it won, and has it until @gate closes. */
static void rival(struct disk *d, int start, int result, int gate)
{
	int fd = -1;
	char c;

	slowness = 5000;
	(void)!read(start, &c, 1);
	c = traces_claim(&d->opt, &fd, NULL) == 0 ? 'w' : 'l';
	(void)!write(result, &c, 1);
	(void)!read(gate, &c, 1);
	_exit(0);
}

/* What many find abandoned at once one has, and nobody removes it again. */
static void of_many_one_takes_an_abandoned_id(void **state)
{
	struct disk *d = *state;

	for (int round = 0; round < ROUNDS; round++) {
		int fd = -1, start[2], result[2], gate[2], winners = 0;
		char c;

		assert_int_equal(traces_claim(&d->opt, &fd, NULL), 0);
		close(fd);
		assert_int_equal(pipe(start), 0);
		assert_int_equal(pipe(result), 0);
		assert_int_equal(pipe(gate), 0);
		for (int i = 0; i < RIVALS; i++) {
			if (fork() == 0) {
				close(gate[1]);
				close(start[1]);
				rival(d, start[0], result[1], gate[0]);
			}
		}
		close(result[1]);
		close(gate[0]);
		close(start[0]);
		close(start[1]);
		for (int i = 0; i < RIVALS; i++) {
			assert_int_equal(read(result[0], &c, 1), 1);
			winners += c == 'w';
		}
		assert_int_equal(winners, 1);
		fd = unix_connect(d->socket, true, NULL);
		assert_true(fd >= 0);
		close(fd);
		close(gate[1]);
		close(result[0]);
		while (wait(NULL) > 0)
			;
	}
	assert_int_equal(traces_remove(&d->opt, NULL), 0);
	assert_int_equal(rmdir(d->opt.root), 0);
}

static void what_was_not_undone_stays_known(void **state)
{
	struct disk *d = *state;
	int fd = -1;

	assert_int_equal(traces_claim(&d->opt, &fd, NULL), 0);
	assert_int_equal(file_replace(d->state, "{}", 2, 0600, NULL), 0);
	assert_int_equal(traces_remove(&d->opt, NULL), 0);
	assert_int_equal(access(d->state, F_OK), 0);
	assert_int_not_equal(access(d->socket, F_OK), 0);
	close(fd);
}

static void a_bundle_is_left_as_it_was(void **state)
{
	struct disk *d = *state;
	auto_free char *address = path_join(d->bundle, "address");
	auto_free char *pid = path_join(d->bundle, "shim.pid");
	auto_free char *monitor = path_join(d->bundle, "monitor_address");
	auto_free char *where = xasprintf("unix://%s/cc/shim-monitor.sock", d->opt.root);
	auto_str struct str text = STR_INIT;

	traces_write_address(&d->opt, getpid());
	assert_int_equal(file_read(address, 100, &text, NULL), 0);
	assert_string_equal(str_text(&text), "unix:///x");
	str_free(&text);
	assert_int_equal(file_read(monitor, 200, &text, NULL), 0);
	assert_string_equal(str_text(&text), where);
	assert_int_equal(access(pid, F_OK), 0);
	assert_int_equal(traces_remove(&d->opt, NULL), 0);
	assert_int_equal(rmdir(d->bundle), 0);
	/* Files of the same names may be the user's. */
	assert_int_equal(mkdir(d->bundle, 0700), 0);
	assert_int_equal(file_replace(address, "Main Street", 11, 0600, NULL), 0);
	assert_int_equal(traces_remove(&d->opt, NULL), 0);
	assert_int_equal(access(address, F_OK), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_shim_has_an_id),
		TEST(an_abandoned_id_is_free),
		TEST(of_others_nothing_is_removed),
		TEST(of_many_one_takes_an_abandoned_id),
		TEST(what_was_not_undone_stays_known),
		TEST(a_bundle_is_left_as_it_was),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
