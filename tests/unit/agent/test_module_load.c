/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/module_load.h"

static const char dep[] = "kernel/a/one.ko.xz: kernel/b/two.ko.xz kernel/c/three.ko.xz\n"
			  "kernel/b/two.ko.xz: kernel/c/three.ko.xz\n"
			  "kernel/c/three.ko.xz:\n"
			  "kernel/d/with-dash.ko:\n"
			  "/lib/kata/plain.ko\n"
			  "kernel/e/last.ko.zst:";

static void is(const char *name, const char *want)
{
	auto_strv struct strv files = { NULL, 0 };
	auto_str struct str all = STR_INIT;

	module_files(dep, name, &files);
	for (size_t i = 0; i < files.n; i++)
		str_printf(&all, "%s ", files.v[i]);
	assert_string_equal(str_text(&all), want);
}

static void test_files(void **state)
{
	(void)state;
	is("one", "kernel/c/three.ko.xz kernel/b/two.ko.xz kernel/a/one.ko.xz ");
	is("three", "kernel/c/three.ko.xz ");
	is("with_dash", "kernel/d/with-dash.ko ");
	is("with-dash", "kernel/d/with-dash.ko ");
	is("plain", "/lib/kata/plain.ko ");
	is("last", "kernel/e/last.ko.zst ");
	is("on", "");
	is("one.ko", "");
	is("kernel", "");
	is("", "");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", "../x", "a b", "-v", "a/b", "a.ko" };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(module_load(bad[i], NULL, 0, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
