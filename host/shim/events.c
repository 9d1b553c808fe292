/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/events.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "proto/containerd_forward.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Of one event, when containerd is there and does not take it in time. */
#define ATTEMPTS_MAX 5

struct event {
	struct list link;
	char *topic;
	const char *type_url; /* the message's name: constant */
	struct timespec at;
	unsigned attempts;
	size_t len;
	uint8_t data[];
};

struct events {
	struct loop *loop;
	char *namespace, *ttrpc_address, *binary, *address;
	int64_t send_ms, retry_ms;
	struct list queue;
	size_t n, dropped;
	bool busy; /* the first one is on its way */

	struct ttrpc_client *client;
	struct ttrpc_pending *call;
	pid_t pid; /* of the publish binary */
	struct loop_source *child, *limit, *turn;

	void (*flushed)(void *arg);
	void *flush_arg;
	struct loop_source *flush;
};

/* ---- the queue -------------------------------------------------------------- */

static struct event *first(const struct events *e)
{
	return list_empty(&e->queue) ? NULL : container_of(e->queue.next, struct event, link);
}

static void drop(struct events *e, struct event *ev)
{
	list_del(&ev->link);
	e->n--;
	free(ev->topic);
	free(ev);
}

static void on_flushed(void *arg)
{
	struct events *e = arg;
	void (*flushed)(void *) = e->flushed;

	e->flush = NULL;
	e->flushed = NULL;
	if (e->n > 0)
		log_warn("%zu events are not delivered: containerd does not take them", e->n);
	flushed(e->flush_arg);
}

static void look_flushed(struct events *e)
{
	if (!e->flushed || e->n > 0)
		return;
	loop_remove(&e->flush);
	e->flush = loop_defer(e->loop, on_flushed, e);
}

static void on_turn(void *arg);

static void turn(struct events *e, int64_t ms)
{
	if (!e->turn && !e->busy)
		e->turn = loop_add_timer(e->loop, ms, on_turn, e);
}

/* What became of the first event; @err NULL: delivered. @refused: trying again is in vain. */
static void sent(struct events *e, const struct err *err, bool refused)
{
	struct event *ev = first(e);

	e->busy = false;
	if (err && !refused) {
		if (ev->attempts == 1)
			log_info("event %s waits: %s", ev->topic, err_msg(err));
		turn(e, e->retry_ms);
		return;
	}
	if (err)
		log_warn("event %s is dropped: %s", ev->topic, err_msg(err));
	else
		log_debug("event %s is delivered", ev->topic);
	drop(e, ev);
	if (e->n > 0)
		turn(e, 0);
	look_flushed(e);
}

/* ---- by ttrpc --------------------------------------------------------------- */

static void on_closed(const struct err *err, void *arg)
{
	struct events *e = arg;

	bool unanswered = e->call != NULL;

	log_info("the connection to containerd has ended: %s", err_msg(err));
	/* A call that was made when it had ended already has no other answer. */
	ttrpc_cancel(&e->call);
	ttrpc_client_free(take_ptr(e->client));
	if (unanswered)
		sent(e, err, false);
}

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct events *e = arg;
	bool refused;

	e->call = NULL;
	if (rsp) {
		sent(e, NULL, false);
		return;
	}
	/* A daemon that starts, or ends, is another matter than one that does not want it. */
	refused = err->code != -ECONNRESET && err->code != -ECONNREFUSED &&
		  (err->code != -ETIMEDOUT || first(e)->attempts >= ATTEMPTS_MAX);
	sent(e, err, refused);
}

static int connect_ttrpc(struct events *e, struct err *err)
{
	const char *path =
		str_starts(e->ttrpc_address, "unix://") ? e->ttrpc_address + 7 : e->ttrpc_address;
	int fd;

	if (e->client)
		return 0;
	fd = unix_connect(path, true, err);
	if (fd < 0)
		return fd;
	e->client = ttrpc_client_new(e->loop, fd, on_closed, e);
	return e->client ? 0 : err_sys(err, errno, "%s", path);
}

static void send_ttrpc(struct events *e, struct event *ev)
{
	Containerd__Services__Events__Ttrpc__V1__ForwardRequest req =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__FORWARD_REQUEST__INIT;
	Containerd__Services__Events__Ttrpc__V1__Envelope envelope =
		CONTAINERD__SERVICES__EVENTS__TTRPC__V1__ENVELOPE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct err err = ERR_INIT;

	if (connect_ttrpc(e, &err) < 0) {
		sent(e, &err, false);
		return;
	}
	at.seconds = ev->at.tv_sec;
	at.nanos = (int32_t)ev->at.tv_nsec;
	any.type_url = (char *)(uintptr_t)ev->type_url;
	any.value.data = ev->data;
	any.value.len = ev->len;
	envelope.timestamp = &at;
	envelope.namespace_ = e->namespace;
	envelope.topic = ev->topic;
	envelope.event = &any;
	req.envelope = &envelope;
	e->call = ttrpc_client_call(e->client,
				    &containerd__services__events__ttrpc__v1__events__descriptor,
				    "Forward", &req.base, e->send_ms, on_answer, e);
}

/* ---- by the publish binary -------------------------------------------------- */

static void on_limit(void *arg)
{
	struct events *e = arg;

	e->limit = NULL;
	log_warn("%s does not end, it is killed", e->binary);
	kill(e->pid, SIGKILL);
}

static void on_child(pid_t pid, int status, void *arg)
{
	struct events *e = arg;
	struct err err = ERR_INIT;

	(void)pid;
	e->child = NULL;
	e->pid = 0;
	loop_remove(&e->limit);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		sent(e, NULL, false);
		return;
	}
	err_set(&err, EIO, "%s: %s %d", e->binary, WIFEXITED(status) ? "status" : "signal",
		WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	sent(e, &err, first(e)->attempts >= ATTEMPTS_MAX);
}

/* A descriptor to read the event from, as a google.protobuf.Any. */
static int open_event(const struct event *ev, struct err *err)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	auto_close int fd = memfd_create("event", MFD_CLOEXEC);
	auto_free uint8_t *wire = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(err, errno, "cannot make a file in memory");
	any.type_url = (char *)(uintptr_t)ev->type_url;
	any.value.data = (uint8_t *)(uintptr_t)ev->data;
	any.value.len = ev->len;
	wire = xmalloc(google__protobuf__any__get_packed_size(&any) + 1);
	len = google__protobuf__any__pack(&any, wire);
	r = fd_write_full(fd, wire, len);
	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, r < 0 ? r : errno, "cannot write to a file in memory");
	return take_fd(&fd);
}

static void send_binary(struct events *e, struct event *ev)
{
	const char *argv[] = { e->binary, "--address",	 e->address,   "publish", "--topic",
			       ev->topic, "--namespace", e->namespace, NULL };
	struct err err = ERR_INIT;
	auto_close int fd = open_event(ev, &err);
	struct proc_spec spec = { .argv = argv, .stdio = { fd, -1, -1 }, .die_with_parent = true };
	struct proc proc;

	if (fd < 0 || proc_spawn(&spec, &proc, &err) < 0) {
		sent(e, &err, ev->attempts >= ATTEMPTS_MAX);
		return;
	}
	e->pid = proc.pid;
	e->child = loop_add_child(e->loop, proc.pid, proc.pidfd, on_child, e);
	if (!e->child) {
		kill(proc.pid, SIGKILL);
		waitpid(proc.pid, NULL, 0);
		err_sys(&err, errno, "cannot watch %s", e->binary);
		sent(e, &err, false);
		return;
	}
	e->limit = loop_add_timer(e->loop, e->send_ms, on_limit, e);
}

/* ---- publishing ------------------------------------------------------------- */

static void on_turn(void *arg)
{
	struct events *e = arg;
	struct event *ev = first(e);

	e->turn = NULL;
	if (!ev || e->busy)
		return;
	e->busy = true;
	ev->attempts++;
	if (e->ttrpc_address)
		send_ttrpc(e, ev);
	else
		send_binary(e, ev);
}

/* One that is on its way stays. */
static void make_room(struct events *e)
{
	struct list *it = e->queue.next;

	if (e->n < EVENTS_MAX)
		return;
	if (e->dropped++ == 0)
		log_error("containerd takes no events: the oldest are dropped");
	drop(e, container_of(e->busy ? it->next : it, struct event, link));
}

void events_publish(struct events *e, const char *topic, const ProtobufCMessage *msg)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	struct event *ev;

	if (!e->ttrpc_address && !e->binary) {
		log_info("event %s", topic);
		return;
	}
	make_room(e);
	ev = xcalloc(1, sizeof(*ev) + size + 1);
	ev->topic = xstrdup(topic);
	ev->type_url = msg->descriptor->name;
	clock_gettime(CLOCK_REALTIME, &ev->at);
	ev->len = protobuf_c_message_pack(msg, ev->data);
	list_add_tail(&e->queue, &ev->link);
	e->n++;
	/* While an attempt is awaited its time counts, not the next event's. */
	turn(e, 0);
}

void events_flush(struct events *e, int64_t limit_ms, void (*done)(void *arg), void *arg)
{
	e->flushed = done;
	e->flush_arg = arg;
	e->flush = loop_add_timer(e->loop, e->n > 0 ? limit_ms : 0, on_flushed, e);
}

/* An empty string is none. */
static char *some(const char *text)
{
	return text && *text ? xstrdup(text) : NULL;
}

struct events *events_new(struct loop *loop, const struct events_options *opt)
{
	struct events *e = xcalloc(1, sizeof(*e));

	e->loop = loop;
	list_init(&e->queue);
	e->namespace = xstrdup(opt->namespace ? opt->namespace : "");
	e->ttrpc_address = some(opt->ttrpc_address);
	e->binary = some(opt->binary);
	e->address = xstrdup(opt->address ? opt->address : "");
	e->send_ms = opt->send_ms ? opt->send_ms : EVENTS_SEND_MS;
	e->retry_ms = opt->retry_ms ? opt->retry_ms : EVENTS_RETRY_MS;
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	loop_remove(&e->turn);
	loop_remove(&e->flush);
	loop_remove(&e->limit);
	loop_remove(&e->child);
	ttrpc_client_free(e->client);
	if (e->pid) {
		kill(e->pid, SIGKILL);
		waitpid(e->pid, NULL, 0);
	}
	while (first(e))
		drop(e, first(e));
	free(e->namespace);
	free(e->ttrpc_address);
	free(e->binary);
	free(e->address);
	free(e);
}
