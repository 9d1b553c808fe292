/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "host/hypervisor/console.h"
#include "host/hypervisor/tail.h"

static int ends;

static void on_end(void *arg)
{
	(void)arg;
	ends++;
}

/* What is left of @text when it has gone through a tail. The caller frees. */
static char *through(const char *text, size_t len, size_t max)
{
	struct loop *loop = loop_new();
	struct err err = ERR_INIT;
	struct str out = STR_INIT;
	struct tail *t;
	int p[2];

	ends = 0;
	assert_int_equal(pipe(p), 0);
	t = tail_new(loop, p[0], "t", LOG_LEVEL_DEBUG, on_end, NULL, &err);
	assert_non_null(t);
	while (len > 0) {
		size_t n = len < 4096 ? len : 4096;

		assert_int_equal(fd_write_full(p[1], text, n), 0);
		loop_step(loop, 0);
		text += n;
		len -= n;
	}
	assert_false(tail_ended(t));
	close(p[1]);
	while (!tail_ended(t))
		loop_step(loop, 1000);
	assert_int_equal(ends, 1);
	tail_text(t, max, &out);
	tail_free(t);
	loop_free(loop);
	return str_take(&out);
}

#define check(text, max, want)                                               \
	do {                                                                 \
		auto_free char *have = through(text, sizeof(text) - 1, max); \
		assert_string_equal(have, want);                             \
	} while (0)

static void lines_are_joined(void **state)
{
	(void)state;
	check("", 100, "");
	check("one\n\n\r\ntwo\nthree", 100, "one | two | three");
	check("one\ntwo\nthree\n", 8, "three");
	check("one\ntwo\nthree\n", 11, "two | three");
	check("a long line\n", 6, "a long");
}

static void the_writer_is_not_trusted(void **state)
{
	(void)state;
	check("\033[1;31mred\033[0m \033]0;x\a\a\b\177\n", 100, "red 0;x");
	check("a\0b\tc\xff\xc3\xa9\n", 100, "ab c");
	check("\033[\033[\n", 100, "");
}

static void only_the_last_is_kept(void **state)
{
	struct str text = STR_INIT;
	auto_free char *have = NULL;

	(void)state;
	for (int i = 0; i < 10000; i++)
		str_printf(&text, "line %d\n", i);
	have = through(text.data, text.len, 100000);
	str_free(&text);
	assert_true(strlen(have) < 2 * TAIL_KEEP);
	assert_true(str_ends(have, "line 9998 | line 9999"));
	assert_true(str_starts(have, "line "));
}

static void an_endless_line_is_cut(void **state)
{
	auto_free char *text = xmalloc(100000), *have = NULL;

	(void)state;
	memset(text, 'x', 100000);
	have = through(text, 100000, 100000);
	assert_true(strlen(have) <= TAIL_KEEP + 3 * (TAIL_KEEP / TAIL_LINE_MAX));
	assert_true(strlen(have) > TAIL_LINE_MAX);
}

static void choose(const char *const *text, const char *want)
{
	auto_strv struct strv lines = { 0 };
	auto_str struct str out = STR_INIT;

	for (; *text; text++)
		strv_add(&lines, *text);
	console_choose(&lines, &out);
	assert_string_equal(str_text(&out), want);
}

static void a_panic_comes_without_its_trace(void **state)
{
	(void)state;
	choose((const char *[]){ "[    0.1] one", "[    0.2] two", "[    0.3] three",
				 "[   10.4] Kernel panic - not syncing: VFS",
				 "[   10.5] Call Trace:", "[   10.6]  dump_stack+0x1", NULL },
	       "two | three | Kernel panic - not syncing: VFS");
	choose((const char *[]){ "Kernel panic", "x", NULL }, "Kernel panic");
	choose((const char *[]){ "[    0.1] one", "[odd] two", "[    0.2] ", NULL },
	       "one | [odd] two");
	choose((const char *[]){ NULL }, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_joined),
		cmocka_unit_test(the_writer_is_not_trusted),
		cmocka_unit_test(only_the_last_is_kept),
		cmocka_unit_test(an_endless_line_is_cut),
		cmocka_unit_test(a_panic_comes_without_its_trace),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("tail", tests, NULL, NULL);
}
