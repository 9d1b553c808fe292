/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/cli.h"
#include "host/sandbox/state.h"
#include "http/get.h"

/* The shim waits for its guest for less. */
#define METRICS_LIMIT_MS 5000

struct answer {
	bool done;
	struct err err;
	int status;
	struct str body;
};

static void on_answer(const struct err *err, const struct http_answer *answer, void *arg)
{
	struct answer *a = arg;

	a->done = true;
	if (err) {
		a->err = *err;
		return;
	}
	a->status = answer->status;
	str_add(&a->body, str_text(&answer->body), answer->body.len);
}

/* A member of a pod has the metrics of its sandbox. The caller frees. */
static char *find_socket(const struct cli *cli, const char *id, struct err *err)
{
	auto_free char *sandbox = NULL;
	struct sandbox_state *st = NULL;
	char *socket;

	if (state_check_id(id, err) < 0)
		return NULL;
	sandbox = state_sandbox_of(cli->root, id);
	socket = xasprintf("%s/%s/%s", cli->root, sandbox ? sandbox : id, SANDBOX_MONITOR);
	if (access(socket, F_OK) == 0)
		return socket;
	free(socket);
	if (state_load_container(cli->root, id, &st, err) == 0)
		err_set(err, ESRCH, "container %s is not running", id);
	state_free(st);
	return NULL;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_free char *socket = find_socket(cli, argv[0], err);
	struct answer a = { .err = ERR_INIT };
	struct loop *loop;

	(void)argc;
	if (!socket)
		return err->code;
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	http_get(loop, socket, "/metrics", METRICS_LIMIT_MS, on_answer, &a);
	while (!a.done && loop_step(loop, -1) == 0)
		;
	loop_free(loop);
	if (a.err.code == -ECONNREFUSED)
		err_set(&a.err, ESRCH, "container %s is not running", argv[0]);
	if (a.err.code)
		*err = a.err;
	else if (a.status == 200)
		fwrite(str_text(&a.body), 1, a.body.len, stdout);
	else
		err_set(err, EIO, "sandbox %s: status %d: %.400s", argv[0], a.status,
			str_text(&a.body));
	str_free(&a.body);
	return err->code;
}

const struct command cmd_metrics = {
	.name = "metrics",
	.args = "SANDBOX",
	.help = "show what is measured of a sandbox, as Prometheus reads it",
	.more = "Of the shim, the hypervisor and the guest; kata-monitor shows those of all.",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
