/* SPDX-License-Identifier: Apache-2.0 */
/* IDs by patterns, on sandboxes that are files. */
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
#include "host/cli/matching.h"
#include "host/sandbox/state.h"

static char root[32];

static void make(const char *sandbox, const char *first, const char *second)
{
	struct sandbox_state *st = state_new(root, sandbox);
	struct err err = ERR_INIT;

	if (first)
		state_add_container(st, first);
	if (second)
		state_add_container(st, second);
	assert_int_equal(state_create(st, &err), 0);
	assert_int_equal(state_save(st, &err), 0);
	state_free(st);
}

static int setup(void **state)
{
	auto_free char *broken = NULL;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/matching-XXXXXX");
	assert_non_null(mkdtemp(root));
	make("web-1", "web-1", "db-1");
	make("web-2", "web-2", NULL);
	make("boots", NULL, NULL);
	make("broken", "broken", NULL);
	broken = xasprintf("%s/broken/state.json", root);
	return file_replace(broken, "{", 1, 0600, NULL);
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(root, NULL);
}

static void expect(const char *pattern, const char *ids)
{
	auto_strv struct strv found = { 0 };
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(matching_ids(root, pattern, &found, &err), 0);
	for (size_t i = 0; i < found.n; i++)
		str_printf(&text, "%s ", found.v[i]);
	assert_string_equal(str_text(&text), ids);
}

static void finds(void **state)
{
	(void)state;
	expect("web", "web-1 web-2 ");
	expect("^(web|db)-1$", "web-1 db-1 ");
	expect("b", "boots broken web-1 db-1 web-2 ");
	expect("[0-9]{1,3}$", "web-1 db-1 web-2 ");
	expect("o{2}", "boots ");
	expect("web\\-2", "web-2 ");
	expect("^eb", "");
}

static void refuses(void **state)
{
	static const char *const bad[][2] = {
		{ "", "flag --regex: the pattern is empty" },
		{ "[", "flag --regex: \"[\": " },
		{ "{", "flag --regex: \"{\": " },
		{ "(a", "flag --regex: \"(a\": " },
		{ "(.*)\\1", "flag --regex: \"(.*)\\1\" has a back reference" },
		{ "((a{255}){255}){2}", "flag --regex: \"((a{255}){255}){2}\" repeats too much" },
		{ "a{1,99999999999999999999}",
		  "flag --regex: \"a{1,99999999999999999999}\" repeats" },
		{ "(a{,255}){,255}", "flag --regex: \"(a{,255}){,255}\" repeats too much" },
	};
	char longer[258];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_strv struct strv found = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(matching_ids(root, bad[i][0], &found, &err), -EINVAL);
		assert_int_equal(strncmp(err_msg(&err), bad[i][1], strlen(bad[i][1])), 0);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(matching_ids(root, longer, NULL, NULL), -EINVAL);
	longer[sizeof(longer) - 2] = '\0';
	expect(longer, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(refuses),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
