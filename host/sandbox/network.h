/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's network: what its namespace holds becomes the guest's. Before the machine
 * starts there is a device for each interface that is there; what comes, changes or goes
 * later is found by network_sync(), and by watching the namespace.
 *
 * The host's own namespace is never touched: a pod in it has a guest without a network.
 */
#ifndef HOST_SANDBOX_NETWORK_H
#define HOST_SANDBOX_NETWORK_H

#include "host/sandbox/core.h"

struct network; /* of a sandbox; NULL: its machine has none */

/*
 * Look for the namespace of the first container, @spec, and make what the machine has from
 * the start: sb->vm_spec.nets and netns. Everything that it leaves on the host is in the
 * journal.
 */
int network_prepare(struct sandbox *sb, const Grpc__Spec *spec, struct err *err);

/*
 * One more container of the pod, @spec: it is in the guest's network, whatever namespace it
 * names. One that is not the pod's is warned of.
 */
void network_admit(struct sandbox *sb, const char *id, const Grpc__Spec *spec);

/*
 * vm_start(sb->vm), in the namespace when nobody but the machine is in it: engines look for
 * it at the machine's process then.
 */
int network_start(struct sandbox *sb, struct err *err);

/*
 * Let the guest have what the namespace holds now. @done comes when it has, at once when
 * nothing has changed; its error names the interface that it has not, and why.
 */
void network_sync(struct sandbox *sb, sandbox_done done, void *arg);

/* The machine has ended: nobody waits any more. */
void network_end(struct sandbox *sb);

/*
 * Begin to undo it on the host, while the machine ends; end_look() follows when that is done,
 * until when network_undo_runs().
 */
void network_undo_begin(struct sandbox *sb);
bool network_undo_runs(const struct sandbox *sb);
void network_undo_stop(struct sandbox *sb);

/* Undo what is left of it on the host, when the machine has gone. */
int network_undo(struct sandbox *sb, struct err *err);

void network_free(struct network *net);

#endif
