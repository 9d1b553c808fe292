/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way to the agent in a machine of QEMU's: a stream of vhost-vsock or, where the host
 * has none, the socket of a serial port.
 */
#ifndef HOST_HYPERVISOR_QEMU_LINK_H
#define HOST_HYPERVISOR_QEMU_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host/hypervisor/hypervisor.h"

struct qemu_facts;
struct vsock_dial;
struct json_object;

struct qemu_link {
	struct vm *vm;
	/* There will be no connection: for what reason, valid during the call. */
	void (*failed)(const struct err *err, void *arg);
	void *arg;
	struct vsock_dial *dial;
	struct loop_source *retry;
	char *path;	/* of the serial port's socket */
	uint32_t cid;	/* 0: the agent is reached by the serial port */
	bool port_open; /* the guest has opened it */
	bool wanted;	/* somebody waits for VM_AGENT */
	bool seen;	/* VM_AGENT was sent */
};

/* @vm and @arg are borrowed until link_free(). */
void link_init(struct qemu_link *l, struct vm *vm, void (*failed)(const struct err *err, void *arg),
	       void *arg);

/* What QEMU is given for it: @f's vsock_fd and cid, or its agent_fd. */
int link_open(struct qemu_link *l, struct qemu_facts *f, struct err *err);

/* Keep trying until there is a stream; then VM_AGENT is sent. */
void link_connect(struct qemu_link *l);

/* An event of QMP's, which may be about the port. */
void link_event(struct qemu_link *l, const char *name, struct json_object *data);

/* As vm_address(). */
void link_address(const struct qemu_link *l, struct str *out);

/* Give up trying. */
void link_close(struct qemu_link *l);
void link_free(struct qemu_link *l);

#endif
