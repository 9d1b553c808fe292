/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc: containerd's light remote procedure calls (PROTOCOL.md of
 * containerd/ttrpc) over any stream descriptor, on a struct loop.
 *
 * A frame is a header of 10 bytes (length, stream, type, flags) and at most
 * 4 MiB of data. Client streams are odd and grow. Unary calls are what the
 * Task and agent services use; a peer that opens a stream of many messages is
 * answered with UNIMPLEMENTED and keeps its connection.
 *
 * Extension, on unix sockets only: a request may carry descriptors. They ride
 * as SCM_RIGHTS on the first byte of the frame, and the metadata key
 * "kata-fds" holds their number in decimal.
 *
 * Nothing here blocks. Output is queued without copying more than once; a
 * connection whose peer does not read keeps at most TTRPC_QUEUE_MAX bytes and
 * is then closed.
 */
#ifndef TTRPC_TTRPC_H
#define TTRPC_TTRPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define TTRPC_HEADER_LEN 10
#define TTRPC_DATA_MAX	 (4u << 20)
#define TTRPC_QUEUE_MAX	 (16u << 20)
#define TTRPC_CALLS_MAX	 1024 /* calls that one connection may have in flight */
#define TTRPC_FDS_MAX	 8    /* descriptors that one request may carry */

/* The codes of google.rpc.Code, which gRPC and containerd use. */
enum ttrpc_code {
	TTRPC_OK = 0,
	TTRPC_CANCELLED = 1,
	TTRPC_UNKNOWN = 2,
	TTRPC_INVALID_ARGUMENT = 3,
	TTRPC_DEADLINE_EXCEEDED = 4,
	TTRPC_NOT_FOUND = 5,
	TTRPC_ALREADY_EXISTS = 6,
	TTRPC_PERMISSION_DENIED = 7,
	TTRPC_RESOURCE_EXHAUSTED = 8,
	TTRPC_FAILED_PRECONDITION = 9,
	TTRPC_ABORTED = 10,
	TTRPC_OUT_OF_RANGE = 11,
	TTRPC_UNIMPLEMENTED = 12,
	TTRPC_INTERNAL = 13,
	TTRPC_UNAVAILABLE = 14,
};

/* errno (of either sign) → the code that says it best, and back. */
enum ttrpc_code ttrpc_code_of_errno(int code);
int ttrpc_errno_of_code(enum ttrpc_code code); /* negative errno; 0 for OK */

/* ---- server ------------------------------------------------------------ */

struct ttrpc_server;
struct ttrpc_call; /* one request waiting for its answer */

/*
 * A method's handler. @req is the unpacked request, valid until the call is
 * answered. The handler answers at once or later with exactly one of
 * ttrpc_reply() and ttrpc_fail(), which release @call. Server side it lives
 * until answered even when the client goes away or the server is freed: the
 * answer is then dropped. When the caller's deadline passes, the server tells
 * it DEADLINE_EXCEEDED by itself and drops the handler's answer, still due.
 */
typedef void (*ttrpc_handler)(struct ttrpc_call *call, const ProtobufCMessage *req, void *ctx);

struct ttrpc_method {
	const char *name; /* as in the service's descriptor */
	ttrpc_handler handler;
};

/*
 * Make a server on @loop. It runs until ttrpc_server_free(), which closes all
 * its connections and drops unanswered calls' answers without calling anyone;
 * it may be called from any handler or callback of the server. NULL is allowed.
 */
struct ttrpc_server *ttrpc_server_new(struct loop *loop);
void ttrpc_server_free(struct ttrpc_server *srv);

/*
 * Serve @service: @methods ends with a NULL name; a method of the service that
 * is not in it is answered with UNIMPLEMENTED. Both outlive the server. @ctx
 * is passed to the handlers.
 */
void ttrpc_server_add(struct ttrpc_server *srv, const ProtobufCServiceDescriptor *service,
		      const struct ttrpc_method *methods, void *ctx);

/* Accept connections on the listening socket @fd (taken over). 0 or -errno. */
int ttrpc_server_listen(struct ttrpc_server *srv, int fd);

/* Serve the connected stream @fd (taken over, made non-blocking). 0 or -errno. */
int ttrpc_server_serve(struct ttrpc_server *srv, int fd);

/*
 * As ttrpc_server_serve() for a virtio-serial port: the descriptor outlives
 * its peers. See ttrpc/serial.h for how both ends find the start of a frame.
 */
int ttrpc_server_serve_serial(struct ttrpc_server *srv, int fd);

/*
 * Have @fn told of each call whose answer goes out: its name (ttrpc_call_name()) and how long
 * that took. One for a server; NULL: nobody any more.
 */
typedef void (*ttrpc_observer)(const char *name, int64_t ms, void *arg);
void ttrpc_server_observe(struct ttrpc_server *srv, ttrpc_observer fn, void *arg);

/* The number of connections now open. */
size_t ttrpc_server_connections(const struct ttrpc_server *srv);

/* Answer @call with @rsp, which must be of the method's output type. */
void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *rsp);

/* Answer @call with an error. */
void ttrpc_fail(struct ttrpc_call *call, enum ttrpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Answer @call with @err's message and the code that fits its errno. */
void ttrpc_fail_err(struct ttrpc_call *call, const struct err *err);

/*
 * Have @cb called when the peer goes away or the call's own deadline passes
 * before the answer, so that a long wait can end. The handler still answers.
 */
void ttrpc_call_on_cancel(struct ttrpc_call *call, void (*cb)(struct ttrpc_call *call, void *arg),
			  void *arg);

/* Milliseconds until the caller's deadline; -1 when it set none. */
int64_t ttrpc_call_time_left(const struct ttrpc_call *call);

/* "Service/Method", for logs. */
const char *ttrpc_call_name(const struct ttrpc_call *call);

/* The number of descriptors that came with the request. */
size_t ttrpc_call_fds(const struct ttrpc_call *call);

/* Take over descriptor @i of the request; -1 when there is none or it was taken. */
int ttrpc_call_take_fd(struct ttrpc_call *call, size_t i);

/*
 * What the request's metadata says of @key, valid as long as the call; NULL: nothing.
 * (The key kata-fds is ttrpc's own.)
 */
const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key);

/* ---- client ------------------------------------------------------------ */

struct ttrpc_client;
struct ttrpc_pending; /* a call of ours that was not answered yet */

/*
 * The answer: @rsp on success (valid during the call), else NULL and @err,
 * whose code is ttrpc_errno_of_code() of the peer's and whose message is the
 * peer's; -ETIMEDOUT past the limit; -ECONNRESET when the connection ended;
 * -EMSGSIZE for a message over TTRPC_DATA_MAX, -ENOSPC over TTRPC_CALLS_MAX,
 * -EOPNOTSUPP for descriptors on what is no unix socket, -EPROTO for an answer
 * that makes no sense.
 */
typedef void (*ttrpc_reply_cb)(const ProtobufCMessage *rsp, const struct err *err, void *arg);

/* Called once when the connection ended, after all pending calls have failed. */
typedef void (*ttrpc_closed_cb)(const struct err *err, void *arg);

/*
 * Speak ttrpc on the connected stream @fd (taken over, made non-blocking). NULL
 * and errno, with @fd closed, when it cannot be watched (no stream).
 */
struct ttrpc_client *ttrpc_client_new(struct loop *loop, int fd, ttrpc_closed_cb closed, void *arg);

/* As ttrpc_client_new() on a serial link: first finds the start (ttrpc/serial.h);
 * calls queue until then. @sync_ms limits that; past it the connection is closed. */
struct ttrpc_client *ttrpc_client_new_serial(struct loop *loop, int fd, int64_t sync_ms,
					     ttrpc_closed_cb closed, void *arg);

/*
 * Close. Pending calls are dropped without a callback. May be called from any
 * callback of the client, and is still due after the connection ended. NULL is
 * allowed.
 */
void ttrpc_client_free(struct ttrpc_client *c);

/*
 * Call @method of @service with @req. @timeout_ms > 0 also travels to the
 * peer; ≤ 0 means no limit (Wait and the like). The callback comes later,
 * never from within this function, and exactly once unless cancelled.
 * Returns the pending call, valid until its callback. Never NULL.
 */
struct ttrpc_pending *ttrpc_client_call(struct ttrpc_client *c,
					const ProtobufCServiceDescriptor *service,
					const char *method, const ProtobufCMessage *req,
					int64_t timeout_ms, ttrpc_reply_cb cb, void *arg);

/* As ttrpc_client_call(), with @n ≤ TTRPC_FDS_MAX descriptors, which are duplicated. */
struct ttrpc_pending *ttrpc_client_call_fds(struct ttrpc_client *c,
					    const ProtobufCServiceDescriptor *service,
					    const char *method, const ProtobufCMessage *req,
					    const int *fds, size_t n, int64_t timeout_ms,
					    ttrpc_reply_cb cb, void *arg);

/* What goes with a request beside its message. */
struct ttrpc_extra {
	const int *fds; /* @n ≤ TTRPC_FDS_MAX descriptors, which are duplicated */
	size_t n;
	const char *key, *value; /* metadata; NULL: none */
};

/* As ttrpc_client_call(), with @extra. */
struct ttrpc_pending *ttrpc_client_call_extra(struct ttrpc_client *c,
					      const ProtobufCServiceDescriptor *service,
					      const char *method, const ProtobufCMessage *req,
					      const struct ttrpc_extra *extra, int64_t timeout_ms,
					      ttrpc_reply_cb cb, void *arg);

/* Forget a pending call: no callback will come. *@p becomes NULL; NULL in it is allowed. */
void ttrpc_cancel(struct ttrpc_pending **p);

/*
 * One call, waited for: runs @loop until the answer (other callbacks of the
 * loop run meanwhile). For command lines. Returns 0 and in *@rsp (unless
 * @rsp is NULL) a message that the caller frees with
 * protobuf_c_message_free_unpacked(), or -errno and @err; -ECANCELED when a
 * callback freed the client meanwhile.
 */
int ttrpc_client_call_sync(struct ttrpc_client *c, struct loop *loop,
			   const ProtobufCServiceDescriptor *service, const char *method,
			   const ProtobufCMessage *req, const int *fds, size_t n,
			   int64_t timeout_ms, ProtobufCMessage **rsp, struct err *err);

#endif
