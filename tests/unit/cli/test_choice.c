/* SPDX-License-Identifier: Apache-2.0 */
/* That the guide's table is what the program prints, and the parts of --measure that are pure. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "host/cli/choice_print.h"
#include "host/cli/measure.h"

#define BEGIN "<!-- hypervisors --markdown -->\n"
#define END   "<!-- end -->\n"

static void guide_is_current(void **state)
{
	auto_str struct str guide = STR_INIT;
	auto_free char *table = NULL, *shown = NULL;
	size_t size;
	FILE *out = open_memstream(&table, &size);
	const char *begin, *end;

	(void)state;
	choice_print_markdown(out);
	fclose(out);
	assert_int_equal(file_read(GUIDE, 1 << 20, &guide, NULL), 0);
	begin = strstr(str_text(&guide), BEGIN);
	assert_non_null(begin);
	begin += strlen(BEGIN);
	end = strstr(begin, END);
	assert_non_null(end);
	shown = xstrndup(begin, (size_t)(end - begin));
	/* Otherwise: put the output of `kata-runtime hypervisors --markdown` between the marks. */
	assert_string_equal(shown, table);
}

/* It is started for real: a header that is wrong does not become a process. */
static void program_sleeps(void **state)
{
	char dir[] = "/tmp/choice-test-XXXXXX";
	const char *const *argv = NULL;
	auto_free char *path = NULL;
	const void *program;
	size_t size;
	int status;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = path_join(dir, "pause");
	program = measure_program(&size);
	assert_int_equal(file_replace(path, program, size, 0755, NULL), 0);
	argv = (const char *const[]){ path, NULL };
	status = proc_run(argv, 200, 100, NULL, NULL);
	assert_int_equal(status, -ETIMEDOUT);
	assert_int_equal(tree_remove(dir, NULL), 0);
}

static void memory_counts_descendants(void **state)
{
	const size_t size = 32 << 20;
	int self = (int)getpid(), pipes[2];
	long alone = measure_memory(&self, 1), both;
	pid_t child;
	char byte;

	(void)state;
	assert_true(alone > 100);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		char *memory = malloc(size);

		memset(memory, 1, size);
		if (write(pipes[1], memory, 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	both = measure_memory(&self, 1);
	assert_true(both >= alone + (long)(size / 1024 / 2));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	self = child;
	assert_int_equal(measure_memory(&self, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guide_is_current),
		cmocka_unit_test(program_sleeps),
		cmocka_unit_test(memory_counts_descendants),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("choice", tests, NULL, NULL);
}
