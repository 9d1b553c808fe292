/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's end of the control socket (vmm/protocol.h), on the loop's thread. The
 * other side is trusted to stop the machine and for nothing else: what it sends is
 * checked, and descriptors that nothing asks for are closed.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "vmm/protocol.h"

/* What a request does. */
struct control_ops {
	/*
	 * 0, or a negative errno and @err, which becomes the answer; or -EINPROGRESS, and
	 * control_answer() follows. NULL: not supported.
	 */
	int (*pause)(void *arg, struct err *err);
	int (*resume)(void *arg, struct err *err);
	int (*balloon)(void *arg, uint64_t mib, struct err *err);
	/* Append "key=value" words, a blank between them. */
	void (*stats)(void *arg, struct str *out);
	/*
	 * End the machine: @why is VMM_REQUEST_STOP or says that the other side has gone.
	 * May be called more than once. control_ended() is expected, but not from within.
	 */
	void (*stop)(void *arg, const char *why);
};

struct control;

/*
 * Serve @fd, taken over also on failure: a connected socket, whose end stops the machine,
 * or one that listens, where callers come and go, one at a time. NULL and @err (-EINVAL)
 * for anything but a unix SOCK_SEQPACKET. @ops and @arg are borrowed.
 */
struct control *control_new(struct loop *loop, int fd, const struct control_ops *ops, void *arg,
			    struct err *err);

/* Listen on @path, for the first of these. The descriptor or -errno. */
int control_listen(const char *path, struct err *err);

/*
 * What began with -EINPROGRESS is done, or failed with @err (NULL: done). Until then no
 * further request is read. Allowed when the other side has gone meanwhile.
 */
void control_answer(struct control *c, const struct err *err);

/* The events. @text may be NULL or "". After the second nothing is read or sent any more. */
void control_started(struct control *c);
void control_ended(struct control *c, enum vmm_end end, const char *text);

/* Release and close. NULL is allowed, here and for the events. Not from within an op. */
void control_free(struct control *c);

#endif
