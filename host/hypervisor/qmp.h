/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the QEMU Machine Protocol (docs/interop/qmp-spec of QEMU) on one
 * connected socket: greeting, qmp_capabilities, commands with ids, events.
 * The peer is a program that a guest may have taken over: a line longer than
 * QMP_LINE_MAX, or one that is no JSON object, ends the connection.
 */
#ifndef HOST_HYPERVISOR_QMP_H
#define HOST_HYPERVISOR_QMP_H

#include <json-c/json.h>

#include "base/err.h"
#include "base/loop.h"

#define QMP_LINE_MAX   (256 * 1024)
#define QMP_TIMEOUT_MS 5000

struct qmp;

struct qmp_handler {
	/* The greeting and qmp_capabilities are done; commands may follow. */
	void (*ready)(void *arg);
	/* An event; @data is borrowed and may be NULL. */
	void (*event)(const char *name, struct json_object *data, void *arg);
	/*
	 * The connection is over: code 0 at the end of the stream, otherwise the
	 * protocol was broken. Called once, after the commands that waited for an
	 * answer have failed. qmp_free() may be called from here.
	 */
	void (*closed)(const struct err *err, void *arg);
	/* The greeting's version, before ready(); optional. An error ends the connection. */
	int (*version)(int major, int minor, struct err *err, void *arg);
};

/* Take over the connected socket @fd. @handler is borrowed. Never NULL. */
struct qmp *qmp_new(struct loop *loop, int fd, const struct qmp_handler *handler, void *arg);

/*
 * Send a command; @arguments (may be NULL) is taken over. @done (may be NULL)
 * is called once, from the loop: with @err NULL and the "return" member,
 * borrowed, or with @err: the peer's words, a time-out after QMP_TIMEOUT_MS, or
 * the end of the connection.
 */
typedef void (*qmp_done)(const struct err *err, struct json_object *ret, void *arg);
void qmp_command(struct qmp *qmp, const char *name, struct json_object *arguments, qmp_done done,
		 void *arg);

/*
 * The same, with the descriptor @fd (borrowed during the call) attached to it. One at a time:
 * the next after its answer.
 */
void qmp_command_fd(struct qmp *qmp, const char *name, struct json_object *arguments, int fd,
		    qmp_done done, void *arg);

/* The string @key of @object; NULL when there is none, or something else under that name. */
const char *qmp_text(struct json_object *object, const char *key);

/* Close and release without any callback. NULL is allowed. */
void qmp_free(struct qmp *qmp);

#endif
