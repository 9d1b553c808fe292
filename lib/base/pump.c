/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pump.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define CHUNK 32768

struct pump {
	struct loop *loop;
	int from, to;
	struct loop_source *readable, *writable; /* one of them: never both */
	struct loop_source *silence;
	uint8_t *rest; /* read, and not taken yet */
	size_t at, len;
	bool drain, exited;
	bool finishing; /* read only what is there, do not wait for more */
	void (*done)(void *arg);
	void *arg;
};

static void on_readable(struct loop_source *src, int fd, uint32_t events, void *arg);
static void on_writable(struct loop_source *src, int fd, uint32_t events, void *arg);

void pump_stop(struct pump **at)
{
	struct pump *p = *at;

	if (!p)
		return;
	*at = NULL;
	loop_remove(&p->readable);
	loop_remove(&p->writable);
	loop_remove(&p->silence);
	close_fd(&p->from);
	close_fd(&p->to);
	free(p->rest);
	free(p);
}

static void end(struct pump *p)
{
	void (*done)(void *arg) = p->done;
	void *arg = p->arg;

	/* A connection that others hold too ends for its reader all the same. */
	if (p->to >= 0)
		(void)shutdown(p->to, SHUT_WR);
	pump_stop(&p);
	done(arg);
}

static void on_silence(void *arg)
{
	struct pump *p = arg;
	int n = 0;

	p->silence = NULL;
	if (p->len == 0 && (ioctl(p->from, FIONREAD, &n) < 0 || n == 0))
		end(p);
}

static void count_silence(struct pump *p)
{
	loop_remove(&p->silence);
	if (p->exited)
		p->silence = loop_add_timer(p->loop, PUMP_SILENCE_MS, on_silence, p);
}

/*
 * As much as @to takes now: the number of bytes, or -EPIPE when it takes no
 * more ever.
 */
static ssize_t deliver(struct pump *p, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (p->to >= 0 && done < len) {
		ssize_t n = write(p->to, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return (ssize_t)done;
		if (n < 0) {
			if (!p->drain)
				return -EPIPE;
			close_fd(&p->to);
			break;
		}
		done += (size_t)n;
	}
	return (ssize_t)len;
}

/* Wait for the side that is needed; the other one may be hung up, and would say so for ever. */
static void wait_to_write(struct pump *p)
{
	loop_remove(&p->readable);
	if (!p->writable)
		p->writable = loop_add_fd(p->loop, p->to, EPOLLOUT, on_writable, p);
}

static void wait_to_read(struct pump *p)
{
	loop_remove(&p->writable);
	if (!p->readable)
		p->readable = loop_add_fd(p->loop, p->from, EPOLLIN, on_readable, p);
}

static void keep(struct pump *p, const uint8_t *data, size_t len)
{
	p->rest = xmalloc(len);
	memcpy(p->rest, data, len);
	p->at = 0;
	p->len = len;
	wait_to_write(p);
}

/* One chunk. False when the pump is gone, has to wait, or is to let others go first. */
static bool carry(struct pump *p)
{
	static uint8_t buf[CHUNK];
	ssize_t n = read(p->from, buf, sizeof(buf)), taken;

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN && !p->finishing)
		return false;
	if (n <= 0) { /* EIO: the last one closed the terminal */
		end(p);
		return false;
	}
	count_silence(p);
	taken = deliver(p, buf, (size_t)n);
	if (taken < 0) {
		end(p);
		return false;
	}
	if (taken == n)
		return p->finishing;
	keep(p, buf + taken, (size_t)(n - taken));
	return false;
}

static void on_readable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	(void)carry(arg);
}

static void on_writable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct pump *p = arg;
	ssize_t taken = deliver(p, p->rest + p->at, p->len);

	(void)src;
	(void)fd;
	(void)events;
	if (taken < 0) {
		end(p);
		return;
	}
	p->at += (size_t)taken;
	p->len -= (size_t)taken;
	if (p->len > 0)
		return;
	free(p->rest);
	p->rest = NULL;
	count_silence(p);
	wait_to_read(p);
	while (p->finishing && carry(p))
		;
}

struct pump *pump_start(struct loop *loop, int from, int to, bool drain, void (*done)(void *arg),
			void *arg)
{
	struct pump *p = xcalloc(1, sizeof(*p));

	*p = (struct pump){
		.loop = loop,
		.from = from,
		.to = to,
		.drain = drain,
		.done = done,
		.arg = arg,
	};
	(void)fd_set_nonblock(from, true);
	if (to >= 0)
		(void)fd_set_nonblock(to, true);
	wait_to_read(p);
	return p;
}

void pump_exited(struct pump *p)
{
	if (!p)
		return;
	p->exited = true;
	count_silence(p);
}

void pump_finish(struct pump *p)
{
	if (!p || p->finishing)
		return;
	p->finishing = true;
	while (p->len == 0 && carry(p))
		;
}
