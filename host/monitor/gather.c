/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "host/monitor/merge.h"
#include "host/monitor/monitor.h"
#include "host/monitor/sandboxes.h"
#include "http/get.h"
#include "prom/process.h"
#include "prom/text.h"

#define PREFIX "kata_monitor_"

struct waiter {
	struct list link;
	struct httpd_call *call;
	char *filter; /* or NULL */
};

/* A sandbox that is asked. */
struct question {
	struct gathering *g;
	struct sandbox_entry *sandbox;
	struct http_get *get; /* NULL: not yet, or no more */
};

struct gathering {
	struct monitor *m;
	struct list waiters;
	struct sandbox_list sandboxes;
	struct question *questions; /* one for each */
	size_t begun, done;
	struct merge *merge;
	int64_t start;
};

static void waiter_free(struct waiter *w)
{
	list_del(&w->link);
	free(w->filter);
	free(w);
}

static void release(struct gathering *g)
{
	for (size_t i = 0; i < g->begun; i++)
		http_get_cancel(&g->questions[i].get);
	while (!list_empty(&g->waiters)) {
		struct waiter *w = container_of(g->waiters.next, struct waiter, link);

		httpd_fail(w->call, 503, "the monitor ends");
		waiter_free(w);
	}
	sandboxes_free(&g->sandboxes);
	merge_free(g->merge);
	free(g->questions);
	free(g);
}

/* ---- the answer -------------------------------------------------------------------- */

static void put_own(const struct monitor *m, size_t sandboxes, struct str *out)
{
	prom_value(out, PREFIX, "running_shim_count", "gauge",
		   "Running shim count(running sandboxes).", (double)sandboxes);
	prom_value(out, PREFIX, "scrape_count", "counter", "Scrape count.", (double)m->scrapes);
	prom_value(out, PREFIX, "scrape_failed_count", "counter",
		   "Sandboxes that did not answer a scrape.", (double)m->failures);
	prom_histogram_write(&m->durations, out, PREFIX, "scrape_durations_histogram_milliseconds",
			     "Time used to scrape from shims", NULL);
	prom_self(out, PREFIX);
}

static void answer(struct gathering *g, struct waiter *w)
{
	auto_str struct str body = STR_INIT;
	struct monitor *m = g->m;

	m->scrapes++;
	prom_observe(&m->durations, "", loop_now_ms() - g->start);
	if (!w->filter)
		put_own(m, g->sandboxes.n, &body);
	merge_write(g->merge, w->filter, &body);
	httpd_reply(w->call, 200, PROM_CONTENT_TYPE, &body);
}

static void finish(struct gathering *g)
{
	g->m->gathering = NULL;
	while (!list_empty(&g->waiters)) {
		struct waiter *w = container_of(g->waiters.next, struct waiter, link);

		answer(g, w);
		waiter_free(w);
	}
	release(g);
	malloc_trim(0);
}

/* ---- the questions ------------------------------------------------------------------ */

static void go_on(struct gathering *g);

static void on_answer(const struct err *err, const struct http_answer *a, void *arg)
{
	struct question *q = arg;
	struct sandbox_entry *s = q->sandbox;
	struct gathering *g = q->g;

	q->get = NULL;
	g->done++;
	if (err || a->status != 200) {
		g->m->failures++;
		if (err)
			log_warn("sandbox %s: %s", s->id, err_msg(err));
		else
			log_warn("sandbox %s: its metrics: status %d", s->id, a->status);
	} else {
		sandboxes_name(s);
		merge_add(g->merge,
			  &(const struct mark){ .sandbox = s->id,
						.uid = s->uid,
						.name = s->name,
						.namespace = s->namespace },
			  str_text(&a->body), a->body.len);
	}
	go_on(g);
}

static void go_on(struct gathering *g)
{
	while (g->begun < g->sandboxes.n && g->begun - g->done < MONITOR_AT_ONCE) {
		struct question *q = &g->questions[g->begun];

		q->g = g;
		q->sandbox = &g->sandboxes.v[g->begun++];
		q->get = http_get(g->m->loop, q->sandbox->socket, "/metrics", MONITOR_SANDBOX_MS,
				  on_answer, q);
	}
	if (g->done == g->sandboxes.n)
		finish(g);
}

void gather_for(struct monitor *m, struct httpd_call *call, const char *filter)
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	struct gathering *g = m->gathering;

	w->call = call;
	w->filter = filter && *filter ? xstrdup(filter) : NULL;
	if (g) {
		list_add_tail(&g->waiters, &w->link);
		return;
	}
	g = xcalloc(1, sizeof(*g));
	g->m = m;
	g->start = loop_now_ms();
	g->merge = merge_new();
	list_init(&g->waiters);
	list_add_tail(&g->waiters, &w->link);
	sandboxes_list(&m->roots, &g->sandboxes);
	g->questions = xcalloc(g->sandboxes.n + 1, sizeof(*g->questions));
	m->gathering = g;
	log_debug("%zu sandboxes are asked", g->sandboxes.n);
	go_on(g);
}

void gather_end(struct monitor *m)
{
	if (m->gathering)
		release(take_ptr(m->gathering));
}
