/* SPDX-License-Identifier: Apache-2.0 */
#include "prom/histogram.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prom/text.h"

static struct prom_action *find(struct prom_histogram *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (!strcmp(h->actions[i].name, name))
			return &h->actions[i];
	if (h->n >= PROM_ACTIONS_MAX)
		return NULL;
	h->actions = xrealloc(h->actions, (h->n + 1) * sizeof(*h->actions));
	h->actions[h->n] = (struct prom_action){ .name = xstrdup(name) };
	return &h->actions[h->n++];
}

void prom_observe(struct prom_histogram *h, const char *action, int64_t ms)
{
	struct prom_action *a = find(h, action);

	if (!a)
		return;
	ms = ms < 0 ? 0 : ms;
	a->count++;
	a->sum += (uint64_t)ms;
	for (unsigned i = 0; i < PROM_BUCKETS; i++)
		if (ms <= (int64_t)1 << i) {
			a->buckets[i]++;
			return;
		}
}

/* "{action="create",le="1"}" with what of it there is. */
static void put_labels(struct str *out, const char *label, const char *value, const char *le)
{
	if (!label && !le)
		return;
	str_putc(out, '{');
	if (label) {
		str_printf(out, "%s=\"", label);
		prom_escape(out, value);
		str_puts(out, le ? "\"," : "\"");
	}
	if (le)
		str_printf(out, "le=\"%s\"", le);
	str_putc(out, '}');
}

static void put_action(const struct prom_action *a, struct str *out, const char *family,
		       const char *label)
{
	uint64_t below = 0;
	char le[16];

	for (unsigned i = 0; i < PROM_BUCKETS; i++) {
		below += a->buckets[i];
		snprintf(le, sizeof(le), "%d", 1 << i);
		str_printf(out, "%s_bucket", family);
		put_labels(out, label, a->name, le);
		str_printf(out, " %" PRIu64 "\n", below);
	}
	str_printf(out, "%s_bucket", family);
	put_labels(out, label, a->name, "+Inf");
	str_printf(out, " %" PRIu64 "\n%s_sum", a->count, family);
	put_labels(out, label, a->name, NULL);
	str_printf(out, " %" PRIu64 "\n%s_count", a->sum, family);
	put_labels(out, label, a->name, NULL);
	str_printf(out, " %" PRIu64 "\n", a->count);
}

void prom_histogram_write(const struct prom_histogram *h, struct str *out, const char *prefix,
			  const char *name, const char *help, const char *label)
{
	static const struct prom_action none = { .name = (char *)"" };
	char *family = xasprintf("%s%s", prefix, name);

	prom_family(out, prefix, name, "histogram", help);
	for (size_t i = 0; i < h->n; i++)
		put_action(&h->actions[i], out, family, label);
	if (!label && h->n == 0)
		put_action(&none, out, family, NULL);
	free(family);
}

void prom_histogram_free(struct prom_histogram *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->actions[i].name);
	free(h->actions);
	*h = (struct prom_histogram){ 0 };
}
