/* SPDX-License-Identifier: Apache-2.0 */
/* Images by their keys: makers that meet, makers that die, the bound. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/storage/image/cache.h"
#include "host/storage/image/sha256.h"

static char base[] = "/tmp/test-cache-XXXXXX";
static int dir;

static int setup(void **state)
{
	(void)state;
	return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(base, NULL);
}

static int begin(void **state)
{
	auto_free char *path = path_join(base, "images/here");

	(void)state;
	dir = cache_dir(path, NULL);
	return dir < 0 ? -1 : 0;
}

static int end(void **state)
{
	auto_free char *path = path_join(base, "images");

	(void)state;
	close(dir);
	return tree_remove(path, NULL);
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

/* One of so many bytes, used at @time; the descriptor that uses it. */
static int make(const char *key, size_t size, time_t time)
{
	const struct timespec times[2] = { { .tv_sec = time }, { .tv_sec = time } };
	auto_free char *content = xcalloc(1, size);
	int made, part = cache_begin(dir, key, &made, NULL), fd;

	assert_true(part >= 0);
	assert_int_equal(made, -1);
	memset(content, 'x', size);
	assert_int_equal(fd_write_full(part, content, size), 0);
	fd = cache_commit(dir, key, part, NULL);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	return fd;
}

static void test_hash(void **state)
{
	/* FIPS 180-4's own, and one that ends where a block's length no longer fits. */
	static const struct {
		const char *text;
		size_t times;
		const char *hex;
	} vectors[] = {
		{ "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "a", 1000000,
		  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		char hex[SHA256_HEX];
		struct sha256 s;

		sha256_begin(&s);
		for (size_t n = 0; n < vectors[i].times; n++)
			sha256_add(&s, vectors[i].text, strlen(vectors[i].text));
		sha256_end(&s, hex);
		assert_string_equal(hex, vectors[i].hex);
	}
}

static void test_made_and_found(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(cache_open(dir, "k", NULL), -ENOENT);
	close(make("k", 5000, 1000));
	assert_true(is_there("k.erofs"));
	assert_false(is_there("k.part"));
	fd = cache_open(dir, "k", NULL);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5000);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_mtime > 1000); /* it was used just now */
	close(fd);
}

static void test_given_up(void **state)
{
	int made, part = cache_begin(dir, "k", &made, NULL);

	(void)state;
	assert_int_equal(fd_write_full(part, "half", 4), 0);
	cache_abandon(dir, "k", part);
	assert_false(is_there("k.part"));
	assert_int_equal(cache_open(dir, "k", NULL), -ENOENT);
}

/* The second one waits, and has what the first made, while that uses it. */
static void test_two_makers(void **state)
{
	int made, status = -1, part = cache_begin(dir, "k", &made, NULL), go[2], fd;
	pid_t pid, ended = 0;
	char c;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(part);
		(void)!write(go[1], "x", 1);
		part = cache_begin(dir, "k", &made, NULL);
		_exit(part == 0 && made >= 0 ? 0 : 1);
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(fd_write_full(part, "all", 3), 0);
	fd = cache_commit(dir, "k", part, NULL);
	assert_true(fd >= 0);
	for (int i = 0; i < 1000 && ended == 0; i++) {
		ended = waitpid(pid, &status, WNOHANG);
		usleep(10000);
	}
	if (ended == 0)
		kill(pid, SIGKILL);
	assert_int_equal(ended, pid);
	assert_int_equal(status, 0);
	close(fd);
	close(go[0]);
	close(go[1]);
}

/* The next one begins anew, with nothing of what the dead one wrote. */
static void test_dead_maker(void **state)
{
	int made, status, part, done[2];
	struct stat st;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(done), 0);
	pid = fork();
	if (pid == 0) {
		part = cache_begin(dir, "k", &made, NULL);
		(void)fd_write_full(part, "half of it", 10);
		(void)!write(done[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(done[0], &c, 1), 1);
	/* As long as it lives its work is left alone. */
	cache_bound(dir, 0);
	assert_true(is_there("k.part"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	part = cache_begin(dir, "k", &made, NULL);
	assert_true(part >= 0);
	assert_int_equal(made, -1);
	assert_int_equal(fstat(part, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(part);
	cache_bound(dir, UINT64_MAX);
	assert_false(is_there("k.part"));
	close(done[0]);
	close(done[1]);
}

static void test_bound(void **state)
{
	int used;

	(void)state;
	close(make("new", 1 << 20, 3000));
	used = make("old-and-used", 1 << 20, 1000);
	close(make("old", 1 << 20, 2000));
	cache_bound(dir, 3 << 20);
	assert_true(is_there("new.erofs") && is_there("old.erofs"));
	cache_bound(dir, 5 << 19);
	assert_true(is_there("new.erofs"));
	assert_false(is_there("old.erofs"));
	assert_true(is_there("old-and-used.erofs"));
	/* Never what is used, however small the bound. */
	cache_bound(dir, 0);
	assert_false(is_there("new.erofs"));
	assert_true(is_there("old-and-used.erofs"));
	close(used);
	cache_bound(dir, 0);
	assert_false(is_there("old-and-used.erofs"));
}

static void test_strangers(void **state)
{
	int fd = openat(dir, "something else", O_CREAT | O_WRONLY, 0600);
	struct err err = ERR_INIT;
	int made;

	(void)state;
	close(fd);
	/* A link in the place of an image or of one in the making leads nowhere. */
	assert_int_equal(symlinkat("something else", dir, "k.part"), 0);
	assert_int_equal(cache_begin(dir, "k", &made, &err), -ELOOP);
	assert_non_null(strstr(err_msg(&err), "k.part"));
	assert_int_equal(symlinkat("something else", dir, "k.erofs"), 0);
	assert_int_equal(cache_open(dir, "k", NULL), -ELOOP);
	cache_bound(dir, 0);
	assert_true(is_there("something else"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash),
		cmocka_unit_test_setup_teardown(test_made_and_found, begin, end),
		cmocka_unit_test_setup_teardown(test_given_up, begin, end),
		cmocka_unit_test_setup_teardown(test_two_makers, begin, end),
		cmocka_unit_test_setup_teardown(test_dead_maker, begin, end),
		cmocka_unit_test_setup_teardown(test_bound, begin, end),
		cmocka_unit_test_setup_teardown(test_strangers, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
