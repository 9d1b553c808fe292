/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0.0 (https://toml.io/en/v1.0.0): a document becomes a tree of nodes,
 * all of it or nothing. The tree is read-only for its user.
 */
#ifndef TOML_TOML_H
#define TOML_TOML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Tables and arrays in one another, and the root above them; more is an error. */
#define TOML_DEPTH_MAX 128

enum toml_type {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_DATETIME,	     /* with an offset */
	TOML_DATETIME_LOCAL, /* without */
	TOML_DATE_LOCAL,
	TOML_TIME_LOCAL,
};

/* A date, a time or both; the parts that the type has not are 0. */
struct toml_time {
	int year, month, day;	  /* 0 to 9999, 1 to 12, 1 to 31 */
	int hour, minute, second; /* second: to 60, the leap second of RFC 3339 */
	int nanosecond;		  /* what the document gives beyond is cut off */
	int offset;		  /* minutes east of UTC */
};

struct toml_node {
	enum toml_type type;
	unsigned line, col;	/* of the value; of a table or array made by a header, its name */
	unsigned key_col;	/* of the key, on the same line; 0 in an array and at the root */
	char *key;		/* in a table: NUL-terminated; NULL in an array and at the root */
	size_t key_len;		/* a quoted key may hold NULs */
	struct toml_node *next; /* sibling, in the order of the document */

	/* Tables and arrays. */
	struct toml_node *first, *last;
	size_t count;

	union {
		struct {
			char *data; /* UTF-8, NUL-terminated */
			size_t len; /* "\u0000" is a character like any other */
		} string;
		int64_t integer;
		double real;
		bool boolean;
		struct toml_time time;
	};

	/* The parser's own; see build.c. */
	uint8_t made;
	uint8_t depth;
	unsigned section;
	struct toml_node **index;
	size_t index_size;
};

/*
 * Parse @len bytes of @text; @file is the name for messages. Returns the root
 * table, which the caller frees; NULL and -EINVAL in @err when the document is
 * not valid: "file:line:column: what", both counted from 1, columns in
 * characters.
 */
struct toml_node *toml_parse(const char *text, size_t len, const char *file, struct err *err);

/* As toml_parse(), of a whole file of at most @max bytes. Its errors are those of file_read(). */
struct toml_node *toml_parse_file(const char *path, size_t max, struct err *err);

/* Release a root. NULL is allowed. */
void toml_free(struct toml_node *root);

/* The entry @key of @table; NULL if there is none or @table is NULL or no table. */
const struct toml_node *toml_get(const struct toml_node *table, const char *key);

/* What a sentence calls a value of this type: "a string", "an integer", … */
const char *toml_type_name(enum toml_type type);

/*
 * Append @len bytes of @s, which are UTF-8, to @out as a basic string: in
 * quotes, with control characters escaped, so that it stays on one line.
 */
void toml_quote(struct str *out, const char *s, size_t len);

#endif
