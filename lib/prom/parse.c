/* SPDX-License-Identifier: Apache-2.0 */
#include "prom/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define VALUE_MAX 64

/* What is left of the line. */
struct rest {
	const char *p, *end;
};

static void skip_blanks(struct rest *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
		r->p++;
}

static bool take_char(struct rest *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* A name, of a label when not @colons. 0 bytes: there is none. */
static size_t take_name(struct rest *r, bool colons)
{
	const char *begin = r->p;

	while (r->p < r->end) {
		unsigned char c = (unsigned char)*r->p;

		if (!isalpha(c) && c != '_' && !(colons && c == ':') &&
		    !(r->p > begin && isdigit(c)))
			break;
		r->p++;
	}
	return (size_t)(r->p - begin);
}

static size_t take_word(struct rest *r)
{
	const char *begin = r->p;

	while (r->p < r->end && *r->p != ' ' && *r->p != '\t')
		r->p++;
	return (size_t)(r->p - begin);
}

/* "text" with its escapes. */
static bool take_quoted(struct rest *r)
{
	if (!take_char(r, '"'))
		return false;
	while (r->p < r->end && *r->p != '"') {
		if (*r->p < ' ' || *r->p > '~')
			return false;
		if (*r->p == '\\' &&
		    (r->p + 1 == r->end || (r->p[1] != '\\' && r->p[1] != '"' && r->p[1] != 'n')))
			return false;
		r->p += *r->p == '\\' ? 2 : 1;
	}
	return take_char(r, '"');
}

/* Behind the brace, up to its fellow. @fn sees each name, and ends it by false. */
static bool walk_labels(struct rest *r, bool (*fn)(const char *name, size_t len, void *arg),
			void *arg)
{
	while (r->p < r->end) {
		const char *name = r->p;
		size_t len = take_name(r, false);

		if (len == 0 || !take_char(r, '=') || !take_quoted(r) || !fn(name, len, arg))
			return false;
		if (!take_char(r, ','))
			break;
	}
	return true;
}

struct names {
	const char *v[PROM_LABELS_MAX];
	size_t len[PROM_LABELS_MAX], n;
};

static bool is_new(const char *name, size_t len, void *arg)
{
	struct names *seen = arg;

	for (size_t i = 0; i < seen->n; i++)
		if (seen->len[i] == len && !memcmp(seen->v[i], name, len))
			return false;
	if (seen->n >= PROM_LABELS_MAX)
		return false;
	seen->v[seen->n] = name;
	seen->len[seen->n++] = len;
	return true;
}

static bool parse_labels(struct rest *r, struct prom_line *out)
{
	const char *end = r->p, *p = r->p;
	struct names seen = { .n = 0 };
	struct rest inside;
	bool quoted = false;

	for (; end < r->end && (quoted || *end != '}'); end++) {
		if (quoted && *end == '\\' && end + 1 < r->end)
			end++;
		else if (*end == '"')
			quoted = !quoted;
	}
	if (end == r->end)
		return false;
	inside = (struct rest){ .p = p, .end = end };
	out->labels = p;
	out->labels_len = (size_t)(end - p);
	if (!walk_labels(&inside, is_new, &seen) || inside.p != end)
		return false;
	/* A comma behind the last one is allowed, and of no use to who adds others. */
	if (out->labels_len > 0 && end[-1] == ',')
		out->labels_len--;
	r->p = end + 1;
	return true;
}

static bool is_number(const char *text, size_t len)
{
	char copy[VALUE_MAX], *end;

	if (len == 0 || len >= sizeof(copy) || memchr(text, 'x', len) || memchr(text, 'X', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	strtod(copy, &end);
	return *end == '\0' && !memchr(copy, '(', len);
}

static int parse_sample(struct rest *r, struct prom_line *out)
{
	out->kind = PROM_SAMPLE;
	out->name = r->p;
	out->name_len = take_name(r, true);
	if (out->name_len == 0)
		return -EINVAL;
	skip_blanks(r);
	if (take_char(r, '{') && !parse_labels(r, out))
		return -EINVAL;
	skip_blanks(r);
	out->rest = r->p;
	out->rest_len = take_word(r);
	if (out->rest == out->name + out->name_len || !is_number(out->rest, out->rest_len))
		return -EINVAL;
	skip_blanks(r);
	if (r->p < r->end) {
		const char *time = r->p;

		if (!is_number(time, take_word(r)))
			return -EINVAL;
		skip_blanks(r);
	}
	return r->p == r->end ? 0 : -EINVAL;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(text, word, len);
}

static bool is_type(const char *text, size_t len)
{
	static const char *const types[] = { "counter", "gauge", "histogram", "summary",
					     "untyped" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (is_word(text, len, types[i]))
			return true;
	return false;
}

static int parse_comment(struct rest *r, struct prom_line *out)
{
	const char *word;
	size_t len;

	skip_blanks(r);
	word = r->p;
	len = take_word(r);
	if (is_word(word, len, "HELP"))
		out->kind = PROM_HELP;
	else if (is_word(word, len, "TYPE"))
		out->kind = PROM_TYPE;
	else
		return 0;
	skip_blanks(r);
	out->name = r->p;
	out->name_len = take_name(r, true);
	if (out->name_len == 0 || (r->p < r->end && *r->p != ' ' && *r->p != '\t'))
		return -EINVAL;
	skip_blanks(r);
	out->rest = r->p;
	out->rest_len = (size_t)(r->end - r->p);
	if (out->kind == PROM_TYPE)
		return is_type(out->rest, out->rest_len) ? 0 : -EINVAL;
	for (const char *p = out->rest; p < r->end; p++)
		if (*p < ' ' || *p > '~')
			return -EINVAL;
	return 0;
}

int prom_parse(const char *line, size_t len, struct prom_line *out)
{
	struct rest r = { .p = line, .end = line + len };

	*out = (struct prom_line){ .kind = PROM_BLANK, .name = "", .labels = "", .rest = "" };
	if (len > 0 && line[len - 1] == '\r')
		r.end--;
	skip_blanks(&r);
	if (r.p == r.end)
		return 0;
	return take_char(&r, '#') ? parse_comment(&r, out) : parse_sample(&r, out);
}

/* ---- what is asked of a line ----------------------------------------------------- */

struct wanted {
	const char *name;
	bool found;
};

static bool is_wanted(const char *name, size_t len, void *arg)
{
	struct wanted *w = arg;

	w->found |= is_word(name, len, w->name);
	return true;
}

bool prom_has_label(const struct prom_line *line, const char *name)
{
	struct rest r = { .p = line->labels, .end = line->labels + line->labels_len };
	struct wanted w = { .name = name };

	walk_labels(&r, is_wanted, &w);
	return w.found;
}

bool prom_is_marked(const struct prom_line *line)
{
	static const char *const marks[] = { "sandbox_id", "cri_uid", "cri_name", "cri_namespace" };

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (prom_has_label(line, marks[i]))
			return true;
	return false;
}

/* ---- an agent's ------------------------------------------------------------------- */

static bool begins(const struct prom_line *l, const char *prefix)
{
	return l->name_len > strlen(prefix) && !memcmp(l->name, prefix, strlen(prefix));
}

static void take_line(const struct prom_line *l, struct str *out)
{
	bool own = begins(l, "process_");

	if (l->kind == PROM_BLANK || prom_is_marked(l) ||
	    (!own && !begins(l, "kata_agent_") && !begins(l, "kata_guest_")))
		return;
	if (l->kind == PROM_HELP || l->kind == PROM_TYPE)
		str_puts(out, l->kind == PROM_HELP ? "# HELP " : "# TYPE ");
	str_puts(out, own ? "kata_agent_" : "");
	str_add(out, l->name, l->name_len);
	if (l->labels_len > 0) {
		str_putc(out, '{');
		str_add(out, l->labels, l->labels_len);
		str_putc(out, '}');
	}
	str_putc(out, ' ');
	str_add(out, l->rest, l->rest_len);
	str_putc(out, '\n');
}

void prom_take_agents(const char *text, size_t max, struct str *out)
{
	size_t begun = out->len;

	while (*text) {
		size_t len = strcspn(text, "\n"), before = out->len;
		struct prom_line line;

		if (prom_parse(text, len, &line) == 0)
			take_line(&line, out);
		if (out->len - begun > max) {
			out->len = before;
			out->data[before] = '\0';
			return;
		}
		text += len + (text[len] == '\n');
	}
}
