/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml-json: reads a TOML document from standard input and prints it as the
 * tagged JSON of the toml-test suite, in which each value is
 * {"type": …, "value": "…"}. Status 1 and a message for an invalid document.
 */
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "toml/toml.h"

static const char *const tags[] = {
	[TOML_STRING] = "string",	  [TOML_INTEGER] = "integer",
	[TOML_FLOAT] = "float",		  [TOML_BOOL] = "bool",
	[TOML_DATETIME] = "datetime",	  [TOML_DATETIME_LOCAL] = "datetime-local",
	[TOML_DATE_LOCAL] = "date-local", [TOML_TIME_LOCAL] = "time-local",
};

/* With 0, 3, 6 or 9 digits of a fraction, whichever is the first to hold it. */
static void add_clock(struct str *out, const struct toml_time *t)
{
	str_printf(out, "%02d:%02d:%02d", t->hour, t->minute, t->second);
	if (t->nanosecond % 1000)
		str_printf(out, ".%09d", t->nanosecond);
	else if (t->nanosecond % 1000000)
		str_printf(out, ".%06d", t->nanosecond / 1000);
	else if (t->nanosecond)
		str_printf(out, ".%03d", t->nanosecond / 1000000);
}

static void add_offset(struct str *out, int offset)
{
	int minutes = offset < 0 ? -offset : offset;

	if (offset)
		str_printf(out, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
	else
		str_putc(out, 'Z');
}

static void add_time(struct str *out, const struct toml_node *node)
{
	const struct toml_time *t = &node->time;

	if (node->type != TOML_TIME_LOCAL)
		str_printf(out, "%04d-%02d-%02d", t->year, t->month, t->day);
	if (node->type == TOML_DATETIME || node->type == TOML_DATETIME_LOCAL)
		str_putc(out, 'T');
	if (node->type != TOML_DATE_LOCAL)
		add_clock(out, t);
	if (node->type == TOML_DATETIME)
		add_offset(out, t->offset);
}

/* The shortest text that reads back as the same number. */
static void add_float(struct str *out, double v)
{
	char text[40];
	int precision;

	if (isnan(v)) {
		str_puts(out, "nan");
		return;
	}
	for (precision = 1; precision <= 17; precision++) {
		snprintf(text, sizeof(text), "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	str_puts(out, text);
}

static void add_value(struct str *out, const struct toml_node *node)
{
	switch (node->type) {
	case TOML_STRING:
		str_add(out, node->string.data, node->string.len);
		break;
	case TOML_INTEGER:
		str_printf(out, "%lld", (long long)node->integer);
		break;
	case TOML_FLOAT:
		add_float(out, node->real);
		break;
	case TOML_BOOL:
		str_puts(out, node->boolean ? "true" : "false");
		break;
	default:
		add_time(out, node);
	}
}

/* @s as a JSON string; json-c escapes it, NULs included. */
static void print_string(const char *s, size_t len)
{
	struct json_object *text = json_object_new_string_len(s, (int)len);

	fputs(json_object_to_json_string_ext(text, JSON_C_TO_STRING_NOSLASHESCAPE), stdout);
	json_object_put(text);
}

/*
 * Containers are printed by hand: json-c's objects have no keys with NULs in
 * them, which TOML has.
 */
static void print_node(const struct toml_node *node)
{
	auto_str struct str text = STR_INIT;
	const struct toml_node *it;

	if (node->type != TOML_TABLE && node->type != TOML_ARRAY) {
		add_value(&text, node);
		printf("{\"type\": \"%s\", \"value\": ", tags[node->type]);
		print_string(str_text(&text), text.len);
		putchar('}');
		return;
	}
	putchar(node->type == TOML_TABLE ? '{' : '[');
	for (it = node->first; it; it = it->next) {
		if (node->type == TOML_TABLE) {
			print_string(it->key, it->key_len);
			fputs(": ", stdout);
		}
		print_node(it);
		if (it->next)
			fputs(", ", stdout);
	}
	putchar(node->type == TOML_TABLE ? '}' : ']');
}

int main(void)
{
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct toml_node *root;
	char buf[65536];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
		str_add(&text, buf, (size_t)n);
	if (n < 0) {
		perror("toml-json: standard input");
		return 1;
	}
	root = toml_parse(str_text(&text), text.len, "<stdin>", &err);
	if (!root) {
		fprintf(stderr, "toml-json: %s\n", err_msg(&err));
		return 1;
	}
	print_node(root);
	putchar('\n');
	toml_free(root);
	if (fflush(stdout)) {
		perror("toml-json: standard output");
		return 1;
	}
	return 0;
}
