/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/poststop.h"
#include "host/sandbox/state.h"
#include "host/shim/actions.h"
#include "host/shim/process.h"
#include "host/shim/traces.h"
#include "proto/task.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Below the 5 s that containerd gives this program. */
#define END_LIMIT_MS 3000

static int print_response(pid_t pid, struct err *err)
{
	Containerd__Task__V2__DeleteResponse rsp = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	auto_free uint8_t *wire = NULL;
	struct timespec now;
	int r;

	clock_gettime(CLOCK_REALTIME, &now);
	at.seconds = now.tv_sec;
	at.nanos = (int32_t)now.tv_nsec;
	rsp.pid = (uint32_t)pid;
	rsp.exit_status = STATUS_KILLED;
	rsp.exited_at = &at;
	wire = xmalloc(containerd__task__v2__delete_response__get_packed_size(&rsp));
	r = fd_write_full(STDOUT_FILENO, wire,
			  containerd__task__v2__delete_response__pack(&rsp, wire));
	return r < 0 ? err_sys(err, r, "cannot write to standard output") : 0;
}

/* The process that stood for the container, as the Task service told it: the machine's. */
static pid_t machine_pid(const struct sandbox_state *st)
{
	for (size_t i = 0; st->hypervisor && i < st->n_processes; i++)
		if (!strcmp(st->processes[i].name, st->hypervisor))
			return st->processes[i].pid;
	return 0;
}

/*
 * A shim without a sandbox may still be there, and its caller may not: whoever deletes it
 * has it end in order. One that has gone refuses the connection.
 */
static void end_shim(const struct cmdline *cl)
{
	auto_free char *socket = xasprintf("%s/%s/%s", cl->root, cl->id, SANDBOX_SOCKET);
	Containerd__Task__V2__ShutdownRequest req = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	int fd = unix_connect(socket, true, NULL);
	struct loop *loop = fd >= 0 ? loop_new() : NULL;
	struct ttrpc_client *client = loop ? ttrpc_client_new(loop, fd, NULL, NULL) : NULL;
	struct err err = ERR_INIT;

	req.id = (char *)(uintptr_t)cl->id;
	req.now = true;
	if (client &&
	    ttrpc_client_call_sync(client, loop, &containerd__task__v2__task__descriptor,
				   "Shutdown", &req.base, NULL, 0, END_LIMIT_MS, NULL, &err) < 0)
		fprintf(stderr, "the shim of %s does not end: %s\n", cl->id, err_msg(&err));
	if (!client && fd >= 0 && !loop)
		close(fd);
	ttrpc_client_free(client);
	loop_free(loop);
}

/* What a shim left that never had a task, or that cannot be read. */
static int clear_without_state(const struct cmdline *cl, struct err *err)
{
	const struct shim_options opt = {
		.id = cl->id, .root = cl->root, .bundle = "/", .address = ""
	};

	end_shim(cl);
	return traces_remove(&opt, err);
}

/* With its hooks, which the shim would have run. A member takes but itself along. */
static int clear(struct sandbox_state *st, const char *id, struct err *err)
{
	struct poststop *hooks = poststop_of(st, id);
	int r = 0;

	if (!strcmp(st->id, id)) {
		r = state_clear(st, true, err);
	} else if (!state_shim_alive(st)) {
		r = state_clear_container(st, id, err);
	} else {
		poststop_free(hooks);
		return 0;
	}
	if (r == 0)
		poststop_run(hooks);
	else
		poststop_free(hooks);
	return r;
}

int action_delete(const struct cmdline *cl, struct err *err)
{
	struct sandbox_state *st = NULL;
	pid_t pid = 0;
	int r = action_check(cl, err);

	if (r < 0)
		return r;
	r = state_load(cl->root, cl->id, &st, err);
	if (r == -ENOENT) {
		err_clear(err);
		r = clear_without_state(cl, err);
	} else if (r == 0) {
		pid = machine_pid(st);
		r = clear(st, cl->id, err);
	}
	state_free(st);
	return r < 0 ? r : print_response(pid, err);
}
