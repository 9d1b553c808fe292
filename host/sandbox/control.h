/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a container while it is there: to rest, to go on, to have other
 * limits, to tell what it uses and what runs in it. Part of the sandbox's interface
 * (sandbox.h), with its rules; a container that is unknown is -ENOENT.
 */
#ifndef HOST_SANDBOX_CONTROL_H
#define HOST_SANDBOX_CONTROL_H

#include "base/str.h"
#include "host/sandbox/sandbox.h"
#include "prom/process.h"
#include "proto/agent.pb-c.h"

/* All processes of the container stop where they are, until sandbox_resume(). */
void sandbox_pause(struct sandbox *sb, const char *id, sandbox_done done, void *arg);
void sandbox_resume(struct sandbox *sb, const char *id, sandbox_done done, void *arg);

/*
 * Change the limits that @res (borrowed during the call) names; the others stay. The
 * machine grows or shrinks with them where it can.
 */
void sandbox_update(struct sandbox *sb, const char *id, Grpc__LinuxResources *res,
		    sandbox_done done, void *arg);

/* @stats is valid during the call; NULL with @err. */
typedef void (*sandbox_stats_cb)(const struct err *err, const Grpc__StatsContainerResponse *stats,
				 void *arg);
void sandbox_stats(struct sandbox *sb, const char *id, sandbox_stats_cb cb, void *arg);

/*
 * The processes in the container, as the guest numbers them: @format "json" is an array of
 * their numbers, "table" what ps(1) prints with @args. -ENOSYS from an agent
 * that cannot (it is an extension, which Kata's agent had up to 1.x).
 */
typedef void (*sandbox_list_cb)(const struct err *err, const void *text, size_t len, void *arg);
void sandbox_list_processes(struct sandbox *sb, const char *id, const char *format,
			    char *const *args, size_t n_args, sandbox_list_cb cb, void *arg);

/* Ask the agent for what concerns the guest as a whole. @rsp is valid during the call; NULL with @err. */
typedef void (*sandbox_reply_cb)(const ProtobufCMessage *rsp, const struct err *err, void *arg);
void sandbox_ask_agent(struct sandbox *sb, const char *method, const ProtobufCMessage *req,
		       sandbox_reply_cb cb, void *arg);

/* Where the guest has the path @source of the host that containers mount; NULL: none does. */
const char *sandbox_guest_path(const struct sandbox *sb, const char *source);

/*
 * Append what the host knows of the machine and its file server, and how long the agent took
 * for what it was asked, as Prometheus reads it. (The agent's own: its GetMetrics.)
 */
void sandbox_metrics(const struct sandbox *sb, struct str *out);

/* Add what the sandbox's processes, but for the shim, hold of the host. */
void sandbox_usage(const struct sandbox *sb, struct prom_usage *sum);

/* Forget process @exec_id, which has ended. */
void sandbox_drop_exec(struct sandbox *sb, const char *id, const char *exec_id);

/*
 * Append where the guest's ports are, or its debug console alone, as vm_address() says.
 * Returns whether the guest's debug console is on.
 */
bool sandbox_guest(const struct sandbox *sb, struct str *address);

/*
 * From now on, once the sandbox runs, @cb is called each time that a container ran out of
 * memory, for as long as the machine lives. One watcher for a sandbox.
 */
typedef void (*sandbox_oom_cb)(const char *id, void *arg);
void sandbox_watch_oom(struct sandbox *sb, sandbox_oom_cb cb, void *arg);

#endif
