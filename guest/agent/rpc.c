/* SPDX-License-Identifier: Apache-2.0 */
/* The services' tables, and what all methods share. */
#include "guest/agent/rpc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/agent/policy.h"
#include "proto/health.pb-c.h"

#define ID_MAX	    1024
#define METHODS_MAX 64

static const struct ttrpc_method agent_methods[METHODS_MAX] = {
	{ "CreateSandbox", rpc_create_sandbox },
	{ "DestroySandbox", rpc_destroy_sandbox },
	{ "CreateContainer", rpc_create_container },
	{ "StartContainer", rpc_start_container },
	{ "RemoveContainer", rpc_remove_container },
	{ "UpdateContainer", rpc_update_container },
	{ "StatsContainer", rpc_stats_container },
	{ "PauseContainer", rpc_pause_container },
	{ "ResumeContainer", rpc_resume_container },
	{ "ExecProcess", rpc_exec_process },
	{ "SignalProcess", rpc_signal_process },
	{ "WaitProcess", rpc_wait_process },
	{ "WriteStdin", rpc_write_stdin },
	{ "ReadStdout", rpc_read_stdout },
	{ "ReadStderr", rpc_read_stderr },
	{ "CloseStdin", rpc_close_stdin },
	{ "TtyWinResize", rpc_tty_win_resize },
	{ "UpdateInterface", rpc_update_interface },
	{ "UpdateRoutes", rpc_update_routes },
	{ "ListInterfaces", rpc_list_interfaces },
	{ "ListRoutes", rpc_list_routes },
	{ "AddARPNeighbors", rpc_add_arp_neighbors },
	{ "GetIPTables", rpc_get_iptables },
	{ "SetIPTables", rpc_set_iptables },
	{ "GetDiagnosticData", rpc_get_diagnostic_data },
	{ "MemAgentMemcgSet", rpc_mem_agent },
	{ "MemAgentCompactSet", rpc_mem_agent },
	{ "CopyFile", rpc_copy_file },
	{ "UpdateEphemeralMounts", rpc_update_ephemeral_mounts },
	{ "RemoveStaleVirtiofsShareMounts", rpc_remove_stale_shares },
	{ "GetVolumeStats", rpc_get_volume_stats },
	{ "ResizeVolume", rpc_resize_volume },
	{ "AddSwap", rpc_add_swap },
	{ "AddSwapPath", rpc_add_swap_path },
	{ "GetGuestDetails", rpc_get_guest_details },
	{ "GetMetrics", rpc_get_metrics },
	{ "MemHotplugByProbe", rpc_mem_hotplug_by_probe },
	{ "GetOOMEvent", rpc_get_oom_event },
	{ "OnlineCPUMem", rpc_online_cpu_mem },
	{ "SetGuestDateTime", rpc_set_guest_date_time },
	{ "ReseedRandomDev", rpc_reseed_random_dev },
	{ "SetPolicy", rpc_set_policy },
	{ "ListProcesses", rpc_list_processes },
	{ "ConnectLoopback", rpc_connect_loopback },
	{ "ReadLoopback", rpc_read_loopback },
	{ "WriteLoopback", rpc_write_loopback },
	{ "CloseLoopback", rpc_close_loopback },
	{ "ServeNames", rpc_serve_names },
	{ "GetNameQuery", rpc_get_name_query },
	{ "AnswerNameQuery", rpc_answer_name_query },
	{ "AskNameServer", rpc_ask_name_server },
	{ NULL, NULL },
};

static const struct ttrpc_method health_methods[] = {
	{ "Check", rpc_check },
	{ "Version", rpc_version },
	{ NULL, NULL },
};

/* Every request of the agent's service comes this way. */
static void gate(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const char *request = msg->descriptor->short_name;
	const char *name = strrchr(ttrpc_call_name(call), '/') + 1;
	const struct ttrpc_method *m = agent_methods;

	while (strcmp(m->name, name))
		m++;
	if (policy_allows(request)) {
		m->handler(call, msg, ctx);
	} else if (!strcmp(request, "ReadStreamRequest")) {
		/* As the original: the reader sees an end, not an error. */
		static const Grpc__ReadStreamResponse nothing = GRPC__READ_STREAM_RESPONSE__INIT;

		ttrpc_reply(call, &nothing.base);
	} else {
		ttrpc_fail(call, TTRPC_PERMISSION_DENIED, "%s is blocked by policy", request);
	}
}

void rpc_register(struct agent *agent)
{
	static struct ttrpc_method gated[METHODS_MAX];

	for (size_t i = 0; agent_methods[i].name; i++)
		gated[i] = (struct ttrpc_method){ agent_methods[i].name, gate };
	ttrpc_server_add(agent->server, &grpc__agent_service__descriptor, gated, agent);
	ttrpc_server_add(agent->server, &grpc__health__descriptor, health_methods, agent);
}

bool id_is_valid(const char *id)
{
	size_t n = strlen(id);

	if (n < 2 || n > ID_MAX || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_.-", id[i]))
			return false;
	return true;
}

bool exec_id_is_valid(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)id[i]))
			return false;
	return n > 0 && n <= ID_MAX;
}

void rpc_reply_empty(struct ttrpc_call *call)
{
	static const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;

	ttrpc_reply(call, &empty.base);
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	struct parked *p = arg;

	list_del(&p->link);
	free(p);
	ttrpc_fail(call, TTRPC_CANCELLED, "cancelled");
}

void park(struct list *list, struct ttrpc_call *call)
{
	struct parked *p = xcalloc(1, sizeof(*p));

	p->call = call;
	list_add_tail(list, &p->link);
	ttrpc_call_on_cancel(call, on_cancel, p);
}

struct ttrpc_call *unpark(struct list *list)
{
	struct ttrpc_call *call;
	struct parked *p;

	if (list_empty(list))
		return NULL;
	p = container_of(list->next, struct parked, link);
	call = p->call;
	ttrpc_call_on_cancel(call, NULL, NULL);
	list_del(&p->link);
	free(p);
	return call;
}

struct container *rpc_container(struct agent *agent, const char *id, struct ttrpc_call *call)
{
	struct container *c = container_find(agent, id);

	if (c && c->usable)
		return c;
	ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "no container %s", id);
	return NULL;
}

struct process *rpc_process(struct agent *agent, const char *id, const char *exec_id,
			    struct ttrpc_call *call)
{
	struct container *c = rpc_container(agent, id, call);
	struct process *p = c ? container_process(c, exec_id) : NULL;

	if (c && !p) {
		/* Kata's Rust runtime knows by the first words that there is nobody to kill. */
		ttrpc_fail(call, TTRPC_NOT_FOUND,
			   "process not found: no process %s in container %s", exec_id, id);
	}
	return p;
}
