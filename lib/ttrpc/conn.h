/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: bytes to frames and frames to bytes, for client and server.
 * Its owner hears of frames and of the end; it may call conn_free() at any
 * time, from within these callbacks too.
 */
#ifndef TTRPC_CONN_H
#define TTRPC_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "ttrpc/frame.h"
#include "ttrpc/out.h"

#define CONN_FDS_MAX 16 /* received descriptors that wait for their frame */

struct conn;

struct conn_ops {
	/* A frame came; @f is valid during the call. */
	void (*frame)(struct conn *c, const struct frame *f, void *arg);
	/* The connection ended, said once. The owner calls conn_free(), now or later. */
	void (*closed)(struct conn *c, const struct err *err, void *arg);
	/* Serial server only: another peer, or none, is at the other end from now on. */
	void (*lost)(struct conn *c, void *arg);
};

struct serial;

struct conn {
	struct loop *loop;
	struct loop_source *src;
	uint32_t events; /* what src waits for */
	const struct conn_ops *ops;
	void *arg;
	int fd;
	bool is_socket;	   /* else read() and write() */
	bool passes_fds;   /* a unix socket */
	bool dead;	   /* conn_free() was called: release when the last callback is left */
	unsigned int busy; /* callbacks of this connection that are on the stack */
	struct loop_source *ending; /* set when failed: will call ops->closed */
	struct err err;

	struct frame_parser in;
	uint64_t received;
	struct {
		int fd;
		uint64_t end; /* what was received when it had come */
	} fds[CONN_FDS_MAX];
	size_t nfds;

	struct list out;  /* struct out */
	struct list held; /* frames for after a serial link is found */
	size_t queued;	  /* bytes in both */

	struct serial *serial; /* NULL on other links */
};

/* Take over the stream @fd and make it non-blocking. NULL and *@r = -errno (and @fd closed). */
struct conn *conn_new(struct loop *loop, int fd, const struct conn_ops *ops, void *arg, int *r);

/* Close; no callback comes any more. NULL is allowed. */
void conn_free(struct conn *c);

/*
 * Queue @o, which is taken over. More than TTRPC_QUEUE_MAX unsent bytes end the
 * connection. Never calls back from within.
 */
void conn_send(struct conn *c, struct out *o);

/*
 * Take the first @n descriptors that came with the frame at hand (or, when
 * frames follow each other closely, with one right behind it) into @fds, which
 * the caller owns then. Returns how many there were.
 */
size_t conn_take_fds(struct conn *c, int *fds, size_t n);

/* End the connection; ops->closed comes in a later round of the loop. */
void conn_fail(struct conn *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- between conn.c and serial.c ---------------------------------------- */

/* Around whatever may call back outside the descriptor's own event. */
void conn_enter(struct conn *c);
void conn_leave(struct conn *c);

/* Hand over the frames that are whole. The caller entered. */
void conn_process(struct conn *c);

/* Drop the output that was not sent. */
void conn_drop_output(struct conn *c);

/* Queue @o even while frames are held. */
void conn_send_mark(struct conn *c, struct out *o);

/* Wait for what there is to wait for now. */
void conn_watch(struct conn *c);

/* Whether the connection ended, for whatever reason. */
static inline bool conn_over(const struct conn *c)
{
	return c->dead || c->err.code;
}

/* Start as the side that serves or, with @sync_ms, as the one that connects. */
void serial_serve(struct conn *c);
void serial_connect(struct conn *c, int64_t sync_ms);
void serial_free(struct conn *c);

/* Whether frames may be sent, and whether nobody is at the other end. */
bool serial_ready(const struct conn *c);
bool serial_gone(const struct conn *c);

/* Skip to the next frame; false while there is none or the connection ended. */
bool serial_seek(struct conn *c);

/* A frame was taken whole, or the input at hand was used up. */
void serial_progress(struct conn *c);
void serial_idle(struct conn *c);

/* A frame too long: on a serial link that is the middle of something else. */
void serial_garbage(struct conn *c);

/* The peer has gone: wait for the next. Returns false when the link itself ended. */
bool serial_hangup(struct conn *c);

#endif
