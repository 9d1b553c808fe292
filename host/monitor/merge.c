/* SPDX-License-Identifier: Apache-2.0 */
#include "host/monitor/merge.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "prom/parse.h"
#include "prom/text.h"

#define BUCKETS 1024

struct family {
	struct family *bucket; /* the next one with this hash */
	struct family *next;   /* in the order in which they came */
	char *name;
	struct str help, type, samples;
};

struct merge {
	struct family *buckets[BUCKETS];
	struct family *first, **last;
};

struct merge *merge_new(void)
{
	struct merge *m = xcalloc(1, sizeof(*m));

	m->last = &m->first;
	return m;
}

void merge_free(struct merge *m)
{
	struct family *f, *next;

	for (f = m ? m->first : NULL; f; f = next) {
		next = f->next;
		str_free(&f->help);
		str_free(&f->type);
		str_free(&f->samples);
		free(f->name);
		free(f);
	}
	free(m);
}

static bool begins(const char *name, size_t len, const char *prefix)
{
	return len > strlen(prefix) && !memcmp(name, prefix, strlen(prefix));
}

/* What is put before a name. */
static const char *prefix_of(const char *name, size_t len)
{
	return begins(name, len, "process_") ? "kata_shim_" : "";
}

/* Looked up by the name with its prefix; made when it is new. */
static struct family *find(struct merge *m, const char *name, size_t len)
{
	auto_free char *full = xasprintf("%s%.*s", prefix_of(name, len), (int)len, name);
	uint32_t hash = 2166136261u;
	struct family **at, *f;

	for (const char *p = full; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	at = &m->buckets[hash % BUCKETS];
	for (f = *at; f; f = f->bucket)
		if (!strcmp(f->name, full))
			return f;
	f = xcalloc(1, sizeof(*f));
	f->name = take_ptr(full);
	f->bucket = *at;
	*at = f;
	*m->last = f;
	m->last = &f->next;
	return f;
}

/* Samples of a histogram have longer names than it has itself. */
static bool is_of(const struct family *f, const struct prom_line *l)
{
	static const char *const ends[] = { "", "_bucket", "_sum", "_count" };
	const char *prefix = prefix_of(l->name, l->name_len);
	size_t p = strlen(prefix), n = strlen(f->name);

	if (strncmp(f->name, prefix, p) != 0 || n - p > l->name_len ||
	    memcmp(f->name + p, l->name, n - p) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (l->name_len - (n - p) == strlen(ends[i]) &&
		    !memcmp(l->name + n - p, ends[i], strlen(ends[i])))
			return true;
	return false;
}

static void put_sample(struct family *f, const struct prom_line *l, const char *labels)
{
	struct str *s = &f->samples;

	str_puts(s, prefix_of(l->name, l->name_len));
	str_add(s, l->name, l->name_len);
	str_putc(s, '{');
	str_add(s, l->labels, l->labels_len);
	str_puts(s, l->labels_len ? "," : "");
	str_printf(s, "%s} ", labels);
	str_add(s, l->rest, l->rest_len);
	str_putc(s, '\n');
}

static void write_labels(const struct mark *mark, struct str *out)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{ "sandbox_id", mark->sandbox },
		{ "cri_uid", mark->uid },
		{ "cri_name", mark->name },
		{ "cri_namespace", mark->namespace },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		str_printf(out, "%s%s=\"", i ? "," : "", all[i].name);
		prom_escape(out, all[i].value ? all[i].value : "");
		str_putc(out, '"');
	}
}

/* @current: the family of the lines before. */
static struct family *add_line(struct merge *m, struct family *current, const struct prom_line *l,
			       const char *labels)
{
	struct str *word;

	if (l->kind == PROM_BLANK || begins(l->name, l->name_len, "go_"))
		return current;
	if (l->kind == PROM_SAMPLE) {
		if (prom_is_marked(l))
			return current;
		if (!current || !is_of(current, l))
			current = find(m, l->name, l->name_len);
		put_sample(current, l, labels);
		return current;
	}
	current = find(m, l->name, l->name_len);
	word = l->kind == PROM_HELP ? &current->help : &current->type;
	if (word->len == 0)
		str_add(word, l->rest, l->rest_len);
	return current;
}

void merge_add(struct merge *m, const struct mark *mark, const char *text, size_t len)
{
	auto_str struct str labels = STR_INIT;
	struct family *current = NULL;
	const char *end = text + len;

	write_labels(mark, &labels);
	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t n = nl ? (size_t)(nl - text) : (size_t)(end - text);
		struct prom_line l;

		if (prom_parse(text, n, &l) == 0)
			current = add_line(m, current, &l, str_text(&labels));
		text += n + (nl ? 1 : 0);
	}
}

static bool is_wanted(const char *name, const char *filter)
{
	while (filter && *filter) {
		size_t n = strcspn(filter, ",");

		if (n > 0 && !strncmp(name, filter, n))
			return true;
		filter += n + (filter[n] == ',');
	}
	return !filter;
}

void merge_write(const struct merge *m, const char *filter, struct str *out)
{
	for (const struct family *f = m->first; f; f = f->next) {
		if (f->samples.len == 0 || !is_wanted(f->name, filter))
			continue;
		if (f->help.len > 0)
			str_printf(out, "# HELP %s %s\n", f->name, f->help.data);
		if (f->type.len > 0)
			str_printf(out, "# TYPE %s %s\n", f->name, f->type.data);
		str_add(out, f->samples.data, f->samples.len);
	}
}
