/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing the tree. TOML lets a table be written in several places but defined
 * in one only; struct toml_node.made remembers how each came to be:
 *
 *   IMPLICIT  a header named it on the way ([a] by [a.b]); one header, or the
 *             dotted keys of one section, may still define it
 *   HEADER    defined; only headers of tables below it may pass through
 *   DOTTED    defined by dotted keys; open to more of them in the same section
 *             (header or inline table) and to headers that pass through
 *   PLAIN     an inline table or an array written as a value; closed
 *
 * An array with made == HEADER is one of [[name]].
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "toml/parser.h"

/* Tables with more entries than this get a hash index. */
#define INDEX_MIN 16

static size_t hash_key(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 29);
}

static bool key_is(const struct toml_node *node, const char *key, size_t len)
{
	return node->key_len == len && !memcmp(node->key, key, len);
}

/* The slot of @key in the index: the node's, or the free one where it belongs. */
static struct toml_node **slot_of(const struct toml_node *table, const char *key, size_t len)
{
	size_t i = hash_key(key, len) & (table->index_size - 1);

	while (table->index[i] && !key_is(table->index[i], key, len))
		i = (i + 1) & (table->index_size - 1);
	return &table->index[i];
}

static void rebuild_index(struct toml_node *table)
{
	struct toml_node *it;

	table->index_size = table->count * 4;
	while (table->index_size & (table->index_size - 1))
		table->index_size &= table->index_size - 1;
	free(table->index);
	table->index = xcalloc(table->index_size, sizeof(struct toml_node *));
	for (it = table->first; it; it = it->next)
		*slot_of(table, it->key, it->key_len) = it;
}

static struct toml_node *find(const struct toml_node *table, const char *key, size_t len)
{
	struct toml_node *it;

	if (table->index)
		return *slot_of(table, key, len);
	for (it = table->first; it; it = it->next)
		if (key_is(it, key, len))
			return it;
	return NULL;
}

const struct toml_node *toml_get(const struct toml_node *table, const char *key)
{
	if (!table || table->type != TOML_TABLE)
		return NULL;
	return find(table, key, strlen(key));
}

void toml_append(struct toml_node *parent, struct toml_node *node)
{
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	if (parent->type != TOML_TABLE || parent->count <= INDEX_MIN)
		return;
	if (!parent->index || parent->count * 2 > parent->index_size)
		rebuild_index(parent);
	else
		*slot_of(parent, node->key, node->key_len) = node;
}

struct toml_node *toml_new_node(struct toml_parser *ps, enum toml_type type,
				const struct toml_node *parent, const char *at)
{
	struct toml_node *node;

	if ((type == TOML_TABLE || type == TOML_ARRAY) && parent->depth == TOML_DEPTH_MAX) {
		toml_fail(ps, at, "nested deeper than %d levels", TOML_DEPTH_MAX);
		return NULL;
	}
	node = xcalloc(1, sizeof(*node));
	node->type = type;
	node->depth = (uint8_t)(parent->depth + 1);
	node->line = ps->line;
	node->col = toml_column(ps, at);
	return node;
}

static void take_key(struct toml_node *node, struct toml_key *key)
{
	node->key = key->text;
	node->key_len = key->len;
	node->key_col = key->col;
	key->text = NULL;
}

/* A new table in @parent under the name @key. */
static struct toml_node *add_table(struct toml_parser *ps, struct toml_node *parent,
				   struct toml_key *key, enum toml_made made)
{
	struct toml_node *table = toml_new_node(ps, TOML_TABLE, parent, key->at);

	if (!table)
		return NULL;
	table->made = made;
	table->section = ps->section;
	take_key(table, key);
	toml_append(parent, table);
	return table;
}

/* Fail: @key names what is there as @node already. */
static void *fail_taken(struct toml_parser *ps, const struct toml_key *key,
			const struct toml_node *node)
{
	auto_str struct str name = STR_INIT;

	toml_quote(&name, key->text, key->len);
	toml_fail(ps, key->at, "%s is already %s, made in line %u", str_text(&name),
		  toml_type_name(node->type), node->line);
	return NULL;
}

/* One step of a header towards its last part. */
static struct toml_node *pass_through(struct toml_parser *ps, struct toml_node *at,
				      struct toml_key *key)
{
	struct toml_node *next = find(at, key->text, key->len);

	if (!next)
		return add_table(ps, at, key, TOML_MADE_IMPLICIT);
	if (next->made == TOML_MADE_PLAIN)
		return fail_taken(ps, key, next);
	return next->type == TOML_ARRAY ? next->last : next;
}

/* A new element of the array of tables @key in @parent, which is made when it is not there. */
static struct toml_node *add_element(struct toml_parser *ps, struct toml_node *parent,
				     struct toml_key *key)
{
	struct toml_node *array = find(parent, key->text, key->len), *table;

	if (array && (array->type != TOML_ARRAY || array->made == TOML_MADE_PLAIN))
		return fail_taken(ps, key, array);
	if (!array) {
		array = toml_new_node(ps, TOML_ARRAY, parent, key->at);
		if (!array)
			return NULL;
		array->made = TOML_MADE_HEADER;
		take_key(array, key);
		toml_append(parent, array);
	}
	table = toml_new_node(ps, TOML_TABLE, array, key->at);
	if (!table)
		return NULL;
	table->made = TOML_MADE_HEADER;
	toml_append(array, table);
	return table;
}

struct toml_node *toml_open_table(struct toml_parser *ps, struct toml_node *root,
				  struct toml_keys *keys, bool array)
{
	struct toml_node *at = root, *table;
	struct toml_key *key = keys->part;

	for (; key < keys->part + keys->n - 1; key++) {
		at = pass_through(ps, at, key);
		if (!at)
			return NULL;
	}
	if (array)
		return add_element(ps, at, key);
	table = find(at, key->text, key->len);
	if (!table)
		return add_table(ps, at, key, TOML_MADE_HEADER);
	if (table->made != TOML_MADE_IMPLICIT)
		return fail_taken(ps, key, table);
	table->made = TOML_MADE_HEADER;
	table->line = ps->line;
	table->col = table->key_col = key->col;
	return table;
}

struct toml_node *toml_enter_dotted(struct toml_parser *ps, struct toml_node *table,
				    struct toml_keys *keys)
{
	struct toml_key *key = keys->part;
	struct toml_node *next;

	for (; key < keys->part + keys->n - 1; key++, table = next) {
		next = find(table, key->text, key->len);
		if (!next) {
			next = add_table(ps, table, key, TOML_MADE_DOTTED);
			if (!next)
				return NULL;
		} else if (next->made == TOML_MADE_IMPLICIT) {
			next->made = TOML_MADE_DOTTED;
			next->section = ps->section;
		} else if (next->made != TOML_MADE_DOTTED || next->section != ps->section) {
			return fail_taken(ps, key, next);
		}
	}
	next = find(table, key->text, key->len);
	return next ? fail_taken(ps, key, next) : table;
}

void toml_put(struct toml_node *table, struct toml_keys *keys, struct toml_node *node)
{
	struct toml_key *key = &keys->part[keys->n - 1];

	take_key(node, key);
	toml_append(table, node);
}

/* No deeper than TOML_DEPTH_MAX calls: toml_new_node() saw to that. */
void toml_free(struct toml_node *node)
{
	struct toml_node *it, *next;

	if (!node)
		return;
	for (it = node->first; it; it = next) {
		next = it->next;
		toml_free(it);
	}
	if (node->type == TOML_STRING)
		free(node->string.data);
	free(node->index);
	free(node->key);
	free(node);
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_TABLE] = "a table",
		[TOML_ARRAY] = "an array",
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOL] = "a boolean",
		[TOML_DATETIME] = "a date and time",
		[TOML_DATETIME_LOCAL] = "a local date and time",
		[TOML_DATE_LOCAL] = "a date",
		[TOML_TIME_LOCAL] = "a time",
	};

	return names[type];
}
