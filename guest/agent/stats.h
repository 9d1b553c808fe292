/* SPDX-License-Identifier: Apache-2.0 */
/* What StatsContainer answers. */
#ifndef AGENT_STATS_H
#define AGENT_STATS_H

#include "guest/agent/container.h"
#include "proto/agent.pb-c.h"

/*
 * The numbers of @c. What its control groups do not tell is 0 or left out. Never
 * NULL; the caller frees with grpc__stats_container_response__free_unpacked().
 */
Grpc__StatsContainerResponse *stats_of(struct container *c);

/* Parse the lines "MAJOR:MINOR OP VALUE" (version 1) into @out, appended. Pure. */
void stats_parse_blkio(const char *text, Grpc__BlkioStatsEntry ***out, size_t *n);

/* Parse io.stat of version 2: @read and @write are the keys to take. Pure. */
void stats_parse_io(const char *text, const char *read, const char *write,
		    Grpc__BlkioStatsEntry ***out, size_t *n);

/* Parse /proc/net/dev into @rsp, appended. Pure. */
void stats_parse_net(const char *text, Grpc__StatsContainerResponse *rsp);

/* Kilobytes of a huge page → "2MB", "1GB", "64KB". Pure; the caller frees. */
char *stats_page_size(unsigned long long kilobytes);

#endif
