/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the parser share. Nothing outside lib/toml includes this. */
#ifndef TOML_PARSER_H
#define TOML_PARSER_H

#include "base/str.h"
#include "toml/toml.h"

struct toml_parser {
	const char *file;
	const char *p, *end; /* what is still to read */
	unsigned line;
	const char *line_start;
	const char *mark; /* a place on the line whose column is known */
	unsigned mark_col;
	unsigned section;  /* the header or inline table whose keys are read: see build.c */
	unsigned sections; /* how many there were */
	struct err *err;
};

/* One part of a key: `a` of a.b. */
struct toml_key {
	char *text; /* owned */
	size_t len;
	const char *at; /* in the document */
	unsigned col;
};

struct toml_keys {
	struct toml_key part[TOML_DEPTH_MAX];
	size_t n;
};

/* scan.c: places and what lies between values. */

/* Check that the whole text is UTF-8 without forbidden control characters. */
int toml_check_text(struct toml_parser *ps);
/* Fail at @at, a place on the current line. Returns -EINVAL. */
int toml_fail(struct toml_parser *ps, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "expected @what, not …" at the place of reading. Returns -EINVAL. */
int toml_fail_expected(struct toml_parser *ps, const char *what);
/* The column, from 1, of @at, which is on the current line. */
unsigned toml_column(struct toml_parser *ps, const char *at);
/* True if the next character is @c; it is then read. */
bool toml_eat(struct toml_parser *ps, char c);
bool toml_eat_newline(struct toml_parser *ps);
void toml_skip_blanks(struct toml_parser *ps);
/* Blanks, comments and line ends. */
void toml_skip_lines(struct toml_parser *ps);
/* Blanks, a comment, then a line end or the end of the document. */
int toml_end_of_line(struct toml_parser *ps);

/* string.c */

/* Read the string that starts here, of any of the four kinds, into @out. */
int toml_read_string(struct toml_parser *ps, struct str *out);
/* Read a key of one or more parts. @keys is to be freed, on failure too. */
int toml_read_keys(struct toml_parser *ps, struct toml_keys *keys);
void toml_free_keys(struct toml_keys *keys);

/* scalar.c, datetime.c */

/* Read what is neither string nor array nor table into @node. */
int toml_read_scalar(struct toml_parser *ps, struct toml_node *node);
/* True if what starts at @s can only be a date or a time. */
bool toml_looks_like_time(const char *s, const char *end);
/* Read the date or time that starts here into @node. */
int toml_read_time(struct toml_parser *ps, struct toml_node *node);

/* build.c: the tree and the rules of who may add to what. */

/* How a table or an array came to be, which decides who may add to it. */
enum toml_made {
	TOML_MADE_PLAIN,    /* a value: closed */
	TOML_MADE_IMPLICIT, /* named on the way to another by a header */
	TOML_MADE_HEADER,   /* [name] or [[name]] */
	TOML_MADE_DOTTED,   /* named on the way to another by a dotted key */
};

/* A node of @type below @parent, not linked in yet; NULL when it is too deep. */
struct toml_node *toml_new_node(struct toml_parser *ps, enum toml_type type,
				const struct toml_node *parent, const char *at);
void toml_append(struct toml_node *parent, struct toml_node *node);
/* The table that the header [keys] (@array: [[keys]]) opens. NULL on failure. */
struct toml_node *toml_open_table(struct toml_parser *ps, struct toml_node *root,
				  struct toml_keys *keys, bool array);
/*
 * Make the tables on the way to the last part of @keys, starting at @table, and
 * check that the place there is free. Returns the table with that place; NULL
 * on failure.
 */
struct toml_node *toml_enter_dotted(struct toml_parser *ps, struct toml_node *table,
				    struct toml_keys *keys);
/* Put @node into @table under the last part of @keys, which it takes over. */
void toml_put(struct toml_node *table, struct toml_keys *keys, struct toml_node *node);

#endif
