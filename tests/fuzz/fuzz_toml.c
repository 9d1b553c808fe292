/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TOML document: what is refused says where; of what is accepted every value is
 * read, and every string and key survives being quoted.
 */
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "toml/toml.h"

static void check_quote(const char *text, size_t len)
{
	auto_str struct str document = STR_INIT;
	struct err err = ERR_INIT;
	const struct toml_node *value;
	struct toml_node *root;

	str_puts(&document, "k=");
	toml_quote(&document, text, len);
	root = toml_parse(document.data, document.len, "quoted", &err);
	must(root);
	value = toml_get(root, "k");
	must(value && value->type == TOML_STRING && value->string.len == len);
	must(!memcmp(value->string.data, text, len));
	toml_free(root);
}

static void check_time(const struct toml_time *t)
{
	must(t->year >= 0 && t->year <= 9999 && t->month >= 0 && t->month <= 12);
	must(t->day >= 0 && t->day <= 31 && t->hour >= 0 && t->hour <= 23);
	must(t->minute >= 0 && t->minute <= 59 && t->second >= 0 && t->second <= 60);
	must(t->nanosecond >= 0 && t->nanosecond <= 999999999);
	must(t->offset > -24 * 60 && t->offset < 24 * 60);
}

static void check_node(const struct toml_node *node, int depth)
{
	const struct toml_node *it;
	size_t count = 0;

	must(depth <= TOML_DEPTH_MAX && node->line > 0 && node->col > 0);
	must(*toml_type_name(node->type));
	if (node->key) {
		must(!node->key[node->key_len]);
		check_quote(node->key, node->key_len);
	}
	if (node->type == TOML_STRING) {
		must(!node->string.data[node->string.len]);
		check_quote(node->string.data, node->string.len);
	} else if (node->type >= TOML_DATETIME) {
		check_time(&node->time);
	}
	if (node->type != TOML_TABLE && node->type != TOML_ARRAY)
		return;
	for (it = node->first; it; it = it->next, count++) {
		check_node(it, depth + 1);
		must(it->next || it == node->last);
		if (node->type == TOML_TABLE && strlen(it->key) == it->key_len)
			must(toml_get(node, it->key) == it);
	}
	must(count == node->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct toml_node *root = toml_parse((const char *)data, size, "f", &err);
	unsigned line, col;

	if (root) {
		check_node(root, 0);
	} else {
		must(err.code < 0);
		must(sscanf(err_msg(&err), "f:%u:%u: ", &line, &col) == 2);
		must(line > 0 && col > 0 && line <= size + 1 && col <= size + 1);
	}
	toml_free(root);
	return 0;
}
