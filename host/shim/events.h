/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events on their way to containerd: each is delivered once, in the order in which
 * they were published, to the first of these that there is:
 *
 *   containerd.services.events.ttrpc.v1.Events/Forward at TTRPC_ADDRESS
 *   the publish binary: BINARY --address ADDRESS publish --topic TOPIC --namespace NAME,
 *     with a google.protobuf.Any on its standard input
 *   the log
 *
 * While containerd is away (it may be started anew) they wait, up to EVENTS_MAX; beyond,
 * the oldest are dropped and the log says so. One whose answer was lost is delivered
 * again: that it arrives counts for more than that it arrives once. One that
 * containerd refuses is dropped.
 */
#ifndef HOST_SHIM_EVENTS_H
#define HOST_SHIM_EVENTS_H

#include <protobuf-c/protobuf-c.h>

#include "base/loop.h"

#define EVENTS_MAX 1024

struct events;

struct events_options {
	const char *namespace;
	const char *ttrpc_address; /* NULL or "": none; with or without "unix://" */
	const char *binary;	   /* NULL or "": none */
	const char *address;	   /* for the binary */
	int64_t send_ms;	   /* limit to each attempt; 0: EVENTS_SEND_MS */
	int64_t retry_ms;	   /* between two attempts; 0: EVENTS_RETRY_MS */
};

#define EVENTS_SEND_MS	5000
#define EVENTS_RETRY_MS 1000

/* The strings are copied. Never NULL. */
struct events *events_new(struct loop *loop, const struct events_options *opt);

/* Publish @event under @topic ("/tasks/start"); it is packed here. */
void events_publish(struct events *e, const char *topic, const ProtobufCMessage *event);

/*
 * Call @done, once and not from within, when all is delivered or dropped, or @limit_ms
 * have passed.
 */
void events_flush(struct events *e, int64_t limit_ms, void (*done)(void *arg), void *arg);

/* Drop what was not delivered. NULL is allowed. */
void events_free(struct events *e);

#endif
