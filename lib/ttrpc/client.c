/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/ttrpc.pb-c.h"
#include "ttrpc/conn.h"
#include "ttrpc/ttrpc.h"

#define NS_PER_MS 1000000

struct ttrpc_client {
	struct loop *loop;
	struct conn *conn;   /* NULL once it ended */
	struct list pending; /* sent, or waiting to be */
	struct list unsent;  /* failed before that; their callbacks are due */
	size_t n_pending;
	uint64_t next_stream;
	ttrpc_closed_cb closed;
	void *arg;
	bool *freed; /* set for who is about to go on after a callback */
};

struct ttrpc_pending {
	struct list link;
	struct ttrpc_client *client;
	uint32_t stream; /* 0 when unsent */
	const ProtobufCServiceDescriptor *service;
	const ProtobufCMethodDescriptor *method;
	int64_t timeout_ms;
	struct loop_source *timer; /* the limit, or the callback of an unsent call */
	struct err *err;	   /* of an unsent call */
	ttrpc_reply_cb cb;
	void *arg;
	ProtobufCMessage **keep; /* who waits takes the answer over */
	bool *dropped;		 /* set when the callback will never come */
};

/* ---- ends of calls ---------------------------------------------------------- */

static void forget(struct ttrpc_pending *p)
{
	list_del(&p->link);
	if (p->stream)
		p->client->n_pending--;
	loop_remove(&p->timer);
	free(p->err);
	free(p);
}

static void drop(struct ttrpc_pending *p)
{
	if (p->dropped)
		*p->dropped = true;
	forget(p);
}

/* The callback comes last: it may free the client. */
static void finish(struct ttrpc_pending *p, ProtobufCMessage *rsp, const struct err *err)
{
	ProtobufCMessage **keep = p->keep;
	ttrpc_reply_cb cb = p->cb;
	void *arg = p->arg;

	forget(p);
	if (rsp && keep)
		*keep = rsp;
	cb(rsp, rsp ? NULL : err, arg);
	if (rsp && !keep)
		protobuf_c_message_free_unpacked(rsp, NULL);
}

static void on_unsent(void *arg)
{
	struct ttrpc_pending *p = arg;
	struct err err = *p->err;

	p->timer = NULL;
	finish(p, NULL, &err);
}

static void on_timeout(void *arg)
{
	struct ttrpc_pending *p = arg;
	struct err err = ERR_INIT;

	p->timer = NULL;
	err_set(&err, ETIMEDOUT, "%s/%s: no answer within %lld ms", p->service->name,
		p->method->name, (long long)p->timeout_ms);
	finish(p, NULL, &err);
}

/*
 * Peers send messages of several lines, those in Rust with a backtrace behind; an
 * err has one line.
 */
static void one_line(char *s)
{
	char *end = strstr(s, "\n\nStack backtrace:");

	if (end)
		*end = '\0';
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
	}
}

/* What the response @f says: the message, or NULL and @err. */
static ProtobufCMessage *read_response(const struct ttrpc_pending *p, const struct frame *f,
				       struct err *err)
{
	ProtobufCMessage *msg = NULL;
	Ttrpc__Response *rsp;

	if (f->too_long) {
		err_set(err, EMSGSIZE, "%s/%s: the answer has %u bytes, more than %u",
			p->service->name, p->method->name, f->head.length, TTRPC_DATA_MAX);
		return NULL;
	}
	if (f->head.type != FRAME_RESPONSE) {
		err_set(err, EPROTO, "%s/%s: answered with a frame of type %u", p->service->name,
			p->method->name, f->head.type);
		return NULL;
	}
	rsp = ttrpc__response__unpack(NULL, f->head.length, f->data);
	if (rsp && rsp->status && rsp->status->code != TTRPC_OK) {
		one_line(rsp->status->message);
		err_set(err, ttrpc_errno_of_code((enum ttrpc_code)rsp->status->code), "%s",
			rsp->status->message);
		ttrpc__response__free_unpacked(rsp, NULL);
		return NULL;
	}
	if (rsp) {
		msg = protobuf_c_message_unpack(p->method->output, NULL, rsp->payload.len,
						rsp->payload.data);
		ttrpc__response__free_unpacked(rsp, NULL);
	}
	if (!msg)
		err_set(err, EPROTO, "%s/%s: the answer is no valid %s", p->service->name,
			p->method->name, p->method->output->name);
	return msg;
}

/* ---- the connection --------------------------------------------------------- */

static void on_frame(struct conn *conn, const struct frame *f, void *arg)
{
	struct ttrpc_client *c = arg;
	struct list *it;

	(void)conn;
	list_for_each(it, &c->pending) {
		struct ttrpc_pending *p = container_of(it, struct ttrpc_pending, link);
		struct err err = ERR_INIT;

		if (p->stream == f->head.stream) {
			finish(p, read_response(p, f, &err), &err);
			return;
		}
	}
	/* The answer to a call that was cancelled or timed out. */
}

static void on_closed(struct conn *conn, const struct err *err, void *arg)
{
	struct ttrpc_client *c = arg;
	struct err why = *err;
	bool freed = false;

	c->conn = NULL;
	conn_free(conn);
	if (why.code != -ETIMEDOUT)
		why.code = -ECONNRESET;
	c->freed = &freed;
	while (!freed && !list_empty(&c->pending))
		finish(container_of(c->pending.next, struct ttrpc_pending, link), NULL, &why);
	if (freed)
		return;
	c->freed = NULL;
	if (c->closed)
		c->closed(&why, c->arg);
}

static struct ttrpc_client *client_new(struct loop *loop, int fd, ttrpc_closed_cb closed, void *arg)
{
	static const struct conn_ops ops = { .frame = on_frame, .closed = on_closed };
	struct ttrpc_client *c = xcalloc(1, sizeof(*c));
	int r;

	c->loop = loop;
	list_init(&c->pending);
	list_init(&c->unsent);
	c->next_stream = 1;
	c->closed = closed;
	c->arg = arg;
	c->conn = conn_new(loop, fd, &ops, c, &r);
	if (c->conn)
		return c;
	free(c);
	errno = -r;
	return NULL;
}

struct ttrpc_client *ttrpc_client_new(struct loop *loop, int fd, ttrpc_closed_cb closed, void *arg)
{
	return client_new(loop, fd, closed, arg);
}

struct ttrpc_client *ttrpc_client_new_serial(struct loop *loop, int fd, int64_t sync_ms,
					     ttrpc_closed_cb closed, void *arg)
{
	struct ttrpc_client *c = client_new(loop, fd, closed, arg);

	if (c)
		serial_connect(c->conn, sync_ms);
	return c;
}

void ttrpc_client_free(struct ttrpc_client *c)
{
	if (!c)
		return;
	if (c->freed)
		*c->freed = true;
	while (!list_empty(&c->pending))
		drop(container_of(c->pending.next, struct ttrpc_pending, link));
	while (!list_empty(&c->unsent))
		drop(container_of(c->unsent.next, struct ttrpc_pending, link));
	conn_free(c->conn);
	free(c);
}

/* ---- calls ------------------------------------------------------------------ */

static struct out *request_frame(const struct ttrpc_pending *p, const ProtobufCMessage *req,
				 const struct ttrpc_extra *extra)
{
	Ttrpc__Request envelope = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue kv[2] = { TTRPC__KEY_VALUE__INIT, TTRPC__KEY_VALUE__INIT };
	Ttrpc__KeyValue *metadata[2];
	char number[24];

	envelope.service = (char *)p->service->name;
	envelope.method = (char *)p->method->name;
	if (p->timeout_ms > INT64_MAX / NS_PER_MS)
		envelope.timeout_nano = INT64_MAX;
	else if (p->timeout_ms > 0)
		envelope.timeout_nano = p->timeout_ms * NS_PER_MS;
	envelope.metadata = metadata;
	if (extra->n > 0) {
		snprintf(number, sizeof(number), "%zu", extra->n);
		kv[0].key = (char *)"kata-fds";
		kv[0].value = number;
		metadata[envelope.n_metadata++] = &kv[0];
	}
	if (extra->key) {
		kv[1].key = (char *)extra->key;
		kv[1].value = (char *)extra->value;
		metadata[envelope.n_metadata++] = &kv[1];
	}
	return out_frame(p->stream, FRAME_REQUEST, &envelope.base, 3, req);
}

/* Why the call cannot even be sent. 0 or -errno and @err. */
static int check_call(const struct ttrpc_client *c, const struct ttrpc_pending *p,
		      const char *method, const ProtobufCMessage *req, size_t nfds, struct err *err)
{
	const char *service = p->service->name;

	if (!p->method)
		return err_set(err, ENOSYS, "%s/%s: no such method", service, method);
	if (req->descriptor != p->method->input)
		return err_set(err, EINVAL, "%s/%s: takes no message of type %s", service, method,
			       req->descriptor->name);
	if (!c->conn || conn_over(c->conn))
		return err_set(err, ECONNRESET, "%s/%s: the connection is closed", service, method);
	if (nfds > TTRPC_FDS_MAX)
		return err_set(err, EINVAL, "%s/%s: more than %d descriptors", service, method,
			       TTRPC_FDS_MAX);
	if (nfds > 0 && !c->conn->passes_fds)
		return err_set(err, EOPNOTSUPP, "%s/%s: only a unix socket carries descriptors",
			       service, method);
	if (c->n_pending >= TTRPC_CALLS_MAX)
		return err_set(err, ENOSPC, "%s/%s: more than %d calls in flight", service, method,
			       TTRPC_CALLS_MAX);
	if (c->next_stream > UINT32_MAX)
		return err_set(err, EOVERFLOW, "%s/%s: the connection has no streams left", service,
			       method);
	return 0;
}

static int send_call(struct ttrpc_pending *p, const ProtobufCMessage *req,
		     const struct ttrpc_extra *extra, struct err *err)
{
	struct ttrpc_client *c = p->client;
	struct out *o;
	int r;

	p->stream = (uint32_t)c->next_stream;
	o = request_frame(p, req, extra);
	if (!o) {
		p->stream = 0;
		return err_set(err, EMSGSIZE,
			       "%s/%s: the request exceeds the %u bytes of a message",
			       p->service->name, p->method->name, TTRPC_DATA_MAX);
	}
	r = out_attach(o, extra->fds, extra->n);
	if (r < 0) {
		p->stream = 0;
		out_free(o);
		return err_sys(err, r, "%s/%s: cannot pass descriptors", p->service->name,
			       p->method->name);
	}
	c->next_stream += 2;
	c->n_pending++;
	list_add_tail(&c->pending, &p->link);
	conn_send(c->conn, o);
	return 0;
}

struct ttrpc_pending *ttrpc_client_call_extra(struct ttrpc_client *c,
					      const ProtobufCServiceDescriptor *service,
					      const char *method, const ProtobufCMessage *req,
					      const struct ttrpc_extra *extra, int64_t timeout_ms,
					      ttrpc_reply_cb cb, void *arg)
{
	struct ttrpc_pending *p = xcalloc(1, sizeof(*p));
	struct err err = ERR_INIT;

	list_init(&p->link);
	p->client = c;
	p->service = service;
	p->method = protobuf_c_service_descriptor_get_method_by_name(service, method);
	p->timeout_ms = timeout_ms;
	p->cb = cb;
	p->arg = arg;
	if (check_call(c, p, method, req, extra->n, &err) < 0 ||
	    send_call(p, req, extra, &err) < 0) {
		p->err = xmalloc(sizeof(*p->err));
		*p->err = err;
		list_add_tail(&c->unsent, &p->link);
		p->timer = loop_defer(c->loop, on_unsent, p);
	} else if (timeout_ms > 0) {
		p->timer = loop_add_timer(c->loop, timeout_ms, on_timeout, p);
	}
	return p;
}

struct ttrpc_pending *ttrpc_client_call_fds(struct ttrpc_client *c,
					    const ProtobufCServiceDescriptor *service,
					    const char *method, const ProtobufCMessage *req,
					    const int *fds, size_t n, int64_t timeout_ms,
					    ttrpc_reply_cb cb, void *arg)
{
	const struct ttrpc_extra extra = { .fds = fds, .n = n };

	return ttrpc_client_call_extra(c, service, method, req, &extra, timeout_ms, cb, arg);
}

struct ttrpc_pending *ttrpc_client_call(struct ttrpc_client *c,
					const ProtobufCServiceDescriptor *service,
					const char *method, const ProtobufCMessage *req,
					int64_t timeout_ms, ttrpc_reply_cb cb, void *arg)
{
	return ttrpc_client_call_fds(c, service, method, req, NULL, 0, timeout_ms, cb, arg);
}

void ttrpc_cancel(struct ttrpc_pending **p)
{
	if (*p)
		drop(*p);
	*p = NULL;
}

/* ---- one call, waited for --------------------------------------------------- */

struct waiter {
	bool done;
	struct err err;
};

static void on_waited(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct waiter *w = arg;

	w->done = true;
	if (!rsp)
		w->err = *err;
}

int ttrpc_client_call_sync(struct ttrpc_client *c, struct loop *loop,
			   const ProtobufCServiceDescriptor *service, const char *method,
			   const ProtobufCMessage *req, const int *fds, size_t n,
			   int64_t timeout_ms, ProtobufCMessage **rsp, struct err *err)
{
	struct waiter w = { .err = ERR_INIT };
	struct ttrpc_pending *p;
	bool dropped = false;
	int r = 0;

	p = ttrpc_client_call_fds(c, service, method, req, fds, n, timeout_ms, on_waited, &w);
	p->keep = rsp;
	p->dropped = &dropped;
	while (!w.done && !dropped && r == 0)
		r = loop_step(loop, -1);
	if (w.done)
		return w.err.code ? err_set(err, w.err.code, "%s", w.err.msg) : 0;
	if (dropped)
		return err_set(err, ECANCELED, "%s/%s: cancelled", service->name, method);
	ttrpc_cancel(&p);
	return err_sys(err, r, "%s/%s: cannot wait for the answer", service->name, method);
}
