/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "toml/parser.h"

static void add_utf8(struct str *out, uint32_t c)
{
	if (c < 0x80) {
		str_putc(out, (char)c);
		return;
	}
	if (c < 0x800) {
		str_putc(out, (char)(0xc0 | (c >> 6)));
	} else {
		if (c < 0x10000) {
			str_putc(out, (char)(0xe0 | (c >> 12)));
		} else {
			str_putc(out, (char)(0xf0 | (c >> 18)));
			str_putc(out, (char)(0x80 | ((c >> 12) & 0x3f)));
		}
		str_putc(out, (char)(0x80 | ((c >> 6) & 0x3f)));
	}
	str_putc(out, (char)(0x80 | (c & 0x3f)));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* \uXXXX or \UXXXXXXXX; the place of reading is behind the letter, @at at the backslash. */
static int read_unicode(struct toml_parser *ps, const char *at, int digits, struct str *out)
{
	uint32_t c = 0;
	int i, v;

	for (i = 0; i < digits; i++) {
		v = ps->p < ps->end ? hex_digit(*ps->p) : -1;
		if (v < 0)
			return toml_fail(ps, at, "'\\%c' takes %d hexadecimal digits",
					 digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t)v;
		ps->p++;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(ps, at, "U+%04X is not a character", c);
	add_utf8(out, c);
	return 0;
}

/* The place of reading is behind the backslash @at. */
static int read_escape(struct toml_parser *ps, const char *at, struct str *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *hit;

	if (ps->p == ps->end)
		return toml_fail(ps, at, "the string is not closed");
	if (toml_eat(ps, 'u'))
		return read_unicode(ps, at, 4, out);
	if (toml_eat(ps, 'U'))
		return read_unicode(ps, at, 8, out);
	hit = *ps->p ? strchr(from, *ps->p) : NULL;
	if (!hit)
		return toml_fail(ps, at, "no such escape; a backslash is written \"\\\\\"");
	str_putc(out, to[hit - from]);
	ps->p++;
	return 0;
}

/* A backslash as the last of a line takes all white space behind it away. */
static bool skip_line_ending(struct toml_parser *ps)
{
	const char *at = ps->p;

	toml_skip_blanks(ps);
	if (!toml_eat_newline(ps)) {
		ps->p = at;
		return false;
	}
	do
		toml_skip_blanks(ps);
	while (toml_eat_newline(ps));
	return true;
}

static int read_one_line(struct toml_parser *ps, char quote, struct str *out)
{
	const char *start = ps->p - 1, *at;
	int ret;

	for (;;) {
		at = ps->p;
		while (ps->p < ps->end && *ps->p != quote && *ps->p != '\\' && *ps->p != '\n' &&
		       *ps->p != '\r')
			ps->p++;
		str_add(out, at, (size_t)(ps->p - at));
		if (toml_eat(ps, quote))
			return 0;
		at = ps->p;
		if (!toml_eat(ps, '\\'))
			return toml_fail(ps, start, "the string is not closed on its line");
		if (quote == '\'') {
			str_putc(out, '\\');
			continue;
		}
		ret = read_escape(ps, at, out);
		if (ret)
			return ret;
	}
}

/* Three quotes close; up to two may stand before them as part of the string. */
static bool eat_closing(struct toml_parser *ps, char quote, struct str *out)
{
	size_t n = 0;

	while (n < 5 && ps->p + n < ps->end && ps->p[n] == quote)
		n++;
	ps->p += n;
	if (n >= 3)
		str_add(out, ps->p - n, n - 3);
	else
		str_add(out, ps->p - n, n);
	return n >= 3;
}

static int read_multi_line(struct toml_parser *ps, char quote, struct str *out)
{
	unsigned line = ps->line, col = toml_column(ps, ps->p - 3);
	const char *at;
	int ret;

	toml_eat_newline(ps);
	for (;;) {
		if (ps->p == ps->end)
			return err_set(ps->err, EINVAL, "%s:%u:%u: the string is not closed",
				       ps->file, line, col);
		at = ps->p;
		if (*at == quote) {
			if (eat_closing(ps, quote, out))
				return 0;
		} else if (*at == '\\' && quote == '"') {
			ps->p++;
			ret = skip_line_ending(ps) ? 0 : read_escape(ps, at, out);
			if (ret)
				return ret;
		} else if (toml_eat_newline(ps)) {
			str_add(out, at, (size_t)(ps->p - at));
		} else {
			str_putc(out, *ps->p++);
		}
	}
}

int toml_read_string(struct toml_parser *ps, struct str *out)
{
	char quote = *ps->p++;

	if (!toml_eat(ps, quote))
		return read_one_line(ps, quote, out);
	if (!toml_eat(ps, quote))
		return 0; /* two quotes: the empty string */
	return read_multi_line(ps, quote, out);
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int read_key_part(struct toml_parser *ps, struct toml_key *key)
{
	auto_str struct str text = STR_INIT;
	int ret;

	key->at = ps->p;
	key->col = toml_column(ps, ps->p);
	if (ps->p < ps->end && (*ps->p == '"' || *ps->p == '\'')) {
		if (ps->end - ps->p >= 3 && ps->p[1] == ps->p[0] && ps->p[2] == ps->p[0])
			return toml_fail(ps, ps->p, "a key cannot be a multi-line string");
		ret = toml_read_string(ps, &text);
		if (ret)
			return ret;
	} else {
		while (ps->p < ps->end && is_bare(*ps->p))
			ps->p++;
		if (ps->p == key->at)
			return toml_fail_expected(ps, "a key");
		str_add(&text, key->at, (size_t)(ps->p - key->at));
	}
	key->len = text.len;
	key->text = str_take(&text);
	return 0;
}

int toml_read_keys(struct toml_parser *ps, struct toml_keys *keys)
{
	int ret;

	keys->n = 0;
	do {
		if (keys->n == TOML_DEPTH_MAX)
			return toml_fail(ps, ps->p, "a key has more than %d parts", TOML_DEPTH_MAX);
		toml_skip_blanks(ps);
		ret = read_key_part(ps, &keys->part[keys->n]);
		if (ret)
			return ret;
		keys->n++;
		toml_skip_blanks(ps);
	} while (toml_eat(ps, '.'));
	return 0;
}

void toml_free_keys(struct toml_keys *keys)
{
	size_t i;

	for (i = 0; i < keys->n; i++)
		free(keys->part[i].text);
	keys->n = 0;
}
