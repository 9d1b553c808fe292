/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of several sandboxes become one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/monitor/merge.h"

static void add(struct merge *m, const char *id, const char *text)
{
	merge_add(m,
		  &(const struct mark){ .sandbox = id, .uid = "u", .name = "n", .namespace = "s" },
		  text, strlen(text));
}

#define MARKS(id) "sandbox_id=\"" id "\",cri_uid=\"u\",cri_name=\"n\",cri_namespace=\"s\""

static void each_family_once(void **state)
{
	static const char one[] =
		"# HELP a Help of a.\n# TYPE a gauge\na{x=\"1\"} 1\na{x=\"2\"} 2\n"
		"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n";
	static const char two[] = "# TYPE b counter\nb 7\n# HELP a Other help.\n"
				  "# TYPE a counter\na 3 1700000000000";
	static const char want[] =
		"# HELP a Help of a.\n# TYPE a gauge\n"
		"a{x=\"1\"," MARKS("one") "} 1\na{x=\"2\"," MARKS(
			"one") "} 2\n"
			       "a{" MARKS(
				       "two") "} 3\n"
					      "# TYPE h histogram\n"
					      "h_bucket{le=\"1\"," MARKS("one") "} 1\nh_sum{" MARKS(
						      "one") "} 1\n"
							     "h_count{" MARKS(
								     "one") "} 1\n"
									    "# TYPE b counter\nb{" MARKS(
										    "two") "} 7\n";
	struct merge *m = merge_new();
	auto_str struct str out = STR_INIT;

	(void)state;
	add(m, "one", one);
	add(m, "two", two);
	merge_write(m, NULL, &out);
	assert_string_equal(out.data, want);
	merge_free(m);
}

static void names_and_what_is_left_out(void **state)
{
	static const char text[] = "# TYPE process_open_fds gauge\nprocess_open_fds 3\n"
				   "# TYPE go_threads gauge\ngo_threads 8\n"
				   "# TYPE empty gauge\n"
				   "a{sandbox_id=\"other\"} 1\nbroken{ 1\n\n"
				   "untyped_sum 4\r\n";
	static const char want[] =
		"# TYPE kata_shim_process_open_fds gauge\n"
		"kata_shim_process_open_fds{" MARKS("x") "} 3\n"
							 "untyped_sum{" MARKS("x") "} 4\n";
	struct merge *m = merge_new();
	auto_str struct str out = STR_INIT;

	(void)state;
	add(m, "x", text);
	merge_write(m, NULL, &out);
	assert_string_equal(out.data, want);
	merge_free(m);
}

static void marks_are_escaped(void **state)
{
	struct merge *m = merge_new();
	auto_str struct str out = STR_INIT;

	(void)state;
	merge_add(m, &(const struct mark){ .sandbox = "x", .name = "a\"b\\c\nd" }, "a 1\n", 4);
	merge_write(m, NULL, &out);
	assert_string_equal(out.data,
			    "a{sandbox_id=\"x\",cri_uid=\"\",cri_name=\"a\\\"b\\\\c\\nd\","
			    "cri_namespace=\"\"} 1\n");
	merge_free(m);
}

static void filters(void **state)
{
	static const char *const cases[][2] = {
		{ "kata_a", "kata_a 1|kata_ab 1|" },
		{ "kata_ab,other", "kata_ab 1|other 1|" },
		{ ",other", "other 1|" },
		{ "nothing", "" },
		{ ",", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct merge *m = merge_new();
		auto_str struct str out = STR_INIT, names = STR_INIT;
		char *save = NULL;

		add(m, "x", "kata_a 1\nkata_ab 1\nother 1\n");
		merge_write(m, cases[i][0], &out);
		for (char *l = out.len ? strtok_r(out.data, "\n", &save) : NULL; l;
		     l = strtok_r(NULL, "\n", &save))
			str_printf(&names, "%.*s %s|", (int)strcspn(l, "{"), l,
				   strrchr(l, ' ') + 1);
		assert_string_equal(str_text(&names), cases[i][1]);
		merge_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_family_once),
		cmocka_unit_test(names_and_what_is_left_out),
		cmocka_unit_test(marks_are_escaped),
		cmocka_unit_test(filters),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
