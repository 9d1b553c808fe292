/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "toml/parser.h"

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/*
 * Counted from the last place asked for on this line, so that a document which
 * is one long line costs no more than one of many short ones.
 */
unsigned toml_column(struct toml_parser *ps, const char *at)
{
	if (ps->mark < ps->line_start || ps->mark > at) {
		ps->mark = ps->line_start;
		ps->mark_col = 1;
	}
	for (; ps->mark < at; ps->mark++)
		if (!is_continuation(*ps->mark))
			ps->mark_col++;
	return ps->mark_col;
}

int toml_fail(struct toml_parser *ps, const char *at, const char *fmt, ...)
{
	char what[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(ps->err, EINVAL, "%s:%u:%u: %s", ps->file, ps->line, toml_column(ps, at),
		       what);
}

int toml_fail_expected(struct toml_parser *ps, const char *what)
{
	int len = 1;

	if (ps->p == ps->end)
		return toml_fail(ps, ps->p, "expected %s, not the end of the file", what);
	if (*ps->p == '\n' || *ps->p == '\r')
		return toml_fail(ps, ps->p, "expected %s, not the end of the line", what);
	while (ps->p + len < ps->end && is_continuation(ps->p[len]))
		len++;
	return toml_fail(ps, ps->p, "expected %s, not '%.*s'", what, len, ps->p);
}

/* The length of the UTF-8 sequence at @s; 0 when it is malformed (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *s, size_t room)
{
	size_t len, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > room)
		return 0;
	for (i = 1; i < len; i++)
		if (!is_continuation((char)s[i]))
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/*
 * TOML allows no control character but tab and line end anywhere, so one pass
 * settles it for names, values and comments alike.
 */
int toml_check_text(struct toml_parser *ps)
{
	const char *s = ps->p;
	size_t len;

	while (s < ps->end) {
		unsigned char c = (unsigned char)*s;

		if (c == '\n') {
			ps->line++;
			ps->line_start = ++s;
			continue;
		}
		if (c == '\r' && (s + 1 == ps->end || s[1] != '\n'))
			return toml_fail(ps, s, "carriage return without a line feed");
		if ((c < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
			return toml_fail(ps, s, "control character 0x%02x is not allowed", c);
		len = utf8_length((const unsigned char *)s, (size_t)(ps->end - s));
		if (!len)
			return toml_fail(ps, s, "byte 0x%02x is not valid UTF-8", c);
		s += len;
	}
	ps->line = 1;
	ps->line_start = ps->p;
	return 0;
}

bool toml_eat(struct toml_parser *ps, char c)
{
	if (ps->p == ps->end || *ps->p != c)
		return false;
	ps->p++;
	return true;
}

bool toml_eat_newline(struct toml_parser *ps)
{
	const char *s = ps->p;

	/* A carriage return stands before a line feed only: toml_check_text(). */
	if (s < ps->end && *s == '\r')
		s++;
	if (s == ps->end || *s != '\n')
		return false;
	ps->p = ps->line_start = s + 1;
	ps->line++;
	return true;
}

void toml_skip_blanks(struct toml_parser *ps)
{
	while (ps->p < ps->end && (*ps->p == ' ' || *ps->p == '\t'))
		ps->p++;
}

static void skip_comment(struct toml_parser *ps)
{
	if (ps->p == ps->end || *ps->p != '#')
		return;
	while (ps->p < ps->end && *ps->p != '\n' && *ps->p != '\r')
		ps->p++;
}

void toml_skip_lines(struct toml_parser *ps)
{
	do {
		toml_skip_blanks(ps);
		skip_comment(ps);
	} while (toml_eat_newline(ps));
}

int toml_end_of_line(struct toml_parser *ps)
{
	toml_skip_blanks(ps);
	skip_comment(ps);
	if (ps->p == ps->end || toml_eat_newline(ps))
		return 0;
	return toml_fail_expected(ps, "the end of the line");
}
