/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"

struct command {
	struct list link;
	struct qmp *qmp;
	int64_t id;
	char *name;
	struct loop_source *timer;
	qmp_done done;
	void *arg;
};

struct qmp {
	struct loop *loop;
	struct loop_source *src;
	int fd;
	const struct qmp_handler *handler;
	void *arg;
	bool greeted;
	bool busy; /* callbacks run: qmp_free() only marks */
	bool dead;
	int64_t next_id;
	struct str in, out;
	int pass; /* a descriptor that goes with what begins at `pass_at` of out; -1: none */
	size_t pass_at;
	struct list commands; /* sent, not answered */
};

static void command_free(struct command *c)
{
	list_del(&c->link);
	loop_remove(&c->timer);
	free(c->name);
	free(c);
}

/* Ends the command before its callback runs, which may do anything. */
static void finish(struct command *c, const struct err *err, struct json_object *ret)
{
	qmp_done done = c->done;
	void *arg = c->arg;

	command_free(c);
	if (done)
		done(err, ret, arg);
}

static void release(struct qmp *q)
{
	str_free(&q->in);
	str_free(&q->out);
	free(q);
}

/* Callbacks from here may call qmp_free(). */
static void enter(struct qmp *q)
{
	q->busy = true;
}

/* False when the owner freed us meanwhile. */
static bool leave(struct qmp *q)
{
	q->busy = false;
	if (!q->dead)
		return true;
	release(q);
	return false;
}

/* Fail all commands and tell the owner. The qmp may be gone afterwards. */
static void give_up(struct qmp *q, const struct err *why)
{
	struct err end = *why;

	loop_remove(&q->src);
	close_fd(&q->fd);
	enter(q);
	if (!end.code)
		err_set(&end, EPIPE, "QMP: the connection is closed");
	while (!q->dead && !list_empty(&q->commands)) {
		struct command *c = container_of(q->commands.next, struct command, link);
		struct err err = end;

		err_wrap(&err, "%s", c->name);
		finish(c, &err, NULL);
	}
	if (!q->dead)
		q->handler->closed(why, q->arg);
	leave(q);
}

/* 0 or -errno; what does not fit now waits for EPOLLOUT. */
static int flush(struct qmp *q)
{
	while (q->out.len > 0) {
		bool pass = q->pass >= 0 && q->pass_at == 0;
		size_t len = q->pass >= 0 && !pass ? q->pass_at : q->out.len;
		ssize_t n = pass ? fd_send(q->fd, q->out.data, len, &q->pass, 1) :
				   send(q->fd, q->out.data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (pass && n < 0)
			errno = (int)-n;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		str_drop(&q->out, (size_t)n);
		if (pass)
			close_fd(&q->pass);
		else if (q->pass >= 0)
			q->pass_at -= (size_t)n;
	}
	loop_set_events(q->src, q->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
	return 0;
}

static void on_timeout(void *arg)
{
	struct command *c = arg;
	struct err err = ERR_INIT;

	c->timer = NULL;
	err_set(&err, ETIMEDOUT, "QMP: %s: no answer within %d ms", c->name, QMP_TIMEOUT_MS);
	finish(c, &err, NULL);
}

void qmp_command_fd(struct qmp *q, const char *name, struct json_object *arguments, int fd,
		    qmp_done done, void *arg)
{
	close_fd(&q->pass);
	q->pass = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	q->pass_at = q->out.len;
	qmp_command(q, name, arguments, done, arg);
}

void qmp_command(struct qmp *q, const char *name, struct json_object *arguments, qmp_done done,
		 void *arg)
{
	struct json_object *o = json_object_new_object();
	struct command *c = xcalloc(1, sizeof(*c));
	auto_free char *id = xasprintf("%lld", (long long)q->next_id);

	c->qmp = q;
	c->id = q->next_id++;
	c->name = xstrdup(name);
	c->done = done;
	c->arg = arg;
	list_add_tail(&q->commands, &c->link);
	/* A closed connection answers in the next round, as a slow one would. */
	c->timer = loop_add_timer(q->loop, q->fd >= 0 ? QMP_TIMEOUT_MS : 0, on_timeout, c);

	json_object_object_add(o, "execute", json_object_new_string(name));
	if (arguments)
		json_object_object_add(o, "arguments", arguments);
	/* StratoVirt takes strings alone. */
	json_object_object_add(o, "id", json_object_new_string(id));
	str_puts(&q->out, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	str_putc(&q->out, '\n');
	json_object_put(o);
	/* A failure to send shows as the end of the stream as well. */
	if (q->fd >= 0)
		flush(q);
}

const char *qmp_text(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ?
		       json_object_get_string(v) :
		       NULL;
}

static struct command *find_command(struct qmp *q, struct json_object *id)
{
	struct list *it;
	long long number;

	if (!(json_object_is_type(id, json_type_string) ||
	      json_object_is_type(id, json_type_int)) ||
	    str_to_ll(json_object_get_string(id), 0, INT64_MAX, &number) < 0)
		return NULL;
	list_for_each(it, &q->commands) {
		struct command *c = container_of(it, struct command, link);

		if (c->id == number)
			return c;
	}
	return NULL;
}

static void on_reply(struct qmp *q, struct json_object *o)
{
	struct json_object *id, *ret = NULL, *error;
	struct err err = ERR_INIT;
	struct command *c;
	const char *desc;

	/*
	 * Nobody waits for an answer that came too late. StratoVirt leaves the ID out of some;
	 * commands are answered in their order.
	 */
	if (json_object_object_get_ex(o, "id", &id))
		c = find_command(q, id);
	else
		c = list_empty(&q->commands) ? NULL :
					       container_of(q->commands.next, struct command, link);
	if (!c)
		return;
	if (json_object_object_get_ex(o, "error", &error)) {
		desc = json_object_is_type(error, json_type_object) ? qmp_text(error, "desc") :
								      NULL;
		err_set(&err, EIO, "QMP: %s: %s", c->name, desc ? desc : "failed");
		finish(c, &err, NULL);
		return;
	}
	json_object_object_get_ex(o, "return", &ret);
	finish(c, NULL, ret);
}

static void on_capabilities(const struct err *err, struct json_object *ret, void *arg)
{
	struct qmp *q = arg;

	(void)ret;
	if (err)
		log_warn("%s", err_msg(err));
	else
		q->handler->ready(q->arg);
}

/* {"version": {"qemu": {"major": N, "minor": N, …}}, …}; who does not say is not asked. */
static int on_greeting(struct qmp *q, struct json_object *greeting, struct err *err)
{
	struct json_object *version, *qemu, *major, *minor;

	if (q->greeted)
		return 0;
	q->greeted = true;
	if (q->handler->version && json_object_object_get_ex(greeting, "version", &version) &&
	    json_object_object_get_ex(version, "qemu", &qemu) &&
	    json_object_object_get_ex(qemu, "major", &major) &&
	    json_object_object_get_ex(qemu, "minor", &minor)) {
		int r = q->handler->version(json_object_get_int(major), json_object_get_int(minor),
					    err, q->arg);

		if (r < 0)
			return r;
	}
	qmp_command(q, "qmp_capabilities", NULL, on_capabilities, q);
	return 0;
}

static int on_object(struct qmp *q, struct json_object *o, struct err *err)
{
	struct json_object *data = NULL;
	const char *event = qmp_text(o, "event");

	if (event) {
		json_object_object_get_ex(o, "data", &data);
		q->handler->event(event, data, q->arg);
	} else if (json_object_object_get_ex(o, "QMP", &data)) {
		return on_greeting(q, data, err);
	} else {
		on_reply(q, o);
	}
	return 0;
}

static int on_line(struct qmp *q, const char *line, size_t len, struct err *err)
{
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, line, (int)len);
	bool ok = json_tokener_get_error(tok) == json_tokener_success &&
		  json_object_is_type(o, json_type_object);

	int r = 0;

	json_tokener_free(tok);
	if (ok)
		r = on_object(q, o, err);
	json_object_put(o);
	return ok ? r : err_set(err, EPROTO, "QMP: the answer is no JSON object");
}

/* Handle the complete lines. -ECANCELED when the owner freed us meanwhile. */
static int on_lines(struct qmp *q, struct err *err)
{
	size_t used = 0;
	char *nl;
	int r = 0;

	enter(q);
	while (r == 0 && !q->dead && (nl = memchr(q->in.data + used, '\n', q->in.len - used))) {
		const char *line = q->in.data + used;
		size_t len = (size_t)(nl - line);

		used += len + 1;
		/* A line of blanks is what "\r\n" makes of some ends. */
		if (strspn(line, " \r\t") < len)
			r = on_line(q, line, len, err);
	}
	if (!leave(q))
		return -ECANCELED;
	str_drop(&q->in, used);
	if (r == 0 && q->in.len > QMP_LINE_MAX)
		r = err_set(err, EMSGSIZE, "QMP: a line of more than %d bytes", QMP_LINE_MAX);
	return r;
}

static void on_socket(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct qmp *q = arg;
	struct err err = ERR_INIT;
	char buf[4096];
	ssize_t n;
	int r = 0;

	(void)src;
	/* A failure to send shows as the end of the stream as well. */
	if (events & EPOLLOUT)
		flush(q);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		str_add(&q->in, buf, (size_t)n);
		r = on_lines(q, &err);
	}
	if (r == -ECANCELED)
		return;
	if (n <= 0 || r < 0)
		give_up(q, &err);
}

static void on_no_epoll(void *arg)
{
	struct qmp *q = arg;
	struct err err = ERR_INIT;

	q->src = NULL;
	err_set(&err, EIO, "QMP: the socket cannot be watched");
	give_up(q, &err);
}

struct qmp *qmp_new(struct loop *loop, int fd, const struct qmp_handler *handler, void *arg)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->loop = loop;
	q->fd = fd;
	q->pass = -1;
	q->handler = handler;
	q->arg = arg;
	list_init(&q->commands);
	q->src = loop_add_fd(loop, fd, EPOLLIN, on_socket, q);
	if (!q->src)
		q->src = loop_defer(loop, on_no_epoll, q);
	return q;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	loop_remove(&q->src);
	close_fd(&q->fd);
	close_fd(&q->pass);
	while (!list_empty(&q->commands))
		command_free(container_of(q->commands.next, struct command, link));
	q->dead = true;
	if (!q->busy)
		release(q);
}
