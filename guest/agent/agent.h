/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's state: one sandbox, its containers, the loop that drives them. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>

#include "base/list.h"
#include "base/loop.h"
#include "guest/agent/config.h"
#include "guest/agent/namespaces.h"
#include "ttrpc/ttrpc.h"

#ifndef AGENT_VERSION
#define AGENT_VERSION "0.0.0"
#endif

struct agent {
	struct loop *loop;
	struct ttrpc_server *server;
	struct agent_config config;
	bool init;  /* the first process of the machine */
	bool guest; /* serves a machine of its own; otherwise a local process */

	bool ending;		 /* sandbox_destroy() has begun: nothing new */
	char *sandbox_id;	 /* NULL until CreateSandbox */
	char *guest_hook_path;	 /* the same; "": no hooks of the guest's */
	struct ns_shared shared; /* owned */
	struct list containers;	 /* struct container */
	struct list storages;	 /* struct storage */
	struct list storage_ops; /* struct storage_op: the first one runs */
	struct list oom_events;	 /* struct oom_event: not yet asked for */
	struct list oom_calls;	 /* struct parked: GetOOMEvent */
};

/* A call that waits for something to happen. */
struct parked {
	struct list link;
	struct ttrpc_call *call;
};

/* Put @call into @list; it leaves by itself, failing, when its peer goes away. */
void park(struct list *list, struct ttrpc_call *call);

/* Take the first call out of @list and return it to be answered; NULL when empty. */
struct ttrpc_call *unpark(struct list *list);

/* "^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", as the original has it, at most 1024 long. */
bool id_is_valid(const char *id);

/*
 * Whatever fits into a line: the original looks at none, and containerd, whose ids the Rust
 * runtime passes on, has short ones too. No file is named after it.
 */
bool exec_id_is_valid(const char *id);

/*
 * Remove all containers and what the sandbox holds, answer @call (unless NULL)
 * and end the loop.
 */
void sandbox_destroy(struct agent *agent, struct ttrpc_call *call);

/* Register all methods on agent->server. */
void rpc_register(struct agent *agent);

#endif
