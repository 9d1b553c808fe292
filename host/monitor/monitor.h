/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-monitor: the metrics of all sandboxes of a host in one place, by HTTP. It holds nothing
 * between two questions but its own counters, and does nothing while nobody asks.
 */
#ifndef HOST_MONITOR_MONITOR_H
#define HOST_MONITOR_MONITOR_H

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "http/httpd.h"
#include "prom/histogram.h"

/* A sandbox that is silent for so long has no part in the answer. */
#define MONITOR_SANDBOX_MS 3000

/* So many are asked at once. */
#define MONITOR_AT_ONCE 128

#define MONITOR_CONNECTIONS 32

struct gathering;

struct monitor {
	struct loop *loop;
	struct strv roots; /* where sandboxes are */
	struct httpd *httpd;
	struct gathering *gathering; /* NULL: none is under way */
	struct list asking;	     /* struct asking, routes.c: sandboxes that are asked */

	uint64_t scrapes, failures; /* of sandboxes that did not answer */
	struct prom_histogram durations;
};

/* Never NULL. @roots is taken over. */
struct monitor *monitor_new(struct loop *loop, struct strv *roots);
void monitor_free(struct monitor *m);

/* routes.c: answer a request. @arg: struct monitor. */
void monitor_answer(struct httpd_call *call, const struct http_asked *asked, void *arg);
void routes_end(struct monitor *m);

/*
 * gather.c: answer @call with the metrics of all; who comes while others wait is answered
 * with them. @filter: parameter filter_family, or NULL.
 */
void gather_for(struct monitor *m, struct httpd_call *call, const char *filter);
void gather_end(struct monitor *m);

#endif
