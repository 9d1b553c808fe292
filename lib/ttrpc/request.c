/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/ttrpc.pb-c.h"
#include "ttrpc/session.h"

#define NS_PER_MS 1000000

void session_refuse(struct session *s, uint32_t stream, enum ttrpc_code code, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_send(s->conn, out_status(stream, code, text));
}

static const struct service *find_service(const struct ttrpc_server *srv, const char *name)
{
	struct list *it;

	list_for_each(it, &srv->services) {
		const struct service *svc = container_of(it, struct service, link);

		if (strcmp(svc->desc->name, name) == 0)
			return svc;
	}
	return NULL;
}

static ttrpc_handler find_handler(const struct service *svc, const char *name)
{
	for (const struct ttrpc_method *m = svc->methods; m->name; m++) {
		if (strcmp(m->name, name) == 0)
			return m->handler;
	}
	return NULL;
}

/* The metadata, and the descriptors that it announces. False when it was refused. */
static bool claim_extra(struct session *s, struct ttrpc_call *call, const Ttrpc__Request *req)
{
	long long n = 0;

	for (size_t i = 0; i < req->n_metadata; i++) {
		const Ttrpc__KeyValue *kv = req->metadata[i];

		strv_add(&call->metadata, kv->key);
		strv_add(&call->metadata, kv->value);
		if (strcmp(kv->key, "kata-fds") == 0 &&
		    str_to_ll(kv->value, 0, TTRPC_FDS_MAX, &n) < 0) {
			session_refuse(s, call->stream, TTRPC_INVALID_ARGUMENT,
				       "metadata kata-fds: not a number up to %d", TTRPC_FDS_MAX);
			return false;
		}
	}
	call->nfds = conn_take_fds(s->conn, call->fds, (size_t)n);
	if (call->nfds == (size_t)n)
		return true;
	session_refuse(s, call->stream, TTRPC_INVALID_ARGUMENT,
		       "metadata kata-fds: %lld descriptors announced, %zu came", n, call->nfds);
	return false;
}

/* Find what @req asks for and unpack its payload into @call. NULL when refused. */
static const struct service *route(struct session *s, struct ttrpc_call *call,
				   const Ttrpc__Request *req, uint8_t flags, ttrpc_handler *handler)
{
	const struct service *svc = find_service(s->srv, req->service);

	if (!svc) {
		session_refuse(s, call->stream, TTRPC_UNIMPLEMENTED, "service %s", req->service);
		return NULL;
	}
	*handler = find_handler(svc, req->method);
	if (*handler)
		call->method =
			protobuf_c_service_descriptor_get_method_by_name(svc->desc, req->method);
	if (!call->method) {
		session_refuse(s, call->stream, TTRPC_UNIMPLEMENTED, "method %s", req->method);
		return NULL;
	}
	if (flags & FRAME_REMOTE_OPEN) {
		session_refuse(s, call->stream, TTRPC_UNIMPLEMENTED,
			       "method %s does not take a stream", req->method);
		return NULL;
	}
	if (req->timeout_nano < 0) {
		session_refuse(s, call->stream, TTRPC_DEADLINE_EXCEEDED, "%s/%s: deadline exceeded",
			       req->service, req->method);
		return NULL;
	}
	call->name = xasprintf("%s/%s", req->service, req->method);
	call->req = protobuf_c_message_unpack(call->method->input, NULL, req->payload.len,
					      req->payload.data);
	if (!call->req) {
		session_refuse(s, call->stream, TTRPC_INVALID_ARGUMENT,
			       "%s: the request is no valid %s", call->name,
			       call->method->input->name);
		return NULL;
	}
	return svc;
}

/* The handler comes last: it may free everything but the call. */
static void start_call(struct session *s, uint32_t stream, uint8_t flags, const Ttrpc__Request *req)
{
	struct ttrpc_call *call = xcalloc(1, sizeof(*call));
	const struct service *svc = NULL;
	ttrpc_handler handler = NULL;

	list_init(&call->link);
	call->stream = stream;
	call->deadline = -1;
	call->begun = loop_now_ms();
	if (claim_extra(s, call, req))
		svc = route(s, call, req, flags, &handler);
	if (!svc) {
		call_free(call);
		return;
	}
	call->session = s;
	list_add_tail(&s->calls, &call->link);
	s->n_calls++;
	if (req->timeout_nano > 0)
		call_set_deadline(call, (req->timeout_nano - 1) / NS_PER_MS + 1);
	handler(call, call->req, svc->ctx);
}

static void on_request(struct session *s, const struct frame *f)
{
	uint32_t stream = f->head.stream;
	Ttrpc__Request *req;

	if (stream <= s->last_stream) {
		session_refuse(s, stream, TTRPC_INVALID_ARGUMENT,
			       "StreamID cannot be re-used and must increment");
		return;
	}
	s->last_stream = stream;
	if (s->n_calls >= TTRPC_CALLS_MAX) {
		session_refuse(s, stream, TTRPC_RESOURCE_EXHAUSTED,
			       "more than %d calls of one connection in flight", TTRPC_CALLS_MAX);
		return;
	}
	req = ttrpc__request__unpack(NULL, f->head.length, f->data);
	if (!req) {
		session_refuse(s, stream, TTRPC_INVALID_ARGUMENT,
			       "the request frame is no valid message");
		return;
	}
	start_call(s, stream, f->head.flags, req);
	ttrpc__request__free_unpacked(req, NULL);
}

/*
 * Data frames belong to streams that were refused when they were opened, and
 * types that are not known to a later protocol: both are passed over.
 */
void session_frame(struct session *s, const struct frame *f)
{
	if (f->too_long)
		session_refuse(s, f->head.stream, TTRPC_RESOURCE_EXHAUSTED,
			       "message length %u exceed maximum message size of %u",
			       f->head.length, TTRPC_DATA_MAX);
	else if (f->head.stream % 2 == 0)
		session_refuse(s, f->head.stream, TTRPC_INVALID_ARGUMENT,
			       "StreamID must be odd for client initiated streams");
	else if (f->head.type == FRAME_REQUEST)
		on_request(s, f);
}
