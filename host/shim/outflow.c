/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/outflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"

/* Larger than a pipe of the guest, so that one call empties it. */
#define READ_MAX (256u << 10)

struct outflow {
	struct loop *loop;
	struct port port;
	bool is_stderr;
	outflow_cb cb;
	void *arg;
	struct sandbox *sb; /* NULL: not started */
	char *id, *exec_id;
	struct loop_source *src; /* while the port is full */
	uint8_t *rest;		 /* what the port did not take yet */
	size_t len, done;
	bool reading; /* the sandbox owes us an answer */
	bool broken;  /* nobody reads from the port any more, and the process is to know */
	bool ended;
	bool orphan; /* freed, but for that answer */
};

struct outflow *outflow_new(struct loop *loop, struct port *port, bool is_stderr, outflow_cb cb,
			    void *arg)
{
	struct outflow *f = xcalloc(1, sizeof(*f));

	f->loop = loop;
	f->port = *port;
	port->fd = -1;
	f->is_stderr = is_stderr;
	f->cb = cb;
	f->arg = arg;
	return f;
}

static void release(struct outflow *f)
{
	free(f->id);
	free(f->exec_id);
	free(f);
}

static void stop(struct outflow *f)
{
	loop_remove(&f->src);
	port_close(&f->port);
	free(take_ptr(f->rest));
}

void outflow_free(struct outflow *f)
{
	if (!f)
		return;
	stop(f);
	f->orphan = true;
	if (!f->reading)
		release(f);
}

bool outflow_ended(const struct outflow *f)
{
	return f->ended || !f->sb;
}

bool outflow_held(const struct outflow *f)
{
	return f->rest && f->port.kind != PORT_PRIVATE;
}

/* Write what the port takes. Returns the bytes done with; all of them when there is no port. */
static size_t write_some(struct outflow *f, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len && f->port.fd >= 0) {
		ssize_t n = port_write(&f->port, data + done, len - done);

		if (n == -EAGAIN)
			return done;
		if (n < 0) {
			log_info("container %s: %s: %s; the rest of it is dropped", f->id,
				 f->is_stderr ? "stderr" : "stdout", strerror((int)-n));
			port_close(&f->port);
			f->broken = n == -EPIPE;
			break;
		}
		done += (size_t)n;
	}
	return len;
}

static void on_read(const struct err *err, const void *data, size_t len, void *arg);

static void read_more(struct outflow *f)
{
	f->reading = true;
	(f->is_stderr ? sandbox_read_stderr : sandbox_read_stdout)(
		f->sb, f->id, f->exec_id, f->broken ? 0 : READ_MAX, on_read, f);
}

static void on_room(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct outflow *f = arg;
	size_t n;

	(void)src;
	(void)fd;
	(void)events;
	n = write_some(f, f->rest + f->done, f->len - f->done);
	f->done += n;
	if (f->done == f->len) {
		loop_remove(&f->src);
		free(take_ptr(f->rest));
		read_more(f);
	}
	if (n > 0)
		f->cb(f->arg);
}

/* Keep @len bytes until the port has room. False when it cannot be waited for. */
static bool keep(struct outflow *f, const uint8_t *data, size_t len)
{
	f->src = loop_add_fd(f->loop, f->port.fd, EPOLLOUT, on_room, f);
	if (!f->src)
		return false;
	f->rest = xmalloc(len);
	memcpy(f->rest, data, len);
	f->len = len;
	f->done = 0;
	return true;
}

static void take_data(struct outflow *f, const uint8_t *data, size_t len)
{
	size_t done = write_some(f, data, len);

	if (done < len && keep(f, data + done, len - done))
		return;
	if (done < len) {
		log_warn("container %s: cannot wait for %s: %s; the rest of it is dropped", f->id,
			 f->is_stderr ? "stderr" : "stdout", strerror(errno));
		port_close(&f->port);
	}
	read_more(f);
}

static void on_read(const struct err *err, const void *data, size_t len, void *arg)
{
	struct outflow *f = arg;

	f->reading = false;
	if (f->orphan) {
		release(f);
		return;
	}
	if (err && f->broken) {
		/* A terminal, or an agent that cannot break the pipe: drop what comes. */
		f->broken = false;
		read_more(f);
		return;
	}
	if (err)
		log_debug("container %s: %s ends: %s", f->id, f->is_stderr ? "stderr" : "stdout",
			  err_msg(err));
	if (err || len == 0) {
		f->ended = true;
		stop(f);
	} else {
		take_data(f, data, len);
	}
	f->cb(f->arg);
}

bool outflow_size(const struct outflow *f, uint32_t *width, uint32_t *height)
{
	struct winsize size;

	if (f->port.fd < 0 || ioctl(f->port.fd, TIOCGWINSZ, &size) < 0)
		return false;
	*width = size.ws_col;
	*height = size.ws_row;
	return true;
}

void outflow_drop(struct outflow *f)
{
	bool idle = f->sb && !f->ended && !f->reading;

	stop(f);
	if (idle)
		read_more(f);
}

void outflow_start(struct outflow *f, struct sandbox *sb, const char *id, const char *exec_id)
{
	f->sb = sb;
	f->id = xstrdup(id);
	f->exec_id = xstrdup(exec_id);
	read_more(f);
}
