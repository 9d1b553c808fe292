/* SPDX-License-Identifier: Apache-2.0 */
/* The methods by subject; each table ends with a NULL name. */
#ifndef AGENT_RPC_H
#define AGENT_RPC_H

#include "guest/agent/container.h"
#include "ttrpc/ttrpc.h"

void rpc_create_sandbox(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_destroy_sandbox(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_create_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_start_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_remove_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_update_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_stats_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_pause_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_resume_container(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_exec_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_signal_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_wait_process(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_write_stdin(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_read_stdout(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_read_stderr(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_close_stdin(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_tty_win_resize(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_update_interface(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_update_routes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_list_interfaces(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_list_routes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_add_arp_neighbors(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_get_iptables(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_set_iptables(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_connect_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_read_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_write_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_close_loopback(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_serve_names(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_get_name_query(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_answer_name_query(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_ask_name_server(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_get_diagnostic_data(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_mem_agent(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_copy_file(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_update_ephemeral_mounts(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_remove_stale_shares(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_get_volume_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_resize_volume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_add_swap(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_add_swap_path(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_list_processes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

void rpc_get_guest_details(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_get_metrics(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_mem_hotplug_by_probe(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_get_oom_event(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_online_cpu_mem(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_set_guest_date_time(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_reseed_random_dev(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_set_policy(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_check(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);
void rpc_version(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx);

/* Answer with an Empty. */
void rpc_reply_empty(struct ttrpc_call *call);

/*
 * The usable container @id, or NULL with the call answered: INVALID_ARGUMENT, as
 * the original says for an id that it does not know.
 */
struct container *rpc_container(struct agent *agent, const char *id, struct ttrpc_call *call);

/* Its process, or NULL with the call answered (NOT_FOUND). */
struct process *rpc_process(struct agent *agent, const char *id, const char *exec_id,
			    struct ttrpc_call *call);

#endif
