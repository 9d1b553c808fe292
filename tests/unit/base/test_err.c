/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void grows_outwards(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_sys(&err, ENOENT, "%s", "/x"), -ENOENT);
	assert_int_equal(err_wrap(&err, "kernel"), -ENOENT);
	assert_string_equal(err_msg(&err), "kernel: /x: No such file or directory");
	err_clear(&err);
	assert_int_equal(err.code, 0);
	assert_string_equal(err_msg(&err), "no error");
}

static void takes_any_code(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(err_set(&err, -EPERM, "a"), -EPERM);
	assert_int_equal(err_set(&err, 0, "a"), -EIO);
	assert_int_equal(err_set(NULL, EPERM, "a"), -EPERM);
	assert_int_equal(err_wrap(NULL, "a"), -EIO);
	assert_string_equal(err_msg(NULL), "unknown error");
}

/* A message cut in the middle of a character would be no text any more. */
static void is_cut_at_a_character(void **state)
{
	struct err err = ERR_INIT;
	char text[ERR_MSG_MAX + 10];

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t i = ERR_MSG_MAX - 2; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 2);
	assert_int_equal(err.msg[ERR_MSG_MAX - 3], 'a');
	err_wrap(&err, "outer");
	assert_memory_equal(err.msg, "outer: aaa", 10);
}

/* A name that is quoted may hold anything; the message is one line nevertheless. */
static void is_one_line(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	err_set(&err, EINVAL, "invalid ID '%s'", "a\nb\tc\x1b[1m\x7f");
	assert_string_equal(err.msg, "invalid ID 'a?b c?[1m?'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_outwards),
		cmocka_unit_test(takes_any_code),
		cmocka_unit_test(is_cut_at_a_character),
		cmocka_unit_test(is_one_line),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
