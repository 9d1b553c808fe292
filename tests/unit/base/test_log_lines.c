/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the log, by a pipe. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int fds[2];

static int setup(void **state)
{
	(void)state;
	return pipe2(fds, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
	(void)state;
	log_open(-1, "", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_set_fields(NULL, NULL);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* What has come. */
static const char *got(void)
{
	static char text[16384];
	ssize_t n = read(fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void ends(const char *text, const char *tail)
{
	size_t n = strlen(text), t = strlen(tail);

	if (n < t || strcmp(text + n - t, tail) != 0)
		fail_msg("\"%s\" does not end in \"%s\"", text, tail);
}

static void text_lines(void **state)
{
	char tail[128];

	(void)state;
	log_open(fds[1], "prog", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	log_info("one\ntwo %d", 3);
	snprintf(tail, sizeof(tail), "Z info prog[%d]: one two 3\n", (int)getpid());
	ends(got(), tail);
	log_debug("nothing");
	assert_string_equal(got(), "");
}

static void fields(void **state)
{
	char tail[256];
	const char *line;

	(void)state;
	log_open(fds[1], "shim", LOG_LEVEL_DEBUG, LOG_FORMAT_FIELDS);
	log_set_fields("src", "pod-1");
	log_warn("it says \"no\"\nand\\or");
	snprintf(tail, sizeof(tail),
		 "Z\" level=warning msg=\"it says \\\"no\\\"\\u000aand\\\\or\" name=shim pid=%d "
		 "sandbox=pod-1 source=src\n",
		 (int)getpid());
	line = got();
	assert_memory_equal(line, "time=\"20", 8);
	ends(line, tail);
	/* "2026-11-26T03:00:00.123456789Z" */
	assert_int_equal(strcspn(line + 6, "\""), 30);
	log_set_fields(NULL, NULL);
	log_info("x");
	snprintf(tail, sizeof(tail), " level=info msg=\"x\" name=shim pid=%d source=shim\n",
		 (int)getpid());
	ends(got(), tail);
}

static void fields_of_containers(void **state)
{
	static const char *const cases[][2] = {
		{ "container c1: cannot", "\" container=c1 name=" },
		{ "container c-2.x is created", "\" container=c-2.x name=" },
		{ "container c3, process e", "\" container=c3 name=" },
		{ "container c4", "\" container=c4 name=" },
		{ "containers have stopped", "\" name=" },
		{ "container ", "\" name=" },
		{ "the container c5", "\" name=" },
	};

	(void)state;
	log_open(fds[1], "shim", LOG_LEVEL_DEBUG, LOG_FORMAT_FIELDS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[128];

		log_info("%s", cases[i][0]);
		snprintf(want, sizeof(want), " msg=\"%s%s", cases[i][0], cases[i][1]);
		assert_non_null(strstr(got(), want));
	}
}

/* However long, it is one line. */
static void long_lines(void **state)
{
	static char text[9000];
	const char *line;

	(void)state;
	memset(text, 1, sizeof(text) - 1);
	for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_FIELDS; format++) {
		log_open(fds[1], "shim", LOG_LEVEL_INFO, (enum log_format)format);
		log_info("container %s", text);
		line = got();
		assert_true(strlen(line) > 1000);
		assert_int_equal(line[strlen(line) - 1], '\n');
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(text_lines),
		T(fields),
		T(fields_of_containers),
		T(long_lines),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
