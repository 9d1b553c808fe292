/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/virtio/backlog.h"
#include "vmm/virtio/console_end.h"

#define QUEUE_SIZE 64
#define CHAIN_MAX  (64 << 10) /* bytes of one chain; no driver sends as many */
#define INPUT_MAX  4096
/* How long callers wait after accept() failed, for want of descriptors as a rule. */
#define ACCEPT_PAUSE_MS 50

enum { RX, TX, QUEUES };

struct console {
	struct virtio_device dev;
	struct virtq queues[QUEUES];
	struct virtio_console_config config;
	struct virtio_console_setup setup;

	struct console_end in, out, listener; /* @out is unused where @in is both */
	struct loop_source *listener_pause;
	bool both;
	bool drop_told;

	uint8_t input[INPUT_MAX]; /* for the guest */
	size_t input_len;
	struct backlog kept; /* of output */
	struct virtq_chain chain;
};

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg);

static struct console_end *output(struct console *c)
{
	return c->both ? &c->in : &c->out;
}

static void update(struct console *c)
{
	bool room = c->setup.keys || c->input_len < INPUT_MAX;
	uint32_t in = room ? EPOLLIN : 0, out = c->kept.len > 0 ? EPOLLOUT : 0;

	console_end_watch(&c->in, c->both ? in | out : in);
	console_end_watch(&c->out, out);
	console_end_watch(&c->listener, c->in.fd < 0 && !c->listener_pause ? EPOLLIN : 0);
}

/* Output. */

static void keep(struct console *c, const uint8_t *data, size_t len)
{
	if (backlog_add(&c->kept, data, len) || output(c)->fd < 0 || c->drop_told)
		return;
	log_warn("console %s: output is dropped, its reader is slow", c->dev.id);
	c->drop_told = true;
}

/* Whoever took the output has gone. */
static void lose_output(struct console *c)
{
	console_end_close(output(c));
	c->both = false;
}

static void flush(struct console *c)
{
	while (c->kept.len > 0 && output(c)->fd >= 0) {
		struct iovec iov[2];
		unsigned pieces = backlog_look(&c->kept, iov);
		ssize_t n = console_end_write(output(c), iov, pieces);

		if (n < 0)
			lose_output(c);
		if (n <= 0)
			break;
		backlog_drop(&c->kept, (size_t)n);
	}
}

/* One chain of the guest's output: at once, right from its memory, if nothing is before it. */
static void print(struct console *c, struct virtq_chain *chain)
{
	size_t left = CHAIN_MAX, sent = 0;
	ssize_t n = 0;

	for (unsigned i = 0; i < chain->readable; i++) {
		if (chain->iov[i].iov_len > left)
			chain->iov[i].iov_len = left;
		left -= chain->iov[i].iov_len;
	}
	if (c->kept.len == 0 && output(c)->fd >= 0) {
		n = console_end_write(output(c), chain->iov, chain->readable);
		if (n < 0)
			lose_output(c);
		sent = n > 0 ? (size_t)n : 0;
	}
	for (unsigned i = 0; i < chain->readable; i++) {
		size_t len = chain->iov[i].iov_len, skip = sent < len ? sent : len;

		keep(c, (uint8_t *)chain->iov[i].iov_base + skip, len - skip);
		sent -= skip;
	}
}

static void transmit(struct console *c)
{
	struct virtq *q = &c->queues[TX];
	unsigned done = 0;
	int r = 0;

	virtq_kicks(q, false);
	for (; done < q->size && (r = virtq_pop(q, &c->chain)) > 0; done++) {
		print(c, &c->chain);
		virtq_push(q, c->chain.head, 0);
	}
	virtio_notify(&c->dev, TX);
	if (r < 0)
		virtio_break(&c->dev, "output: bad descriptors");
	else if (virtq_kicks(q, true))
		virtio_kick_later(&c->dev, TX);
}

/* Input. */

/* Read once what fits. False at its end, or when it has to be waited for. */
static bool take_input(struct console *c)
{
	uint8_t overflow[256], *to = c->input + c->input_len;
	size_t room = INPUT_MAX - c->input_len;
	bool full = room == 0;
	ssize_t n;

	if (full && !c->setup.keys)
		return false;
	if (full) {
		to = overflow;
		room = sizeof(overflow);
	}
	n = read(c->in.fd, to, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		if (c->both)
			lose_output(c);
		else
			console_end_close(&c->in);
		return false;
	}
	if (c->setup.keys)
		n = (ssize_t)c->setup.keys(c->setup.arg, to, (size_t)n);
	if (!full)
		c->input_len += (size_t)n;
	return true;
}

static void receive(struct console *c)
{
	struct virtq *q = &c->queues[RX];
	unsigned chains = 0;
	size_t done = 0;
	int r = 0;

	if (!virtio_runs(&c->dev))
		return;
	virtq_kicks(q, false);
	for (; chains < q->size && done < c->input_len; chains++) {
		size_t n;

		r = virtq_pop(q, &c->chain);
		if (r <= 0)
			break;
		n = virtq_write(&c->chain, 0, c->input + done, c->input_len - done);
		virtq_push(q, c->chain.head, (uint32_t)n);
		done += n;
	}
	c->input_len -= done;
	memmove(c->input, c->input + done, c->input_len);
	virtio_notify(&c->dev, RX);
	if (r < 0)
		virtio_break(&c->dev, "input: bad descriptors");
	else if ((c->input_len > 0 || c->in.is_file) && virtq_kicks(q, true))
		virtio_kick_later(&c->dev, RX);
}

static void receive_file(struct console *c)
{
	size_t before;

	do {
		before = c->input_len;
		if (c->in.is_file)
			take_input(c);
		receive(c);
	} while (c->in.is_file && c->input_len < before);
}

/* Callers. */

static void accept_again(void *arg)
{
	struct console *c = arg;

	c->listener_pause = NULL;
	update(c);
}

static void accept_caller(struct console *c)
{
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return;
	if (fd < 0) {
		/* They are in the backlog until then: the loop would hear of them without end. */
		c->listener_pause = loop_add_timer(c->dev.loop, ACCEPT_PAUSE_MS, accept_again, c);
		return;
	}
	if (console_end_take(&c->in, fd, c->dev.loop, on_event, c) < 0)
		return;
	c->both = true;
	flush(c);
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct console *c = arg;

	(void)fd;
	if (src == c->listener.source) {
		accept_caller(c);
	} else {
		if (src == output(c)->source && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			flush(c);
		if (src == c->in.source && events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
			take_input(c);
			receive(c);
		}
	}
	update(c);
}

/* The device. */

static int console_start(struct virtio_device *dev)
{
	(void)dev;
	return 0;
}

static void console_kick(struct virtio_device *dev, unsigned queue)
{
	struct console *c = container_of(dev, struct console, dev);

	if (queue == TX)
		transmit(c);
	else if (c->in.is_file)
		receive_file(c);
	else
		receive(c);
	update(c);
}

static void console_reset(struct virtio_device *dev)
{
	(void)dev; /* nothing of the guest's is ever held */
}

static void console_free(struct virtio_device *dev)
{
	struct console *c = container_of(dev, struct console, dev);

	flush(c);
	console_end_close(&c->in);
	console_end_close(&c->out);
	console_end_close(&c->listener);
	loop_remove(&c->listener_pause);
	free(c);
}

static const struct virtio_ops console_ops = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.start = console_start,
	.kick = console_kick,
	.reset = console_reset,
	.free = console_free,
};

static int open_ends(struct console *c)
{
	struct loop *loop = c->dev.loop;
	int r;

	c->both = c->in.fd >= 0 && c->in.fd == c->out.fd;
	if (c->both)
		c->out.fd = -1;
	r = console_end_open(&c->in, c->both ? O_RDWR : O_RDONLY, loop, EPOLLIN, on_event, c);
	if (r == 0)
		r = console_end_open(&c->out, O_WRONLY, loop, 0, on_event, c);
	return r == 0 ? console_end_open(&c->listener, O_RDWR, loop, EPOLLIN, on_event, c) : r;
}

struct virtio_device *virtio_console_new(const struct virtio_console_setup *setup, const char *id,
					 struct loop *loop, const struct memory *mem,
					 struct err *err)
{
	struct console *c = xcalloc(1, sizeof(*c));
	int r;

	virtio_device_init(&c->dev, &console_ops, id, loop, mem, c->queues, QUEUES, QUEUE_SIZE);
	c->setup = *setup;
	c->in.fd = setup->in;
	c->out.fd = setup->out;
	c->listener.fd = setup->listener;
	c->config.cols = setup->columns;
	c->config.rows = setup->rows;
	c->dev.config = (uint8_t *)&c->config;
	c->dev.config_len = sizeof(c->config);
	if (setup->columns > 0 && setup->rows > 0)
		c->dev.offered |= 1ULL << VIRTIO_CONSOLE_F_SIZE;
	r = open_ends(c);
	if (r < 0) {
		err_sys(err, r, "console %s", id);
		virtio_device_free(&c->dev);
		return NULL;
	}
	return &c->dev;
}
