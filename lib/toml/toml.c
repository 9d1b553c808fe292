/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar: lines, headers, entries, arrays and inline tables. */
#include "toml/toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "toml/parser.h"

/* The value that starts here, of a container that will be @parent; NULL on failure. */
static struct toml_node *read_value(struct toml_parser *ps, const struct toml_node *parent);

/* key = value, in @table. */
static int read_entry(struct toml_parser *ps, struct toml_node *table)
{
	struct toml_node *parent, *value;
	struct toml_keys keys;
	int ret;

	ret = toml_read_keys(ps, &keys);
	if (ret)
		goto out;
	ret = -EINVAL;
	if (!toml_eat(ps, '=')) {
		toml_fail_expected(ps, "'='");
		goto out;
	}
	/* Before the value, while the key is still on the line of the place of reading. */
	parent = toml_enter_dotted(ps, table, &keys);
	if (!parent)
		goto out;
	toml_skip_blanks(ps);
	value = read_value(ps, parent);
	if (!value)
		goto out;
	toml_put(parent, &keys, value);
	ret = 0;
out:
	toml_free_keys(&keys);
	return ret;
}

static int read_array(struct toml_parser *ps, struct toml_node *array)
{
	struct toml_node *value;

	ps->p++;
	for (;;) {
		toml_skip_lines(ps);
		if (toml_eat(ps, ']'))
			return 0;
		value = read_value(ps, array);
		if (!value)
			return -EINVAL;
		toml_append(array, value);
		toml_skip_lines(ps);
		if (toml_eat(ps, ']'))
			return 0;
		if (!toml_eat(ps, ','))
			return toml_fail_expected(ps, "',' or ']'");
	}
}

/* On one line, without a comma behind the last entry: TOML 1.0. */
static int read_inline_table(struct toml_parser *ps, struct toml_node *table)
{
	unsigned outer = ps->section;
	int ret;

	ps->p++;
	toml_skip_blanks(ps);
	if (toml_eat(ps, '}'))
		return 0;
	do {
		/* Its dotted keys concern none but its own tables, whatever was nested before. */
		ps->section = table->section;
		ret = read_entry(ps, table);
		if (ret)
			return ret;
		toml_skip_blanks(ps);
	} while (toml_eat(ps, ','));
	if (!toml_eat(ps, '}'))
		return toml_fail_expected(ps, "',' or '}'");
	ps->section = outer;
	return 0;
}

static int read_string_value(struct toml_parser *ps, struct toml_node *node)
{
	auto_str struct str text = STR_INIT;
	int ret = toml_read_string(ps, &text);

	node->string.len = text.len;
	node->string.data = str_take(&text);
	return ret;
}

static struct toml_node *read_value(struct toml_parser *ps, const struct toml_node *parent)
{
	char c = ps->p < ps->end ? *ps->p : '\0';
	enum toml_type type = TOML_BOOL; /* of a scalar: whatever it turns out to be */
	struct toml_node *node;
	int ret;

	if (c == '"' || c == '\'')
		type = TOML_STRING;
	else if (c == '[')
		type = TOML_ARRAY;
	else if (c == '{')
		type = TOML_TABLE;
	node = toml_new_node(ps, type, parent, ps->p);
	if (!node)
		return NULL;
	node->made = TOML_MADE_PLAIN;
	if (type == TOML_STRING) {
		ret = read_string_value(ps, node);
	} else if (type == TOML_ARRAY) {
		ret = read_array(ps, node);
	} else if (type == TOML_TABLE) {
		node->section = ++ps->sections;
		ret = read_inline_table(ps, node);
	} else {
		ret = toml_read_scalar(ps, node);
	}
	if (ret) {
		toml_free(node);
		return NULL;
	}
	return node;
}

/* [name] or [[name]] */
static struct toml_node *read_header(struct toml_parser *ps, struct toml_node *root)
{
	struct toml_node *table = NULL;
	struct toml_keys keys;
	bool array;

	ps->p++;
	array = toml_eat(ps, '[');
	if (toml_read_keys(ps, &keys))
		goto out;
	if (!toml_eat(ps, ']') || (array && !toml_eat(ps, ']')))
		toml_fail_expected(ps, array ? "']]'" : "']'");
	else
		table = toml_open_table(ps, root, &keys, array);
	ps->section = ++ps->sections;
out:
	toml_free_keys(&keys);
	return table;
}

static int read_document(struct toml_parser *ps, struct toml_node *root)
{
	struct toml_node *table = root;
	int ret;

	for (;;) {
		toml_skip_lines(ps);
		if (ps->p == ps->end)
			return 0;
		if (*ps->p == '[') {
			table = read_header(ps, root);
			ret = table ? 0 : -EINVAL;
		} else {
			ret = read_entry(ps, table);
		}
		if (!ret)
			ret = toml_end_of_line(ps);
		if (ret)
			return ret;
	}
}

struct toml_node *toml_parse(const char *text, size_t len, const char *file, struct err *err)
{
	struct toml_parser ps = {
		.file = file,
		.p = text,
		.end = text + len,
		.line = 1,
		.line_start = text,
		.err = err,
	};
	struct toml_node *root;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		ps.p = ps.line_start = text + 3; /* the byte order mark */
	if (toml_check_text(&ps))
		return NULL;
	root = xcalloc(1, sizeof(*root));
	root->type = TOML_TABLE;
	root->made = TOML_MADE_HEADER;
	root->line = root->col = 1;
	if (read_document(&ps, root)) {
		toml_free(root);
		return NULL;
	}
	return root;
}

struct toml_node *toml_parse_file(const char *path, size_t max, struct err *err)
{
	auto_str struct str text = STR_INIT;

	if (file_read(path, max, &text, err))
		return NULL;
	return toml_parse(str_text(&text), text.len, path, err);
}
