/* SPDX-License-Identifier: Apache-2.0 */
/* What a container uses, in the JSON of runc's `events`. */
#ifndef HOST_CLI_STATS_JSON_H
#define HOST_CLI_STATS_JSON_H

#include <json-c/json.h>

#include "proto/agent.pb-c.h"

/* The "data" of an event of the type "stats". The caller puts it. */
json_object *stats_json(const Grpc__StatsContainerResponse *stats);

#endif
