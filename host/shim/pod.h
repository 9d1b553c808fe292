/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod that containerd makes by the Sandbox service: a sandbox without a container of its
 * own. Its containers are tasks, which come and go.
 *
 *   CREATED → STARTING → READY → STOPPED
 *
 * It stops when it is told to, with status 0, when its machine ends, with status 137, or when
 * it cannot be started. The shim stays until it is shut down.
 */
#ifndef HOST_SHIM_POD_H
#define HOST_SHIM_POD_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "host/shim/pod_spec.h"
#include "host/shim/shim.h"

enum pod_state {
	POD_CREATED,
	POD_STARTING,
	POD_READY,
	POD_STOPPED,
};

struct pod {
	struct shim *shim;
	struct pod_plan plan;
	char *bundle, *resolv_conf;
	struct config *config; /* until it is started */
	enum pod_state state;
	bool started; /* it was ready once */
	struct timespec created_at, exited_at;
	uint32_t exit_status;

	/* While it is started. */
	struct ttrpc_call *starter;
	unsigned pending; /* answers that the sandbox owes */
	bool undoing;
	struct err err; /* the first failure */

	struct list waiters, stoppers; /* struct pending_call: WaitSandbox, StopSandbox */
};

/* Make shim->pod of @req, whose configuration and words are checked here. 0, or -errno and @err. */
int pod_create(struct shim *s, const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *req,
	       struct err *err);

/* Start its machine and answer @call. */
void pod_start(struct pod *pod, struct ttrpc_call *call);

/* Answer @call when it is stopped, at once when it is already; it is being stopped then. */
void pod_stop(struct pod *pod, struct ttrpc_call *call);

/* Answer @call when it has stopped. */
void pod_wait(struct pod *pod, struct ttrpc_call *call);

/* Give up a start; shim_booted() follows. */
void pod_abort(struct pod *pod);

/* @pod may be NULL: there is none. */
void pod_machine_died(struct pod *pod);
bool pod_is_starting(const struct pod *pod);
/* Whether it is a reason for the shim to be there, without a task. */
bool pod_holds(const struct pod *pod);

/* Complete the specification of a container that joins it. */
void pod_adopt(const struct pod *pod, Grpc__Spec *spec);

/* Calls that wait are answered. NULL is allowed. */
void pod_free(struct pod *pod);

#endif
