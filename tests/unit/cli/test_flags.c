/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/cli/flags.h"

static bool all;
static const char *bundle;
static struct strv env;

static const struct flag flags[] = {
	{ "all", "a", FLAG_BOOL, &all, NULL, "all of it" },
	{ "bundle", "b", FLAG_STRING, &bundle, "DIR", "the bundle" },
	{ "env", NULL, FLAG_LIST, &env, "NAME=VALUE", "a variable" },
	{ 0 },
};

static int reset(void **state)
{
	(void)state;
	all = false;
	bundle = NULL;
	strv_free(&env);
	return 0;
}

static bool helped;

#define PARSE(err, ...)                                                                  \
	({                                                                               \
		const char *argv_[] = { __VA_ARGS__, NULL };                             \
		helped = false;                                                          \
		flags_parse(flags, ARRAY_SIZE(argv_) - 1, (char **)argv_, &helped, err); \
	})

static void takes_every_spelling(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&err, "--all", "--bundle", "/a", "id"), 3);
	assert_true(all);
	assert_string_equal(bundle, "/a");
	assert_int_equal(PARSE(&err, "-all=false", "-b", "/b", "-bundle=/c"), 4);
	assert_false(all);
	assert_string_equal(bundle, "/c");
	assert_int_equal(PARSE(&err, "-a", "--b=x=y"), 2);
	assert_true(all);
	assert_string_equal(bundle, "x=y");
	assert_int_equal(PARSE(&err, "--bundle="), 1);
	assert_string_equal(bundle, "");
	/* A value may look like a flag. */
	assert_int_equal(PARSE(&err, "--bundle", "--all", "x"), 2);
	assert_string_equal(bundle, "--all");
}

static void collects_lists(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&err, "--env", "A=b", "--env=C=d=e"), 3);
	assert_int_equal(env.n, 2);
	assert_string_equal(env.v[0], "A=b");
	assert_string_equal(env.v[1], "C=d=e");
}

static void knows_where_flags_end(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&err, "id", "--all"), 0);
	assert_int_equal(PARSE(&err, "--", "--all"), 1);
	assert_int_equal(PARSE(&err, "-", "--all"), 0);
	assert_int_equal(PARSE(&err, "", "--all"), 0);
	assert_int_equal(flags_parse(flags, 0, NULL, &helped, &err), 0);
	assert_false(all);
}

#define PARSE_ALL(err, argv_)                                                            \
	({                                                                               \
		helped = false;                                                          \
		flags_parse_all(flags, ARRAY_SIZE(argv_), (char **)argv_, &helped, err); \
	})

static void takes_flags_anywhere(void **state)
{
	const char *mixed[] = { "one", "--bundle", "--", "two", "-a", "-", "--", "-x", "--all" };
	const char *words[] = { "one", "two" }, *wrong[] = { "one", "--nosuch" };
	const char *help[] = { "one", "--help", "--nosuch" };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE_ALL(&err, mixed), 4);
	assert_true(all);
	assert_string_equal(bundle, "--");
	assert_string_equal(mixed[4], "one");
	assert_string_equal(mixed[5], "two");
	assert_string_equal(mixed[6], "-");
	assert_string_equal(mixed[7], "-x");
	assert_string_equal(mixed[8], "--all");
	assert_int_equal(PARSE_ALL(&err, words), 0);
	assert_string_equal(words[0], "one");
	assert_int_equal(PARSE_ALL(&err, wrong), -EINVAL);
	assert_string_equal(err.msg, "flag provided but not defined: --nosuch");
	assert_true(PARSE_ALL(&err, help) >= 0 && helped);
	assert_int_equal(flags_parse_all(flags, 0, NULL, &helped, &err), 0);
}

static void hears_the_call_for_help(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&err, "-a", "--help", "--nosuch"), 2);
	assert_true(helped);
	assert_int_equal(PARSE(&err, "-h"), 1);
	assert_true(helped);
	assert_int_equal(PARSE(&err, "--", "-h"), 1);
	assert_false(helped);
}

static void names_what_is_wrong(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(PARSE(&err, "--nosuch=x"), -EINVAL);
	assert_string_equal(err.msg, "flag provided but not defined: --nosuch");
	assert_int_equal(PARSE(&err, "-x"), -EINVAL);
	assert_string_equal(err.msg, "flag provided but not defined: -x");
	/* No abbreviations: a later version's flags must not change what one means. */
	assert_int_equal(PARSE(&err, "--bund", "x"), -EINVAL);
	assert_int_equal(PARSE(&err, "--bundle"), -EINVAL);
	assert_string_equal(err.msg, "flag needs an argument: --bundle DIR");
	assert_int_equal(PARSE(&err, "--all=maybe"), -EINVAL);
	assert_string_equal(err.msg, "flag --all takes true or false, not \"maybe\"");
	assert_int_equal(PARSE(&err, "--=x"), -EINVAL);
}

static int mixed(const char *line, char **word, struct err *err)
{
	static char text[128];
	char *argv[8], *save = NULL;
	int argc = 0;

	strncpy(text, line, sizeof(text) - 1);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	*word = NULL;
	return flags_parse_mixed(flags, argc, argv, word, err);
}

static void mixes_flags_with_a_word(void **state)
{
	struct err err = ERR_INIT;
	char *word;

	(void)state;
	assert_int_equal(mixed("--all file --bundle /a", &word, &err), 0);
	assert_string_equal(word, "file");
	assert_string_equal(bundle, "/a");
	assert_true(all);
	assert_int_equal(mixed("", &word, &err), 0);
	assert_null(word);
	assert_int_equal(mixed("- -a", &word, &err), 0);
	assert_string_equal(word, "-");
	assert_int_equal(mixed("x y", &word, &err), -EINVAL);
	assert_string_equal(err_msg(&err), "too many arguments: \"y\"");
	assert_int_equal(mixed("x --nosuch", &word, &err), -EINVAL);
}

static void prints_one_line_each(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	flags_print(flags, out);
	fclose(out);
	assert_string_equal(text, "   --all, -a                         all of it\n"
				  "   --bundle, -b DIR                  the bundle\n"
				  "   --env NAME=VALUE                  a variable\n"
				  "   --help, -h                        show this text\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_every_spelling, reset, reset),
		cmocka_unit_test_setup_teardown(collects_lists, reset, reset),
		cmocka_unit_test_setup_teardown(knows_where_flags_end, reset, reset),
		cmocka_unit_test_setup_teardown(takes_flags_anywhere, reset, reset),
		cmocka_unit_test_setup_teardown(hears_the_call_for_help, reset, reset),
		cmocka_unit_test_setup_teardown(names_what_is_wrong, reset, reset),
		cmocka_unit_test_setup_teardown(mixes_flags_with_a_word, reset, reset),
		cmocka_unit_test(prints_one_line_each),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
