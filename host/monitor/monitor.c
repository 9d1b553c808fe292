/* SPDX-License-Identifier: Apache-2.0 */
#include "host/monitor/monitor.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"

struct monitor *monitor_new(struct loop *loop, struct strv *roots)
{
	struct monitor *m = xcalloc(1, sizeof(*m));

	m->loop = loop;
	m->roots = *roots;
	*roots = (struct strv){ NULL, 0 };
	list_init(&m->asking);
	m->httpd = httpd_new(loop,
			     &(const struct httpd_options){ .handler = monitor_answer,
							    .arg = m,
							    .body_max = 0,
							    .connections = MONITOR_CONNECTIONS });
	return m;
}

void monitor_free(struct monitor *m)
{
	if (!m)
		return;
	gather_end(m);
	routes_end(m);
	httpd_free(m->httpd);
	prom_histogram_free(&m->durations);
	strv_free(&m->roots);
	free(m);
}
