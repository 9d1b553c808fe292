/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's standard streams as the calls see them: reads wait for the first
 * bytes, writes for room, none of them keeps the loop.
 */
#ifndef AGENT_STREAM_H
#define AGENT_STREAM_H

#include <stdbool.h>

#include "base/list.h"
#include "base/loop.h"
#include "proto/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

/* After its process has ended, a stream that others hold open ends when it was silent so long
 * and all that it has was read. */
#define STREAM_DRAIN_MS 500

/* One direction of one stream. A zeroed one with fd -1 is closed. */
struct stream {
	struct loop *loop;
	int fd; /* owned, non-blocking */
	struct loop_source *source, *drain;
	struct list calls; /* struct stream_call */
	bool closing;	   /* in: close when all is written */
	bool exited;	   /* out: the process has ended */
};

void stream_init(struct stream *s, struct loop *loop, int fd);

/* Fail what waits, close. */
void stream_done(struct stream *s);

/*
 * Answer @call with what there is to read, now or later; no data means the
 * end, as the runtimes read it. Who hangs up wants no more, ever: the
 * stream ends, and the process finds its pipe broken.
 */
void stream_read(struct stream *s, struct ttrpc_call *call, const Grpc__ReadStreamRequest *req);

/* Write all of @req's data in its turn and answer. */
void stream_write(struct stream *s, struct ttrpc_call *call, const Grpc__WriteStreamRequest *req);

/* Close behind what is still to be written. */
void stream_close_input(struct stream *s);

/* The process at the other end has ended: what is left can be read, then it ends. */
void stream_exited(struct stream *s);

#endif
