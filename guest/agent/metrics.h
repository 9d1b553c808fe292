/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GetMetrics tells of the agent and of its guest, from proc(5), in the text
 * format of Prometheus and with the original's names.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "base/str.h"

/* Append all of them to @out. What the kernel does not tell is left out. */
void metrics_write(struct str *out);

/* "Active(anon)" of proc_meminfo(5) → "active_anon", as the original calls it. Pure. */
void metrics_meminfo_item(const char *name, struct str *item);

#endif
