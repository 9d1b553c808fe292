/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config/annotation_value.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define JSON_DEPTH 2 /* an array and what is in it */

void annotation_put_string(char **member, const char *value)
{
	free(*member);
	*member = xstrdup(value);
}

static int fail_value(struct err *err, const char *must, const char *value)
{
	auto_str struct str text = STR_INIT;

	toml_quote(&text, value, strlen(value));
	return err_set(err, EINVAL, "must be %s, not %s", must, str_text(&text));
}

/* The spellings of Go's strconv.ParseBool. */
static int parse_bool(const char *value, bool *out, struct err *err)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		*out = !strcmp(value, yes[i]);
		if (*out || !strcmp(value, no[i]))
			return 0;
	}
	return fail_value(err, "true or false", value);
}

static int parse_number(const char *value, double *out, struct err *err)
{
	char *end;

	errno = 0;
	*out = strtod(value, &end);
	if (*value < '0' || *value > '9' || *end || errno || !isfinite(*out))
		return fail_value(err, "a number that is not negative", value);
	return 0;
}

static int parse_integer(const char *value, int64_t *out, struct err *err)
{
	long long v = 0;

	if (str_to_ll(value, 0, INT64_MAX, &v))
		return fail_value(err, "an integer that is not negative", value);
	*out = v;
	return 0;
}

static int set_plain(struct config *config, const struct config_key *key, const char *value,
		     struct err *err)
{
	auto_free char *copy = xstrdup(value);
	struct toml_node node = { .line = 0 };
	int r = 0;

	switch (key->type) {
	case CONFIG_STRING:
		node.type = TOML_STRING;
		node.string.data = copy;
		node.string.len = strlen(copy);
		break;
	case CONFIG_BOOL:
		node.type = TOML_BOOL;
		r = parse_bool(value, &node.boolean, err);
		break;
	case CONFIG_INTEGER:
		node.type = TOML_INTEGER;
		r = parse_integer(value, &node.integer, err);
		break;
	case CONFIG_FLOAT:
		node.type = TOML_FLOAT;
		r = parse_number(value, &node.real, err);
		break;
	case CONFIG_LIST:
		r = err_set(err, EINVAL, "is a list");
		break;
	}
	return r < 0 ? r : config_set(config, key, &node, err);
}

static void set_words(struct strv *list, const char *value, const char *separators)
{
	auto_free char *copy = xstrdup(value);
	char *save = NULL;

	strv_free(list);
	*list = (struct strv){ NULL, 0 };
	for (char *w = strtok_r(copy, separators, &save); w; w = strtok_r(NULL, separators, &save))
		strv_add(list, w);
}

static int add_json(struct strv *list, const char *value, struct err *err)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *array = NULL;
	int r = 0;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	array = json_tokener_parse_ex(tok, value, (int)strlen(value) + 1);
	if (!json_object_is_type(array, json_type_array))
		r = fail_value(err, "a JSON array of strings", value);
	for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
		struct json_object *item = json_object_array_get_idx(array, i);
		const char *text = json_object_get_string(item);

		if (!json_object_is_type(item, json_type_string) ||
		    strlen(text) != (size_t)json_object_get_string_len(item))
			r = fail_value(err, "a JSON array of strings", value);
		else
			strv_add(list, text);
	}
	json_object_put(array);
	json_tokener_free(tok);
	return r;
}

/* The parameter at *@p, as long as @len; quotes hold blanks together. NULL at the end. */
static const char *next_param(const char **p, size_t *len)
{
	const char *s = *p + strspn(*p, " \t\n\r\v\f"), *end = s;
	bool quoted = false;

	for (; *end && (quoted || !strchr(" \t\n\r\v\f", *end)); end++)
		if (*end == '"')
			quoted = !quoted;
	*len = (size_t)(end - s);
	*p = end;
	return *len ? s : NULL;
}

static size_t name_len(const char *param, size_t len)
{
	const char *eq = memchr(param, '=', len);

	return eq ? (size_t)(eq - param) : len;
}

static bool names(const char *params, const char *param, size_t len)
{
	size_t n, name = name_len(param, len);

	for (const char *p = params, *it = next_param(&p, &n); it; it = next_param(&p, &n))
		if (name_len(it, n) == name && !memcmp(it, param, name))
			return true;
	return false;
}

static void add_param(struct str *out, const char *param, size_t len)
{
	if (out->len)
		str_putc(out, ' ');
	str_add(out, param, len);
}

/* What is there but for what @value names, then @value, which may name one more than once. */
static void set_params(char **member, const char *value)
{
	struct str out = STR_INIT;
	size_t len;

	for (const char *p = *member, *it = next_param(&p, &len); it; it = next_param(&p, &len))
		if (!names(value, it, len))
			add_param(&out, it, len);
	for (const char *p = value, *it = next_param(&p, &len); it; it = next_param(&p, &len))
		add_param(&out, it, len);
	free(*member);
	*member = str_take(&out);
}

static int digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int annotation_decode(const char *text, char **out, struct err *err)
{
	auto_str struct str bytes = STR_INIT;
	unsigned group = 0, n = 0, pad = 0;

	for (const char *p = text; *p; p++) {
		int digit = digit_of(*p);

		if (*p == '\r' || *p == '\n')
			continue;
		/* "=" only in the last group, as its third and fourth; nothing after it. */
		if (*p == '=' ? n % 4 < 2 : digit < 0 || pad)
			return fail_value(err, "base64", text);
		pad += *p == '=';
		group = group << 6 | (unsigned)(digit < 0 ? 0 : digit);
		if (++n % 4)
			continue;
		for (unsigned i = 0; i + pad < 3; i++)
			str_putc(&bytes, (char)(group >> (16 - 8 * i) & 0xff));
		if (pad && p[1 + strspn(p + 1, "\r\n")])
			return fail_value(err, "base64", text);
		group = 0;
	}
	if (n % 4)
		return fail_value(err, "base64", text);
	if (bytes.len && memchr(bytes.data, '\0', bytes.len))
		return err_set(err, EINVAL,
			       "must be base64 of a text, which has no character U+0000");
	*out = str_take(&bytes);
	return 0;
}

int annotation_set(struct config *config, const struct config_key *key, enum annotation_form form,
		   const char *value, struct err *err)
{
	void *member = (char *)config + key->offset;

	switch (form) {
	case ANNOTATION_PLAIN:
	case ANNOTATION_UNLESS_EMPTY:
		return set_plain(config, key, value, err);
	case ANNOTATION_FILE:
		if (*value != '/')
			return fail_value(err, "an absolute path", value);
		annotation_put_string(member, value);
		return 0;
	case ANNOTATION_PARAMS:
		set_params(member, value);
		return 0;
	case ANNOTATION_WORDS:
		set_words(member, value, " ,\t\n");
		return 0;
	case ANNOTATION_SEMICOLONS:
		set_words(member, value, ";");
		return 0;
	case ANNOTATION_JSON:
		return add_json(member, value, err);
	}
	return err_set(err, EINVAL, "is of no form");
}
