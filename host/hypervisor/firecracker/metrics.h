/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Firecracker counts: once a minute it writes an object of JSON, in one line, to the FIFO
 * that its configuration names. The last one is kept, until somebody asks.
 */
#ifndef HOST_HYPERVISOR_FIRECRACKER_METRICS_H
#define HOST_HYPERVISOR_FIRECRACKER_METRICS_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

/* A longer line is thrown away. */
#define FC_METRICS_MAX (64 << 10)

struct fc_metrics;

/* Begin to read @fd, which is taken over. NULL and @err when epoll refuses it. */
struct fc_metrics *fc_metrics_new(struct loop *loop, int fd, struct err *err);

/* Append the last object as families of Prometheus; nothing while there was none. */
void fc_metrics_write(const struct fc_metrics *m, struct str *out);

/* NULL is allowed. */
void fc_metrics_free(struct fc_metrics *m);

/*
 * The groups of @json that Kata knows as kata_firecracker_GROUP{item="FIELD"}; of what is in
 * them the numbers. The program may be one that a guest has taken over: whatever else there is,
 * is left out. Pure.
 */
void fc_metrics_format(const char *json, size_t len, struct str *out);

#endif
