/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/memo.h"

static char dir[64], kept[96], program[96];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/kata-c-memo-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(kept, sizeof(kept), "%s/kept", dir);
	snprintf(program, sizeof(program), "%s/program", dir);
	return file_replace(program, "\177ELF program", 12, 0755, NULL);
}

static int remove_dir(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

static void answered(const char *option, const char *text)
{
	struct memo m;

	memo_init(&m, kept, program, option);
	memo_write(&m, text);
	memo_free(&m);
}

static char *known(const char *option)
{
	char *text;
	struct memo m;

	memo_init(&m, kept, program, option);
	text = memo_read(&m);
	memo_free(&m);
	return text;
}

static void is_known(const char *option, const char *text)
{
	auto_free char *found = known(option);

	if (text)
		assert_string_equal(found, text);
	else
		assert_null(found);
}

static void it_is_kept(void **state)
{
	(void)state;
	is_known("--version", NULL);
	answered("--version", "program 1.2\n");
	is_known("--version", "program 1.2\n");
	is_known("-v", NULL);
	answered("--version", "");
	is_known("--version", "");
}

static void another_file_is_another_program(void **state)
{
	struct memo m;

	(void)state;
	answered("--version", "program 1.2\n");
	assert_int_equal(file_replace(program, "\177ELF programs", 13, 0755, NULL), 0);
	is_known("--version", NULL);
	/* Written to in its place, its size and time kept. */
	answered("--version", "program 1.3\n");
	is_known("--version", "program 1.3\n");
	for (int i = 0; i < 2; i++) {
		struct stat st;
		int fd = open(program, O_RDWR | O_CLOEXEC);

		assert_true(fd >= 0 && fstat(fd, &st) == 0);
		assert_int_equal(pwrite(fd, "P", 1, 5), 1);
		assert_int_equal(futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim }), 0);
		close(fd);
		usleep(20000); /* the file system's clock has steps */
	}
	is_known("--version", NULL);
	/* It changed while it was asked: whose answer it is nobody knows. */
	memo_init(&m, kept, program, "--version");
	assert_int_equal(file_replace(program, "\177ELF", 4, 0755, NULL), 0);
	memo_write(&m, "program 1.4\n");
	memo_free(&m);
	is_known("--version", NULL);
}

static void nothing_is_kept_of_scripts(void **state)
{
	(void)state;
	assert_int_equal(file_replace(program, "#!/bin/sh\n", 10, 0755, NULL), 0);
	answered("--version", "script 1.2\n");
	is_known("--version", NULL);
	assert_int_equal(unlink(program), 0);
	answered("--version", "nothing 1.2\n");
	is_known("--version", NULL);
	assert_int_equal(access(kept, F_OK), -1);
}

static void what_cannot_be_kept_is_asked_again(void **state)
{
	char long_text[MEMO_MAX + 2];
	struct memo m;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	answered("--version", long_text);
	is_known("--version", NULL);
	/* A user who has no place for it. */
	memo_init(&m, NULL, program, "--version");
	memo_write(&m, "program 1.2\n");
	assert_null(memo_read(&m));
	memo_free(&m);
	memo_init(&m, "/proc/nowhere", program, "--version");
	memo_write(&m, "program 1.2\n");
	assert_null(memo_read(&m));
	memo_free(&m);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		T(it_is_kept),
		T(another_file_is_another_program),
		T(nothing_is_kept_of_scripts),
		T(what_cannot_be_kept_is_asked_again),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
