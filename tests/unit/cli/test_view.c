/* SPDX-License-Identifier: Apache-2.0 */
/* What state and list show, from what is on disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/cli/table.h"
#include "host/cli/view.h"

static char *printed(void (*print)(const struct view *, size_t, FILE *), const struct view *views,
		     size_t n)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	print(views, n, out);
	fclose(out);
	return text;
}

static struct view samples[] = {
	{ .id = (char *)"a",
	  .bundle = (char *)"/b",
	  .rootfs = (char *)"/b/rootfs",
	  .created = (char *)"2026-01-02T03:04:05Z",
	  .status = (char *)"running",
	  .owner = (char *)"root",
	  .pid = 42 },
	{ .id = (char *)"a-longer-name",
	  .bundle = (char *)"/bundles/two",
	  .rootfs = (char *)"",
	  .created = (char *)"",
	  .status = (char *)"creating",
	  .owner = (char *)"0" },
};

static void lines_up_the_columns(void **state)
{
	auto_free char *none = printed(table_print, NULL, 0);
	auto_free char *two = printed(table_print, samples, 2);

	(void)state;
	assert_string_equal(none,
			    "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
	assert_string_equal(
		two,
		"ID              PID         STATUS      BUNDLE         CREATED                OWNER\n"
		"a               42          running     /b             2026-01-02T03:04:05Z   root\n"
		"a-longer-name   0           creating    /bundles/two                          0\n");
}

static void prints_json(void **state)
{
	auto_free char *none = printed(table_print_json, NULL, 0);
	auto_free char *one = printed(table_print_json, samples, 1);

	(void)state;
	assert_string_equal(none, "null\n");
	assert_string_equal(one,
			    "[{\"ociVersion\":\"1.2.1\",\"id\":\"a\",\"pid\":42,"
			    "\"status\":\"running\",\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
			    "\"created\":\"2026-01-02T03:04:05Z\",\"owner\":\"root\"}]\n");
}

/* @status NULL: the sandbox has no container yet. */
static char *status_of(struct loop *loop, const char *status, bool alive)
{
	struct sandbox_state *st = state_new("/nonexistent", "a");
	struct view v;
	char *seen;

	st->bundle = xstrdup("/b");
	st->address = xstrdup("unix:///nonexistent/socket");
	if (alive)
		state_add_process(st, "shim", getpid());
	if (status) {
		struct state_container *c = state_add_container(st, "a");

		c->status = xstrdup(status);
		strv_add(&c->annotations, "key");
		strv_add(&c->annotations, "value");
	}
	view_look(&v, loop, st, "a");
	assert_string_equal(v.bundle, "/b");
	assert_int_equal(v.annotations.n, status ? 2 : 0);
	assert_int_equal(v.pid, 0);
	seen = xstrdup(v.status);
	view_free(&v);
	state_free(st);
	return seen;
}

static void says_what_is_known_of_a_silent_shim(void **state)
{
	struct loop *loop = loop_new();
	static const struct {
		const char *recorded;
		bool alive;
		const char *shown;
	} cases[] = {
		{ NULL, true, "creating" },	 { "creating", true, "creating" },
		{ "created", true, "created" },	 { "running", true, "running" },
		{ "running", false, "stopped" }, { NULL, false, "stopped" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *seen = status_of(loop, cases[i].recorded, cases[i].alive);

		assert_string_equal(seen, cases[i].shown);
	}
	loop_free(loop);
}

static void annotations_are_part_of_the_state(void **state)
{
	struct view v = samples[0];
	json_object *json;

	(void)state;
	strv_add(&v.annotations, "org.example.key");
	strv_add(&v.annotations, "a \"value\"");
	json = view_json(&v);
	assert_non_null(strstr(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
			       "\"annotations\":{\"org.example.key\":\"a \\\"value\\\"\"}"));
	json_object_put(json);
	strv_free(&v.annotations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_up_the_columns),
		cmocka_unit_test(prints_json),
		cmocka_unit_test(says_what_is_known_of_a_silent_shim),
		cmocka_unit_test(annotations_are_part_of_the_state),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
