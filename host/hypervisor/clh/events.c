/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/clh/events.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

/* Bytes of one event. */
#define EVENT_MAX 16384

struct clh_events {
	int fd;
	struct loop_source *src;
	struct json_tokener *tok;
	size_t pending; /* bytes of an event that is not complete */
	clh_event_cb cb;
	void *arg;
};

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
		return json_object_get_string(v);
	return "";
}

static void give_up(struct clh_events *ev)
{
	loop_remove(&ev->src);
	close_fd(&ev->fd);
}

/* False when it is no event. */
static bool take(struct clh_events *ev, const char *data, size_t len)
{
	while (len > 0) {
		struct json_object *o = json_tokener_parse_ex(ev->tok, data, (int)len);
		enum json_tokener_error e = json_tokener_get_error(ev->tok);
		size_t used = json_tokener_get_parse_end(ev->tok);

		if (e == json_tokener_continue) {
			ev->pending += len;
			return ev->pending <= EVENT_MAX;
		}
		if (e != json_tokener_success || !json_object_is_type(o, json_type_object)) {
			json_object_put(o);
			return false;
		}
		ev->pending = 0;
		log_debug("clh: event %s %s", text_of(o, "source"), text_of(o, "event"));
		ev->cb(text_of(o, "source"), text_of(o, "event"), ev->arg);
		json_object_put(o);
		data += used;
		len -= used;
	}
	return true;
}

void clh_events_drain(struct clh_events *ev)
{
	char buf[4096];
	ssize_t n;

	while (ev && ev->fd >= 0) {
		n = read(ev->fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			give_up(ev);
		} else if (!take(ev, buf, (size_t)n)) {
			log_warn("clh: its events are not understood");
			give_up(ev);
		}
	}
}

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	clh_events_drain(arg);
}

struct clh_events *clh_events_new(struct loop *loop, int fd, clh_event_cb cb, void *arg,
				  struct err *err)
{
	struct clh_events *ev = xcalloc(1, sizeof(*ev));

	ev->fd = fd;
	ev->cb = cb;
	ev->arg = arg;
	ev->tok = json_tokener_new();
	fd_set_nonblock(fd, true);
	ev->src = loop_add_fd(loop, fd, EPOLLIN, on_ready, ev);
	if (!ev->src) {
		err_sys(err, errno, "epoll");
		clh_events_free(ev);
		return NULL;
	}
	return ev;
}

void clh_events_free(struct clh_events *ev)
{
	if (!ev)
		return;
	give_up(ev);
	json_tokener_free(ev->tok);
	free(ev);
}
