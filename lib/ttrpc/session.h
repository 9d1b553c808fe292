/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's inside: server.c owns the server, its listeners and sessions;
 * request.c turns frames into calls; call.c is what handlers do with them.
 */
#ifndef TTRPC_SESSION_H
#define TTRPC_SESSION_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "ttrpc/conn.h"
#include "ttrpc/ttrpc.h"

struct service {
	struct list link;
	const ProtobufCServiceDescriptor *desc;
	const struct ttrpc_method *methods;
	void *ctx;
};

struct ttrpc_server {
	struct loop *loop;
	struct list services, listeners, sessions;
	size_t n_sessions;
	ttrpc_observer observer;
	void *observer_arg;
};

/* A connection and the calls that came by it. */
struct session {
	struct list link;
	struct ttrpc_server *srv;
	struct conn *conn;
	struct list calls;
	size_t n_calls;
	uint32_t last_stream;
};

struct ttrpc_call {
	struct list link;
	struct session *session; /* NULL once the client went away */
	uint32_t stream;
	bool expired;	  /* the client was told already */
	int64_t begun;	  /* monotonic ms */
	int64_t deadline; /* the same, -1 for none */
	struct loop_source *timer;
	const ProtobufCMethodDescriptor *method;
	ProtobufCMessage *req;
	char *name;
	size_t nfds;
	int fds[TTRPC_FDS_MAX];
	struct strv metadata; /* key, value, key, value … */
	void (*on_cancel)(struct ttrpc_call *call, void *arg);
	void *cancel_arg;
};

/* Take @call off its session; its answer goes nowhere from now on. */
void call_detach(struct ttrpc_call *call);

/* Release @call in any state, with the descriptors that were not taken. */
void call_free(struct ttrpc_call *call);

/* Detach all calls of @s and collect them in @calls. */
void session_take_calls(struct session *s, struct list *calls);

/* Tell those who wait in @calls, all detached, that nobody will hear them. */
void call_cancel_all(struct list *calls);

/* Start the timer that ends @call in @ms milliseconds. */
void call_set_deadline(struct ttrpc_call *call, int64_t ms);

/* Answer @stream of @s, for which there is no call, with an error. */
void session_refuse(struct session *s, uint32_t stream, enum ttrpc_code code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A frame came from the client of @s. The last thing done is to call the handler. */
void session_frame(struct session *s, const struct frame *f);

#endif
