/* SPDX-License-Identifier: Apache-2.0 */
/* Booleans, integers and floats. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "toml/parser.h"

struct word {
	const char *s;
	size_t len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool in_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
	       c == '-' || c == '.' || c == '_' || c == ':';
}

static bool word_is(const struct word *w, const char *text)
{
	return w->len == strlen(text) && !memcmp(w->s, text, w->len);
}

/* The value of @c as a digit, 99 if it is none. */
static unsigned digit_value(char c)
{
	if (is_digit(c))
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A' + 10);
	return 99;
}

/*
 * The length of the run of digits of @base at @s, each '_' between two of them.
 * Appended to @out without those.
 */
static size_t digits(const char *s, const char *end, unsigned base, struct str *out)
{
	const char *at = s;

	while (at < end) {
		if (digit_value(*at) < base)
			str_putc(out, *at);
		else if (*at != '_' || at == s || at + 1 == end || digit_value(at[1]) >= base)
			break;
		at++;
	}
	return (size_t)(at - s);
}

static int store_integer(struct toml_parser *ps, const struct word *w, const char *text,
			 unsigned base, struct toml_node *node)
{
	long long v;

	errno = 0;
	v = strtoll(text, NULL, (int)base);
	if (errno == ERANGE)
		return toml_fail(ps, w->s, "the integer does not fit into 64 bits");
	node->type = TOML_INTEGER;
	node->integer = v;
	return 0;
}

/* 0x, 0o and 0b: no sign, leading zeros are fine. */
static int read_prefixed(struct toml_parser *ps, const struct word *w, unsigned base,
			 struct toml_node *node)
{
	auto_str struct str text = STR_INIT;

	if (w->len == 2 || digits(w->s + 2, w->s + w->len, base, &text) != w->len - 2)
		return toml_fail(ps, w->s, "malformed integer of base %u", base);
	return store_integer(ps, w, str_text(&text), base, node);
}

static int malformed(struct toml_parser *ps, const struct word *w)
{
	int len = w->len > 40 ? 40 : (int)w->len;

	return toml_fail(ps, w->s, "'%.*s%s' is no value; a string needs quotes", len, w->s,
			 w->len > 40 ? "…" : "");
}

static int read_special_float(const struct word *w, struct toml_node *node)
{
	struct word rest = *w;
	bool minus = false;

	if (*rest.s == '+' || *rest.s == '-') {
		minus = *rest.s == '-';
		rest.s++;
		rest.len--;
	}
	if (word_is(&rest, "inf"))
		node->real = (double)INFINITY;
	else if (word_is(&rest, "nan"))
		node->real = (double)NAN;
	else
		return -ENOENT;
	if (minus)
		node->real = -node->real;
	node->type = TOML_FLOAT;
	return 0;
}

static int read_number(struct toml_parser *ps, const struct word *w, struct toml_node *node)
{
	const char *s = w->s, *end = w->s + w->len;
	auto_str struct str text = STR_INIT;
	bool real = false;
	size_t n;

	if (*s == '+' || *s == '-')
		str_putc(&text, *s++);
	n = digits(s, end, 10, &text);
	if (n == 0)
		return malformed(ps, w);
	if (n > 1 && *s == '0')
		return toml_fail(ps, w->s, "a number does not start with 0");
	s += n;
	if (s < end && *s == '.') {
		real = true;
		str_putc(&text, *s++);
		n = digits(s, end, 10, &text);
		if (n == 0)
			return toml_fail(ps, w->s, "a float has digits on both sides of its point");
		s += n;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		real = true;
		str_putc(&text, *s++);
		if (s < end && (*s == '+' || *s == '-'))
			str_putc(&text, *s++);
		n = digits(s, end, 10, &text);
		if (n == 0)
			return toml_fail(ps, w->s, "the exponent has no digits");
		s += n;
	}
	if (s < end)
		return malformed(ps, w);
	if (!real)
		return store_integer(ps, w, str_text(&text), 10, node);
	node->type = TOML_FLOAT;
	/* Overflow gives an infinity, as IEEE 754 has it. */
	node->real = strtod(str_text(&text), NULL);
	return 0;
}

int toml_read_scalar(struct toml_parser *ps, struct toml_node *node)
{
	struct word w = { ps->p, 0 };

	if (toml_looks_like_time(ps->p, ps->end))
		return toml_read_time(ps, node);
	while (ps->p < ps->end && in_word(*ps->p))
		ps->p++;
	w.len = (size_t)(ps->p - w.s);
	if (w.len == 0)
		return toml_fail_expected(ps, "a value");
	if (word_is(&w, "true") || word_is(&w, "false")) {
		node->type = TOML_BOOL;
		node->boolean = *w.s == 't';
		return 0;
	}
	if (!read_special_float(&w, node))
		return 0;
	if (w.len > 1 && w.s[0] == '0') {
		if (w.s[1] == 'x')
			return read_prefixed(ps, &w, 16, node);
		if (w.s[1] == 'o')
			return read_prefixed(ps, &w, 8, node);
		if (w.s[1] == 'b')
			return read_prefixed(ps, &w, 2, node);
	}
	return read_number(ps, &w, node);
}
