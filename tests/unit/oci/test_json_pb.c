/* SPDX-License-Identifier: Apache-2.0 */
/* Any text in: a message or one error that says where. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/spec.h"

static void refused(const char *json, size_t len, const char *message)
{
	Grpc__Spec *spec = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(oci_spec_parse(json, len, "doc", &spec, &err), -EINVAL);
	assert_null(spec);
	assert_string_equal(err.msg, message);
	/* Nobody has to listen. */
	assert_int_equal(oci_spec_parse(json, len, "doc", &spec, NULL), -EINVAL);
}

#define REFUSED(json, message) refused(json, strlen(json), message)

static Grpc__Spec *parsed(const char *json)
{
	Grpc__Spec *spec = NULL;
	struct err err = ERR_INIT;

	if (oci_spec_parse(json, strlen(json), "doc", &spec, &err) < 0)
		fail_msg("%s", err.msg);
	return spec;
}

static void refuses_what_is_no_json(void **state)
{
	(void)state;
	REFUSED("", "doc: is empty");
	REFUSED("   \n ", "doc:2:2: not JSON: it ends too early");
	REFUSED("{", "doc:1:2: not JSON: it ends too early");
	REFUSED("{\n\t\"process\": {\n", "doc:3:1: not JSON: it ends too early");
	refused("{}\0{}", 5, "doc:1:3: not JSON: a NUL character");
}

/* The wording of these is json-c's; the place is ours. */
static void names_line_and_column(void **state)
{
	static const struct {
		const char *json, *place;
	} cases[] = {
		{ "nonsense", "doc:1:" },      { "{} x", "doc:1:4: " },
		{ "{}\n{}", "doc:2:1: " },     { "{\n  \"a\": 1,\n}", "doc:3:1: " },
		{ "{ \"a\": 01 }", "doc:1:" }, { "{ \"a\": \"\xff\" }", "doc:1:" },
		{ "{ \"a\" 1 }", "doc:1:" },   { "{\n\n  \"a\": bad }", "doc:3:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__Spec *spec = NULL;
		struct err err = ERR_INIT;

		if (oci_spec_parse(cases[i].json, strlen(cases[i].json), "doc", &spec, &err) !=
		    -EINVAL)
			fail_msg("%s: accepted", cases[i].json);
		if (!str_starts(err.msg, cases[i].place))
			fail_msg("%s: %s", cases[i].json, err.msg);
		assert_non_null(strstr(err.msg, ": not JSON: "));
	}
}

static void limits_nesting(void **state)
{
	auto_str struct str deep = STR_INIT;
	Grpc__Spec *spec = NULL;
	struct err err = ERR_INIT;

	(void)state;
	str_puts(&deep, "{\"a\":");
	for (int i = 0; i < 100000; i++)
		str_putc(&deep, '[');
	assert_int_equal(oci_spec_parse(deep.data, deep.len, "doc", &spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "nesting"));
}

static void refuses_wrong_types(void **state)
{
	(void)state;
	REFUSED("[]", "doc: must be an object, not an array");
	REFUSED("null", "doc: must be an object, not null");
	REFUSED("7", "doc: must be an object, not an integer");
	REFUSED("{\"ociVersion\":1.5}", "doc: ociVersion: must be a string, not a fraction");
	REFUSED("{\"process\":{\"args\":[\"a\",7]}}",
		"doc: process.args[1]: must be a string, not an integer");
	REFUSED("{\"process\":{\"args\":[null]}}",
		"doc: process.args[0]: must be a string, not null");
	REFUSED("{\"process\":{\"args\":\"sh\"}}",
		"doc: process.args: must be an array, not a string");
	REFUSED("{\"process\":[]}", "doc: process: must be an object, not an array");
	REFUSED("{\"process\":{\"terminal\":\"true\"}}",
		"doc: process.terminal: must be a boolean, not a string");
	REFUSED("{\"process\":{\"user\":{\"uid\":\"0\"}}}",
		"doc: process.user.uid: must be an integer, not a string");
	REFUSED("{\"process\":{\"oomScoreAdj\":1e3}}",
		"doc: process.oomScoreAdj: must be an integer, not a fraction");
	REFUSED("{\"process\":{\"oomScoreAdj\":1.0}}",
		"doc: process.oomScoreAdj: must be an integer, not a fraction");
	REFUSED("{\"mounts\":[{\"destination\":\"/a\"},{\"options\":{}}]}",
		"doc: mounts[1].options: must be an array, not an object");
	REFUSED("{\"mounts\":[{\"destination\":\"/a\"},true]}",
		"doc: mounts[1]: must be an object, not a boolean");
	REFUSED("{\"annotations\":{\"a\":\"b\",\"c.d\":1}}",
		"doc: annotations.c.d: must be a string, not an integer");
	REFUSED("{\"annotations\":[]}", "doc: annotations: must be an object, not an array");
}

static void refuses_what_is_out_of_range(void **state)
{
	(void)state;
	REFUSED("{\"process\":{\"user\":{\"uid\":-1}}}",
		"doc: process.user.uid: must be between 0 and 4294967295, not -1");
	REFUSED("{\"process\":{\"user\":{\"uid\":4294967296}}}",
		"doc: process.user.uid: must be between 0 and 4294967295, not 4294967296");
	REFUSED("{\"linux\":{\"resources\":{\"pids\":{\"limit\":9223372036854775808}}}}",
		"doc: linux.resources.pids.limit: must be between -9223372036854775808 and "
		"9223372036854775807, not 9223372036854775808");
	REFUSED("{\"process\":{\"rlimits\":[{\"hard\":-1}]}}",
		"doc: process.rlimits[0].hard: must be between 0 and 18446744073709551615, not -1");
	REFUSED("{\"process\":{\"cwd\":\"/a\\u0000b\"}}",
		"doc: process.cwd: must not contain a NUL character");
}

/* Digits beyond 64 bits count as the largest number, which a smaller field still refuses. */
static void saturates_beyond_64_bits(void **state)
{
	Grpc__Spec *spec = parsed("{\"process\":{\"rlimits\":[{\"hard\":18446744073709551616}]}}");

	(void)state;
	assert_true(spec->process->rlimits[0]->hard == UINT64_MAX);
	grpc__spec__free_unpacked(spec, NULL);
	REFUSED("{\"process\":{\"user\":{\"gid\":99999999999999999999}}}",
		"doc: process.user.gid: must be between 0 and 4294967295, not "
		"18446744073709551615");
}

static void takes_null_for_absent_and_the_last_of_two(void **state)
{
	Grpc__Spec *spec = parsed("{\"process\":null,\"hostname\":\"a\",\"hostname\":\"b\","
				  "\"mounts\":null,\"x\":{\"y\":[1]},\"annotations\":{}}");

	(void)state;
	assert_null(spec->process);
	assert_int_equal(spec->n_mounts, 0);
	assert_int_equal(spec->n_annotations, 0);
	assert_string_equal(spec->hostname, "b");
	assert_string_equal(spec->version, "");
	grpc__spec__free_unpacked(spec, NULL);
}

static void names_are_of_one_spelling(void **state)
{
	Grpc__Spec *spec = parsed("{\"Hostname\":\"a\",\"Version\":\"1.0.0\",\"windows\":{},"
				  "\"solaris\":7}");

	(void)state;
	assert_string_equal(spec->hostname, "");
	assert_string_equal(spec->version, "");
	assert_null(spec->windows);
	assert_null(spec->solaris);
	grpc__spec__free_unpacked(spec, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_no_json),
		cmocka_unit_test(names_line_and_column),
		cmocka_unit_test(limits_nesting),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(refuses_what_is_out_of_range),
		cmocka_unit_test(saturates_beyond_64_bits),
		cmocka_unit_test(takes_null_for_absent_and_the_last_of_two),
		cmocka_unit_test(names_are_of_one_spelling),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
