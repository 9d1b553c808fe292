/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and times: RFC 3339, as TOML narrows and widens it. */
#include "toml/parser.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* True if @s has @n digits, then @sep. */
static bool digits_then(const char *s, const char *end, int n, char sep)
{
	int i;

	if (end - s <= n)
		return false;
	for (i = 0; i < n; i++)
		if (!is_digit(s[i]))
			return false;
	return s[n] == sep;
}

bool toml_looks_like_time(const char *s, const char *end)
{
	return digits_then(s, end, 4, '-') || digits_then(s, end, 2, ':');
}

/* Read exactly @n digits, a number from @min to @max. */
static int read_field(struct toml_parser *ps, int n, int min, int max, const char *what, int *v)
{
	const char *at = ps->p;
	int i;

	*v = 0;
	for (i = 0; i < n; i++) {
		if (ps->p == ps->end || !is_digit(*ps->p))
			return toml_fail(ps, at, "the %s takes %d digits", what, n);
		*v = *v * 10 + (*ps->p++ - '0');
	}
	if (*v < min || *v > max)
		return toml_fail(ps, at, "the %s is from %d to %d, not %d", what, min, max, *v);
	return 0;
}

static int expect(struct toml_parser *ps, char c)
{
	const char what[] = { '\'', c, '\'', '\0' };

	return toml_eat(ps, c) ? 0 : toml_fail_expected(ps, what);
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

static int read_date(struct toml_parser *ps, struct toml_time *t)
{
	int ret;

	ret = read_field(ps, 4, 0, 9999, "year", &t->year);
	if (!ret)
		ret = expect(ps, '-');
	if (!ret)
		ret = read_field(ps, 2, 1, 12, "month", &t->month);
	if (!ret)
		ret = expect(ps, '-');
	if (!ret)
		ret = read_field(ps, 2, 1, days_of(t->year, t->month), "day", &t->day);
	return ret;
}

static int read_fraction(struct toml_parser *ps, struct toml_time *t)
{
	int scale = 100000000;

	if (!toml_eat(ps, '.'))
		return 0;
	if (ps->p == ps->end || !is_digit(*ps->p))
		return toml_fail_expected(ps, "a fraction of a second");
	for (; ps->p < ps->end && is_digit(*ps->p); ps->p++, scale /= 10)
		t->nanosecond += (*ps->p - '0') * scale;
	return 0;
}

static int read_clock(struct toml_parser *ps, struct toml_time *t)
{
	int ret;

	ret = read_field(ps, 2, 0, 23, "hour", &t->hour);
	if (!ret)
		ret = expect(ps, ':');
	if (!ret)
		ret = read_field(ps, 2, 0, 59, "minute", &t->minute);
	if (!ret)
		ret = expect(ps, ':');
	if (!ret)
		ret = read_field(ps, 2, 0, 60, "second", &t->second);
	if (!ret)
		ret = read_fraction(ps, t);
	return ret;
}

/* Z or +hh:mm. @given tells if there was one. */
static int read_offset(struct toml_parser *ps, struct toml_time *t, bool *given)
{
	int hour, minute, sign, ret;

	*given = true;
	if (toml_eat(ps, 'Z') || toml_eat(ps, 'z'))
		return 0;
	if (toml_eat(ps, '+'))
		sign = 1;
	else if (toml_eat(ps, '-'))
		sign = -1;
	else
		return *given = false;
	ret = read_field(ps, 2, 0, 23, "hour of the offset", &hour);
	if (!ret)
		ret = expect(ps, ':');
	if (!ret)
		ret = read_field(ps, 2, 0, 59, "minute of the offset", &minute);
	if (ret)
		return ret;
	t->offset = sign * (hour * 60 + minute);
	return 0;
}

int toml_read_time(struct toml_parser *ps, struct toml_node *node)
{
	struct toml_time *t = &node->time;
	bool offset;
	int ret;

	if (ps->p[2] == ':') {
		node->type = TOML_TIME_LOCAL;
		return read_clock(ps, t);
	}
	ret = read_date(ps, t);
	if (ret)
		return ret;
	/* A blank joins date and time only where a time follows; it may just end the date. */
	if (!toml_eat(ps, 'T') && !toml_eat(ps, 't')) {
		if (ps->end - ps->p < 2 || ps->p[0] != ' ' || !is_digit(ps->p[1])) {
			node->type = TOML_DATE_LOCAL;
			return 0;
		}
		ps->p++;
	}
	ret = read_clock(ps, t);
	if (!ret)
		ret = read_offset(ps, t, &offset);
	if (ret)
		return ret;
	node->type = offset ? TOML_DATETIME : TOML_DATETIME_LOCAL;
	return 0;
}
