/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's end of the monitor's control socket (vmm/protocol.h). The monitor faces
 * the guest, so what comes from it is checked as a stranger's: a message that is none of
 * the protocol ends the connection.
 */
#ifndef HOST_HYPERVISOR_DRAGONBALL_CONTROL_H
#define HOST_HYPERVISOR_DRAGONBALL_CONTROL_H

#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "vmm/protocol.h"

/* How long an answer may take. */
#define MONITOR_ANSWER_MS 2000

/* Requests that may wait for their answers. */
#define MONITOR_ASKED_MAX 8

struct monitor;

/* Called from the loop; monitor_free() may be called from within. */
struct monitor_handler {
	void (*started)(void *arg);
	/* @text may be "". `closed` still comes. */
	void (*ended)(enum vmm_end end, const char *text, void *arg);
	/* The last call. @err has code 0 when the monitor simply closed. */
	void (*closed)(const struct err *err, void *arg);
};

/*
 * How it went: @err NULL and the answer's text, or the error. Comes once, unless
 * monitor_free() does first, which is not allowed from within.
 */
typedef void (*monitor_done)(const struct err *err, const char *text, void *arg);

/* Talk over the connected @fd, taken over. @handler and @arg are borrowed. NULL and @err. */
struct monitor *monitor_new(struct loop *loop, int fd, const struct monitor_handler *handler,
			    void *arg, struct err *err);

/*
 * Send @request. 0, or a negative errno and @err when it cannot be sent (-EPIPE: the
 * monitor has ended; -EBUSY: too many wait already), and then @done (may be NULL) is not
 * called.
 */
int monitor_ask(struct monitor *m, const char *request, monitor_done done, void *arg,
		struct err *err);

/*
 * Hear one message now if there is one: the handler is called. False when there is none
 * or the connection is over. For the last words of a monitor that has ended.
 */
bool monitor_read(struct monitor *m);

/* Release and close. NULL is allowed. */
void monitor_free(struct monitor *m);

#endif
