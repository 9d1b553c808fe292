/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "proto/ttrpc.pb-c.h"
#include "ttrpc/session.h"

void call_detach(struct ttrpc_call *call)
{
	if (!call->session)
		return;
	list_del(&call->link);
	loop_remove(&call->timer);
	call->session->n_calls--;
	call->session = NULL;
}

void call_free(struct ttrpc_call *call)
{
	call_detach(call);
	list_del(&call->link);
	for (size_t i = 0; i < call->nfds; i++)
		close_fd(&call->fds[i]);
	if (call->req)
		protobuf_c_message_free_unpacked(call->req, NULL);
	strv_free(&call->metadata);
	free(call->name);
	free(call);
}

static void cancel(struct ttrpc_call *call)
{
	void (*cb)(struct ttrpc_call *, void *) = call->on_cancel;

	call->on_cancel = NULL;
	if (cb)
		cb(call, call->cancel_arg);
}

static bool wants_answer(const struct ttrpc_call *call)
{
	return call->session && !call->expired;
}

static void send_status(struct ttrpc_call *call, enum ttrpc_code code, const char *text)
{
	conn_send(call->session->conn, out_status(call->stream, code, text));
}

static void on_deadline(void *arg)
{
	struct ttrpc_call *call = arg;
	auto_free char *text = xasprintf("%s: deadline exceeded", call->name);

	call->timer = NULL;
	send_status(call, TTRPC_DEADLINE_EXCEEDED, text);
	call->expired = true;
	cancel(call);
}

void call_set_deadline(struct ttrpc_call *call, int64_t ms)
{
	call->deadline = loop_now_ms() + ms;
	call->timer = loop_add_timer(call->session->srv->loop, ms, on_deadline, call);
}

void session_take_calls(struct session *s, struct list *calls)
{
	while (!list_empty(&s->calls)) {
		struct ttrpc_call *call = container_of(s->calls.next, struct ttrpc_call, link);

		call_detach(call);
		list_add_tail(calls, &call->link);
	}
}

/* A callback may answer any of the calls, which takes it off the list. */
void call_cancel_all(struct list *calls)
{
	while (!list_empty(calls)) {
		struct ttrpc_call *call = container_of(calls->next, struct ttrpc_call, link);

		list_del(&call->link);
		cancel(call);
	}
}

/* The answer is on its way, unless nobody waits for it any more. */
static void answered(struct ttrpc_call *call)
{
	const struct ttrpc_server *srv = call->session ? call->session->srv : NULL;

	if (srv && srv->observer)
		srv->observer(call->name, loop_now_ms() - call->begun, srv->observer_arg);
	call_free(call);
}

void ttrpc_reply(struct ttrpc_call *call, const ProtobufCMessage *rsp)
{
	Ttrpc__Response envelope = TTRPC__RESPONSE__INIT;
	struct out *o;

	if (rsp->descriptor != call->method->output) {
		ttrpc_fail(call, TTRPC_INTERNAL, "%s: answered with a message of type %s",
			   call->name, rsp->descriptor->name);
		return;
	}
	if (wants_answer(call)) {
		o = out_frame(call->stream, FRAME_RESPONSE, &envelope.base, 2, rsp);
		if (!o) {
			ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED,
				   "%s: the answer exceeds the %u bytes of a message", call->name,
				   TTRPC_DATA_MAX);
			return;
		}
		conn_send(call->session->conn, o);
	}
	answered(call);
}

void ttrpc_fail(struct ttrpc_call *call, enum ttrpc_code code, const char *fmt, ...)
{
	char text[4 * ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (wants_answer(call))
		send_status(call, code == TTRPC_OK ? TTRPC_UNKNOWN : code, text);
	answered(call);
}

void ttrpc_fail_err(struct ttrpc_call *call, const struct err *err)
{
	ttrpc_fail(call, ttrpc_code_of_errno(err->code), "%s", err_msg(err));
}

void ttrpc_call_on_cancel(struct ttrpc_call *call, void (*cb)(struct ttrpc_call *call, void *arg),
			  void *arg)
{
	call->on_cancel = cb;
	call->cancel_arg = arg;
}

int64_t ttrpc_call_time_left(const struct ttrpc_call *call)
{
	int64_t left;

	if (call->deadline < 0)
		return -1;
	left = call->deadline - loop_now_ms();
	return left > 0 ? left : 0;
}

const char *ttrpc_call_name(const struct ttrpc_call *call)
{
	return call->name;
}

size_t ttrpc_call_fds(const struct ttrpc_call *call)
{
	return call->nfds;
}

int ttrpc_call_take_fd(struct ttrpc_call *call, size_t i)
{
	return i < call->nfds ? take_fd(&call->fds[i]) : -1;
}

const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key)
{
	for (size_t i = 0; i + 1 < call->metadata.n; i += 2)
		if (!strcmp(call->metadata.v[i], key))
			return call->metadata.v[i + 1];
	return NULL;
}
