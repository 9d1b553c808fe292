/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/cleanup.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"

#define METRICS_LIMIT_MS 20000

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	Grpc__GetMetricsRequest req = GRPC__GET_METRICS_REQUEST__INIT;
	auto_opened struct opened o = { NULL, NULL, NULL };
	Grpc__Metrics *rsp = NULL;
	int r = opened_open(&o, cli, argv[0], err);

	(void)argc;
	if (r == 0)
		r = task_ask_guest(o.task, "GetMetrics", &req.base, (ProtobufCMessage **)&rsp,
				   METRICS_LIMIT_MS, err);
	if (r < 0)
		return r;
	fputs(rsp->metrics, stdout);
	grpc__metrics__free_unpacked(rsp, NULL);
	return 0;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.args = "SANDBOX",
	.help = "show what the guest of a sandbox and its agent count, as Prometheus reads it",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
