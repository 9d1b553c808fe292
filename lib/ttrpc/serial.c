/* SPDX-License-Identifier: Apache-2.0 */
#include "ttrpc/serial.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "ttrpc/conn.h"

#define MARK_LEN     (SERIAL_MAGIC_LEN + SERIAL_NONCE_LEN)
#define GONE_POLL_MS 50

struct serial {
	bool server;
	bool synced;			 /* what is received are frames, with marks between them */
	bool gone;			 /* server: POLLHUP */
	uint8_t mark[MARK_LEN];		 /* what to look for: its first mark_len bytes … */
	size_t mark_len;		 /* … as a server cannot know the nonce */
	uint8_t nonce[SERIAL_NONCE_LEN]; /* ours, or that of the client last welcomed */
	int64_t sync_ms;
	uint64_t stall_from; /* conn.received when the stall timer was set */
	struct loop_source *retry, *limit, *stall, *poll;
};

static void say_hello(void *arg);
static void on_limit(void *arg);

static struct serial *serial_new(struct conn *c, const char *magic, size_t mark_len)
{
	struct serial *s = xcalloc(1, sizeof(*s));

	memcpy(s->mark, magic, SERIAL_MAGIC_LEN);
	s->mark_len = mark_len;
	c->serial = s;
	return s;
}

void serial_serve(struct conn *c)
{
	serial_new(c, SERIAL_HELLO, SERIAL_MAGIC_LEN)->server = true;
}

void serial_connect(struct conn *c, int64_t sync_ms)
{
	struct serial *s = serial_new(c, SERIAL_WELCOME, MARK_LEN);

	/* The nonce tells conversations apart; it guards no secret. */
	if (getrandom(s->nonce, sizeof(s->nonce), GRND_NONBLOCK) != (ssize_t)sizeof(s->nonce)) {
		int64_t now = loop_now_ms() * 65536 + getpid();

		memcpy(s->nonce, &now, sizeof(s->nonce));
	}
	memcpy(s->mark + SERIAL_MAGIC_LEN, s->nonce, SERIAL_NONCE_LEN);
	s->sync_ms = sync_ms;
	s->limit = loop_add_timer(c->loop, sync_ms, on_limit, c);
	say_hello(c);
}

void serial_free(struct conn *c)
{
	struct serial *s = c->serial;

	if (!s)
		return;
	loop_remove(&s->retry);
	loop_remove(&s->limit);
	loop_remove(&s->stall);
	loop_remove(&s->poll);
	free(s);
	c->serial = NULL;
}

bool serial_ready(const struct conn *c)
{
	return !c->serial || c->serial->server || c->serial->synced;
}

bool serial_gone(const struct conn *c)
{
	return c->serial && c->serial->gone;
}

static void send_mark(struct conn *c, const char *magic)
{
	struct out *o = out_new(MARK_LEN);

	memcpy(o->data, magic, SERIAL_MAGIC_LEN);
	memcpy(o->data + SERIAL_MAGIC_LEN, c->serial->nonce, SERIAL_NONCE_LEN);
	conn_send_mark(c, o);
}

/* ---- the side that connects ------------------------------------------------ */

static void say_hello(void *arg)
{
	struct conn *c = arg;

	c->serial->retry = loop_add_timer(c->loop, SERIAL_RETRY_MS, say_hello, c);
	if (list_empty(&c->out)) /* else the last one did not even leave */
		send_mark(c, SERIAL_HELLO);
}

static void on_limit(void *arg)
{
	struct conn *c = arg;

	c->serial->limit = NULL;
	conn_fail(c, ETIMEDOUT, "no answer on the serial link within %lld ms",
		  (long long)c->serial->sync_ms);
}

/* The server answers each hello that it finds, so more of these may follow. */
static void welcomed(struct conn *c)
{
	struct serial *s = c->serial;

	if (s->synced)
		return;
	s->synced = true;
	loop_remove(&s->retry);
	loop_remove(&s->limit);
	while (!list_empty(&c->held)) {
		struct list *o = c->held.next;

		list_del(o);
		list_add_tail(&c->out, o);
	}
}

/* ---- the side that serves -------------------------------------------------- */

/* A hello: of the same client as before when its nonce is, else of another. */
static void greet(struct conn *c, const uint8_t *nonce)
{
	struct serial *s = c->serial;

	loop_remove(&s->stall);
	s->synced = true;
	if (memcmp(nonce, s->nonce, SERIAL_NONCE_LEN) != 0) {
		memcpy(s->nonce, nonce, SERIAL_NONCE_LEN);
		conn_drop_output(c);
		c->ops->lost(c, c->arg);
	}
	if (!conn_over(c))
		send_mark(c, SERIAL_WELCOME);
}

static void poll_peer(void *arg)
{
	struct conn *c = arg;
	struct serial *s = c->serial;
	int r = fd_poll(c->fd, POLLIN, 0);

	s->poll = NULL;
	if (r > 0 && (r & POLLHUP)) {
		s->poll = loop_add_timer(c->loop, GONE_POLL_MS, poll_peer, c);
		return;
	}
	s->gone = false;
	conn_watch(c);
}

/* POLLHUP would wake a level-triggered loop without end: poll now and then instead. */
bool serial_hangup(struct conn *c)
{
	struct serial *s = c->serial;

	if (!s->server)
		return false;
	s->gone = true;
	s->synced = false;
	memset(s->nonce, 0, sizeof(s->nonce));
	loop_remove(&s->stall);
	s->poll = loop_add_timer(c->loop, GONE_POLL_MS, poll_peer, c);
	frame_reset(&c->in);
	c->received = 0;
	conn_drop_output(c);
	c->ops->lost(c, c->arg);
	return true;
}

/* ---- the input of both ------------------------------------------------------ */

/* Where the mark is, or what may become one as bytes come; @len when nowhere. */
static size_t find_mark(const struct serial *s, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		size_t n = len - i < s->mark_len ? len - i : s->mark_len;

		if (memcmp(buf + i, s->mark, n) == 0)
			return i;
	}
	return len;
}

void serial_garbage(struct conn *c)
{
	struct serial *s = c->serial;

	if (!s->server) {
		conn_fail(c, EPROTO, "received something else than frames on the serial link");
		return;
	}
	loop_remove(&s->stall);
	s->synced = false;
	c->in.skip = 0;
}

bool serial_seek(struct conn *c)
{
	uint8_t nonce[SERIAL_NONCE_LEN];

	if (!c->serial)
		return true;
	while (!conn_over(c)) {
		struct serial *s = c->serial;
		size_t len, at;
		const uint8_t *buf = frame_peek(&c->in, &len);

		if (len == 0 || (s->synced && buf[0] == 0))
			return len > 0;
		at = find_mark(s, buf, len);
		if (s->synced && at > 0) {
			serial_garbage(c);
			continue;
		}
		frame_drop(&c->in, at);
		if (len - at < MARK_LEN)
			return false;
		memcpy(nonce, buf + at + SERIAL_MAGIC_LEN, sizeof(nonce));
		frame_drop(&c->in, MARK_LEN);
		if (s->server)
			greet(c, nonce);
		else
			welcomed(c);
	}
	return false;
}

/*
 * A frame that takes so long holds what a new client says, if it was torn: a
 * hello in it decides. Without one, a slow link is given time as long as
 * something comes.
 */
static void on_stall(void *arg)
{
	struct conn *c = arg;
	struct serial *s = c->serial;
	size_t len, at;
	const uint8_t *buf = frame_peek(&c->in, &len);

	s->stall = NULL;
	at = find_mark(s, buf, len);
	conn_enter(c);
	if (len - at >= MARK_LEN || c->received == s->stall_from) {
		frame_drop(&c->in, at);
		serial_garbage(c);
	}
	conn_process(c);
	conn_leave(c);
}

void serial_progress(struct conn *c)
{
	if (c->serial)
		loop_remove(&c->serial->stall);
}

void serial_idle(struct conn *c)
{
	struct serial *s = c->serial;

	if (!s || !s->server || !s->synced || s->stall || !frame_partial(&c->in))
		return;
	s->stall_from = c->received;
	s->stall = loop_add_timer(c->loop, SERIAL_STALL_MS, on_stall, c);
}
