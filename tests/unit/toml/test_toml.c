/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "toml/toml.h"

static struct toml_node *parse_len(const char *text, size_t len)
{
	struct err err = ERR_INIT;
	struct toml_node *root = toml_parse(text, len, "t", &err);

	if (!root)
		fail_msg("refused: %s", err_msg(&err));
	return root;
}

static struct toml_node *parse(const char *text)
{
	return parse_len(text, strlen(text));
}

/* A document and the whole message that refuses it. */
struct refusal {
	const char *text, *msg;
};

static void assert_refused(const struct refusal *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct err err = ERR_INIT;
		struct toml_node *root = toml_parse(r[i].text, strlen(r[i].text), "t", &err);

		if (root)
			fail_msg("accepted: %s", r[i].text);
		assert_string_equal(err_msg(&err), r[i].msg);
		assert_int_equal(err.code, -EINVAL);
	}
}

static void assert_string(const struct toml_node *root, const char *key, const char *value)
{
	const struct toml_node *node = toml_get(root, key);

	assert_non_null(node);
	assert_int_equal(node->type, TOML_STRING);
	assert_string_equal(node->string.data, value);
	assert_int_equal(node->string.len, strlen(value));
}

static void assert_integer(const struct toml_node *root, const char *key, int64_t value)
{
	const struct toml_node *node = toml_get(root, key);

	assert_non_null(node);
	assert_int_equal(node->type, TOML_INTEGER);
	assert_int_equal(node->integer, value);
}

static double real_of(const struct toml_node *root, const char *key)
{
	const struct toml_node *node = toml_get(root, key);

	assert_non_null(node);
	assert_int_equal(node->type, TOML_FLOAT);
	return node->real;
}

static void test_strings(void **state)
{
	struct toml_node *root = parse("basic = \"a\\tb\\u00e9\\U0001F600\\\\\"\n"
				       "literal = 'C:\\n'\n"
				       "multi = \"\"\"\r\none\r\n  two\\\n\n\t three\"\"\"\"\"\n"
				       "raw = '''\nit''s\\\n'''''\n"
				       "none = ''\n"
				       "'key with \"' = \"\"\"\"\"\"\n");

	(void)state;
	assert_string(root, "basic", "a\tb\xc3\xa9\xf0\x9f\x98\x80\\");
	assert_string(root, "literal", "C:\\n");
	assert_string(root, "multi", "one\r\n  twothree\"\"");
	assert_string(root, "raw", "it''s\\\n''");
	assert_string(root, "none", "");
	assert_string(root, "key with \"", "");
	toml_free(root);
}

static void test_nul_in_string(void **state)
{
	struct toml_node *root = parse("\"a\\u0000b\" = \"x\\u0000\"");

	(void)state;
	assert_null(toml_get(root, "a"));
	assert_int_equal(root->first->key_len, 3);
	assert_int_equal(root->first->string.len, 2);
	toml_free(root);
}

static void test_integers(void **state)
{
	struct toml_node *root = parse("max = 9_223_372_036_854_775_807\n"
				       "min = -9223372036854775808\n"
				       "hex = 0xDEAD_beef\noct = 0o0755\nbin = 0b1_0\nzero = -0\n"
				       "plus = +17");

	(void)state;
	assert_integer(root, "max", INT64_MAX);
	assert_integer(root, "min", INT64_MIN);
	assert_integer(root, "hex", 0xdeadbeef);
	assert_integer(root, "oct", 0755);
	assert_integer(root, "bin", 2);
	assert_integer(root, "zero", 0);
	assert_integer(root, "plus", 17);
	toml_free(root);
}

static void test_floats(void **state)
{
	struct toml_node *root = parse("a = 3.1_4\nb = -1e-2\nc = 6.0E+1_0\nd = -inf\ne = +nan\n"
				       "f = 1e999");

	(void)state;
	assert_true(real_of(root, "a") == 3.14);
	assert_true(real_of(root, "b") == -0.01);
	assert_true(real_of(root, "c") == 6e10);
	assert_true(isinf(real_of(root, "d")) && real_of(root, "d") < 0);
	assert_true(isnan(real_of(root, "e")));
	assert_true(isinf(real_of(root, "f")));
	toml_free(root);
}

static void test_times(void **state)
{
	struct toml_node *root = parse("a = 1979-05-27 07:32:00.5-07:30\nb = 2000-02-29t23:59:60z\n"
				       "c = 1979-05-27T00:32:00.1234567891\nd = 1979-05-27 # day\n"
				       "e = 07:32:00");
	const struct toml_node *n;

	(void)state;
	n = toml_get(root, "a");
	assert_int_equal(n->type, TOML_DATETIME);
	assert_int_equal(n->time.year, 1979);
	assert_int_equal(n->time.nanosecond, 500000000);
	assert_int_equal(n->time.offset, -450);
	assert_int_equal(toml_get(root, "b")->time.second, 60);
	n = toml_get(root, "c");
	assert_int_equal(n->type, TOML_DATETIME_LOCAL);
	assert_int_equal(n->time.nanosecond, 123456789);
	assert_int_equal(toml_get(root, "d")->type, TOML_DATE_LOCAL);
	n = toml_get(root, "e");
	assert_int_equal(n->type, TOML_TIME_LOCAL);
	assert_int_equal(n->time.minute, 32);
	toml_free(root);
}

static void test_tables(void **state)
{
	struct toml_node *root = parse("\xef\xbb\xbf[a.b.c]\nx = 1\n[a]\ny.z = 2\ny.w = 3\n"
				       "[a.y.more]\n[[list]]\nn = 1\n[list.sub]\nv = 1\n[[list]]\n"
				       "in = { p.q = 1, p.r = [ { s = 2 }, # note\n 3, ] }\n");
	const struct toml_node *n;

	(void)state;
	n = toml_get(toml_get(root, "a"), "y");
	assert_integer(n, "z", 2);
	assert_integer(n, "w", 3);
	assert_non_null(toml_get(n, "more"));
	assert_integer(toml_get(toml_get(toml_get(root, "a"), "b"), "c"), "x", 1);
	n = toml_get(root, "list");
	assert_int_equal(n->count, 2);
	assert_integer(toml_get(n->first, "sub"), "v", 1);
	n = toml_get(toml_get(toml_get(n->last, "in"), "p"), "r");
	assert_int_equal(n->count, 2);
	assert_int_equal(n->last->integer, 3);
	toml_free(root);
}

static void test_places(void **state)
{
	struct toml_node *root = parse("# c\n[t]\n  \"\xc3\xa9\" = [ 1,\n 22 ]\n");
	const struct toml_node *t = toml_get(root, "t"), *array = t->first;

	(void)state;
	assert_int_equal(t->line, 2);
	assert_int_equal(t->col, 2);
	assert_int_equal(array->line, 3);
	assert_int_equal(array->key_col, 3);
	assert_int_equal(array->col, 9);
	assert_int_equal(array->last->line, 4);
	assert_int_equal(array->last->col, 2);
	toml_free(root);
}

static void test_order_and_index(void **state)
{
	auto_str struct str text = STR_INIT;
	const struct toml_node *it;
	struct toml_node *root;
	struct err err = ERR_INIT;
	char key[16];
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		str_printf(&text, "k%d = %d\n", i, i);
	root = parse(text.data);
	for (i = 0, it = root->first; it; it = it->next, i++) {
		assert_int_equal(it->integer, i);
		snprintf(key, sizeof(key), "k%d", i);
		assert_ptr_equal(toml_get(root, key), it);
	}
	assert_int_equal(i, 1000);
	assert_null(toml_get(root, "k1000"));
	toml_free(root);
	str_puts(&text, "k500 = 1\n");
	assert_null(toml_parse(text.data, text.len, "t", &err));
	assert_string_equal(err_msg(&err),
			    "t:1001:1: \"k500\" is already an integer, made in line 501");
}

static void test_refuse_syntax(void **state)
{
	static const struct refusal r[] = {
		{ "a = 1 b = 2", "t:1:7: expected the end of the line, not 'b'" },
		{ "a", "t:1:2: expected '=', not the end of the file" },
		{ "= 1", "t:1:1: expected a key, not '='" },
		{ "a.\nb = 1", "t:1:3: expected a key, not the end of the line" },
		{ "\"\"\"a\"\"\" = 1", "t:1:1: a key cannot be a multi-line string" },
		{ "a = ", "t:1:5: expected a value, not the end of the file" },
		{ "x = qemu", "t:1:5: 'qemu' is no value; a string needs quotes" },
		{ "\n[a", "t:2:3: expected ']', not the end of the file" },
		{ "[[a] ]", "t:1:5: expected ']]', not ' '" },
		{ "a = [1 2]", "t:1:8: expected ',' or ']', not '2'" },
		{ "a = {b = 1, }", "t:1:13: expected a key, not '}'" },
		{ "a = {\n}", "t:1:6: expected a key, not the end of the line" },
		{ "\xc3\xa9 = 1", "t:1:1: expected a key, not '\xc3\xa9'" },
		{ "a = 'x\n", "t:1:5: the string is not closed on its line" },
		{ "\na = \"\"\"x\n\n", "t:2:5: the string is not closed" },
		{ "a = \"\\x41\"", "t:1:6: no such escape; a backslash is written \"\\\\\"" },
		{ "a = \"\\ud800\"", "t:1:6: U+D800 is not a character" },
		{ "a = \"\\u12\"", "t:1:6: '\\u' takes 4 hexadecimal digits" },
	};

	(void)state;
	assert_refused(r, ARRAY_SIZE(r));
}

static void test_refuse_values(void **state)
{
	static const struct refusal r[] = {
		{ "a = 9223372036854775808", "t:1:5: the integer does not fit into 64 bits" },
		{ "a = 0xffffffffffffffff", "t:1:5: the integer does not fit into 64 bits" },
		{ "a = 0b2", "t:1:5: malformed integer of base 2" },
		{ "a = 0x", "t:1:5: malformed integer of base 16" },
		{ "a = 007", "t:1:5: a number does not start with 0" },
		{ "a = 1__0", "t:1:5: '1__0' is no value; a string needs quotes" },
		{ "a = 1.", "t:1:5: a float has digits on both sides of its point" },
		{ "a = 1e", "t:1:5: the exponent has no digits" },
		{ "a = +0x1", "t:1:5: '+0x1' is no value; a string needs quotes" },
		{ "a = 2023-02-29", "t:1:13: the day is from 1 to 28, not 29" },
		{ "a = 2023-1-01", "t:1:10: the month takes 2 digits" },
		{ "a = 24:00:00", "t:1:5: the hour is from 0 to 23, not 24" },
		{ "a = 07:32", "t:1:10: expected ':', not the end of the file" },
		{ "a = 2023-01-01T00:00:00+24:00",
		  "t:1:25: the hour of the offset is from 0 to 23, not 24" },
		{ "a = 2023-01-01T00:00:00.",
		  "t:1:25: expected a fraction of a second, not the end of the file" },
	};

	(void)state;
	assert_refused(r, ARRAY_SIZE(r));
}

static void test_refuse_redefinition(void **state)
{
	static const struct refusal r[] = {
		{ "a = 1\na = 2", "t:2:1: \"a\" is already an integer, made in line 1" },
		{ "[a]\n[a]", "t:2:2: \"a\" is already a table, made in line 1" },
		{ "[a]\n[[a]]", "t:2:3: \"a\" is already a table, made in line 1" },
		{ "[a.b]\n[a]\nb.c = 1", "t:3:1: \"b\" is already a table, made in line 1" },
		{ "[a]\nb.c = 1\n[a.b]", "t:3:4: \"b\" is already a table, made in line 2" },
		{ "a = {}\na.b = 1", "t:2:1: \"a\" is already a table, made in line 1" },
		{ "a = {}\n[a.b]", "t:2:2: \"a\" is already a table, made in line 1" },
		{ "a = []\n[[a]]", "t:2:3: \"a\" is already an array, made in line 1" },
		{ "[[a]]\n[a]", "t:2:2: \"a\" is already an array, made in line 1" },
		{ "[[a]]\n[a.b]\n[a.b]", "t:3:4: \"b\" is already a table, made in line 2" },
		{ "a = {b.c = 1, b = 2}", "t:1:15: \"b\" is already a table, made in line 1" },
		{ "a = {b = {c = 1}, b.d = 2}",
		  "t:1:19: \"b\" is already a table, made in line 1" },
	};

	(void)state;
	assert_refused(r, ARRAY_SIZE(r));
}

static void test_refuse_bytes(void **state)
{
	static const struct refusal r[] = {
		{ "a = 1\n# \x01", "t:2:3: control character 0x01 is not allowed" },
		{ "a = '\x7f'", "t:1:6: control character 0x7f is not allowed" },
		{ "a = 1\rb = 2", "t:1:6: carriage return without a line feed" },
		{ "# \xc0\xaf", "t:1:3: byte 0xc0 is not valid UTF-8" },
		{ "# \xed\xa0\x80", "t:1:3: byte 0xed is not valid UTF-8" },
		{ "# \xf4\x90\x80\x80", "t:1:3: byte 0xf4 is not valid UTF-8" },
		{ "# \xe2\x82", "t:1:3: byte 0xe2 is not valid UTF-8" },
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_refused(r, ARRAY_SIZE(r));
	assert_null(toml_parse("a\0", 2, "t", &err));
	assert_string_equal(err_msg(&err), "t:1:2: control character 0x00 is not allowed");
}

/* @n times @open around nothing: arrays in arrays, tables in tables. */
static struct toml_node *parse_nested(const char *open, const char *close, int n, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int i;

	str_puts(&text, "a = ");
	for (i = 0; i < n; i++)
		str_puts(&text, open);
	str_puts(&text, "1");
	for (i = 0; i < n; i++)
		str_puts(&text, close);
	return toml_parse(text.data, text.len, "t", err);
}

/* Names in messages are quoted: a message is one line whatever the document holds. */
static void test_quote(void **state)
{
	static const struct refusal r[] = {
		{ "'\t' = 1\n'\t' = 2", "t:2:1: \"\\t\" is already an integer, made in line 1" },
	};
	auto_str struct str out = STR_INIT;

	(void)state;
	assert_refused(r, ARRAY_SIZE(r));
	toml_quote(&out, "a\"\\\n\0\x7f\xc3\xa9", 8);
	assert_string_equal(out.data, "\"a\\\"\\\\\\n\\u0000\\u007f\xc3\xa9\"");
}

static void test_depth(void **state)
{
	struct err err = ERR_INIT;
	struct toml_node *root;

	(void)state;
	root = parse_nested("[", "]", TOML_DEPTH_MAX, &err);
	assert_non_null(root);
	toml_free(root);
	assert_null(parse_nested("[", "]", TOML_DEPTH_MAX + 1, &err));
	assert_string_equal(err_msg(&err), "t:1:133: nested deeper than 128 levels");
	root = parse_nested("{b=", "}", TOML_DEPTH_MAX, &err);
	assert_non_null(root);
	toml_free(root);
	assert_null(parse_nested("{b=", "}", 100000, &err));
	assert_null(parse_nested("[", "]", 100000, &err));
	/* Dotted keys count too, however they are spread. */
	assert_null(parse_nested("{b.b.b.b=", "}", 40, &err));
	assert_non_null(strstr(err_msg(&err), "nested deeper than 128 levels"));
}

/* One line of a megabyte: columns must not cost a scan of the line each. */
static void test_long_line(void **state)
{
	auto_str struct str text = STR_INIT;
	struct toml_node *root;
	int i;

	(void)state;
	str_puts(&text, "a = [");
	for (i = 0; i < 500000; i++)
		str_puts(&text, "1,");
	str_puts(&text, "]\n");
	root = parse_len(text.data, text.len);
	assert_int_equal(root->first->count, 500000);
	assert_int_equal(root->first->last->col, 6 + 2 * 499999);
	toml_free(root);
}

/* Every prefix of a document is read to its end and no further (a sanitizer watches). */
static void test_truncated(void **state)
{
	static const char doc[] = "[a.b]\nc = \"x\\u00e9\" # e\n[[d]]\ne = {f = 'g', h = 0x1f}\n"
				  "i = 1979-05-27 07:32:00.5+01:00\nj = [1, 2.5e3, true,\n]\n"
				  "k = '''\nl\n'''\nm = \"\"\"\\\n  n\"\"\"\n";
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(doc); len++) {
		auto_free char *copy = xmalloc(len ? len : 1);
		struct err err = ERR_INIT;
		struct toml_node *root;

		memcpy(copy, doc, len);
		root = toml_parse(copy, len, "t", &err);
		assert_true(root || err.code == -EINVAL);
		toml_free(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_nul_in_string),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_floats),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_order_and_index),
		cmocka_unit_test(test_refuse_syntax),
		cmocka_unit_test(test_refuse_values),
		cmocka_unit_test(test_refuse_redefinition),
		cmocka_unit_test(test_refuse_bytes),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_truncated),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("toml", tests, NULL, NULL);
}
