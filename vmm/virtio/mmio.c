/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/virtio/registers.h"
#include "vmm/virtio/shared_event.h"

#define KICK_EVENTS (EPOLLIN | EPOLLET)

struct virtio_mmio {
	struct virtio_device *dev;
	struct loop_source *work_source, **kick_sources;
	int work_fd; /* eventfd: @state or @config_written wants the loop */
	int interrupt_fd;
	void (*raise)(void *arg, uint32_t line); /* or NULL */
	void *raise_arg;
	uint32_t line;
	int *kick_fds;
	pthread_t loop_thread;

	/* Under @lock, but for what is atomic. The device itself is the loop's alone. */
	pthread_mutex_t lock;
	pthread_cond_t reset_done;
	struct registers regs;

	bool shared; /* others have the interrupt's eventfd, from then on */
};

static void signal_fd(int fd)
{
	static const uint64_t one = 1;

	/* It can fail only when the counter is full, and then it is readable anyway. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* The loop's side. */

/* Called and left with the lock held, which is open while the device works. */
static void start_device(struct virtio_mmio *t)
{
	uint64_t features = t->regs.driver_features;

	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		struct virtq *q = &t->dev->queues[i];

		q->size = t->regs.queues[i].size;
		q->ready = t->regs.queues[i].ready;
		q->desc = t->regs.queues[i].desc;
		q->avail = t->regs.queues[i].avail;
		q->used = t->regs.queues[i].used;
	}
	t->regs.state = DEVICE_RUNNING;
	pthread_mutex_unlock(&t->lock);
	virtio_device_start(t->dev, features);
	pthread_mutex_lock(&t->lock);
}

static void take_back(struct virtio_mmio *t)
{
	if (!__atomic_exchange_n(&t->regs.handed_over, 0, __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < t->dev->n_queues; i++)
		loop_set_events(t->kick_sources[i], KICK_EVENTS);
}

static void reset_device(struct virtio_mmio *t)
{
	pthread_mutex_unlock(&t->lock);
	virtio_device_reset(t->dev);
	take_back(t);
	pthread_mutex_lock(&t->lock);
	registers_forget(&t->regs);
	pthread_cond_broadcast(&t->reset_done);
}

void virtio_mmio_settle(struct virtio_mmio *t)
{
	bool config_written;

	pthread_mutex_lock(&t->lock);
	if (t->regs.state == DEVICE_STARTING)
		start_device(t);
	if (t->regs.state == DEVICE_RESETTING)
		reset_device(t);
	config_written = t->regs.config_written;
	t->regs.config_written = false;
	pthread_mutex_unlock(&t->lock);
	if (config_written)
		virtio_device_config_written(t->dev);
}

static void on_work(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	virtio_mmio_settle(arg);
}

static void on_kick(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct virtio_mmio *t = arg;

	(void)fd;
	(void)events;
	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		if (t->kick_sources[i] == src)
			virtio_device_kick(t->dev, i);
	}
}

/* Section 4.2.2: 1 for used buffers, 2 for a changed configuration (or status). */
static void interrupt(struct virtio_mmio *t, uint32_t reason)
{
	__atomic_fetch_or(&t->regs.interrupt_status, reason, __ATOMIC_RELEASE);
	if (t->shared)
		shared_event_signal(t->interrupt_fd);
	else if (t->raise)
		t->raise(t->raise_arg, t->line);
	else
		signal_fd(t->interrupt_fd);
}

static void op_interrupt(struct virtio_device *dev, unsigned queue)
{
	(void)queue;
	interrupt(dev->transport_data, VIRTIO_MMIO_INT_VRING);
}

static void op_kick_later(struct virtio_device *dev, unsigned queue)
{
	struct virtio_mmio *t = dev->transport_data;

	signal_fd(t->kick_fds[queue]);
}

static void op_hand_over(struct virtio_device *dev, unsigned queue, int *kick, int *call)
{
	struct virtio_mmio *t = dev->transport_data;

	loop_set_events(t->kick_sources[queue], 0);
	t->shared = true;
	__atomic_store_n(&t->regs.handed_over, VIRTIO_MMIO_INT_VRING, __ATOMIC_RELAXED);
	*kick = t->kick_fds[queue];
	*call = t->interrupt_fd;
}

static void op_config_changed(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;
	bool tell;

	pthread_mutex_lock(&t->lock);
	t->regs.generation++;
	tell = t->regs.status & VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&t->lock);
	if (tell)
		interrupt(t, VIRTIO_MMIO_INT_CONFIG);
}

static void op_needs_reset(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;

	pthread_mutex_lock(&t->lock);
	t->regs.status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	pthread_mutex_unlock(&t->lock);
	interrupt(t, VIRTIO_MMIO_INT_CONFIG);
}

static void op_lock(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;

	pthread_mutex_lock(&t->lock);
}

static void op_unlock(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;

	pthread_mutex_unlock(&t->lock);
}

static const struct virtio_transport_ops transport_ops = {
	.interrupt = op_interrupt,
	.kick_later = op_kick_later,
	.config_changed = op_config_changed,
	.needs_reset = op_needs_reset,
	.hand_over = op_hand_over,
	.lock = op_lock,
	.unlock = op_unlock,
};

/*
 * An eventfd that is watched by its edges: each write is one, so the counter need not be
 * read back, which saves a system call for every kick.
 */
static int watch_eventfd(struct virtio_mmio *t, loop_fd_cb cb, int *fd, struct loop_source **src)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	*src = loop_add_fd(t->dev->loop, *fd, KICK_EVENTS, cb, t);
	return *src ? 0 : -errno;
}

struct virtio_mmio *virtio_mmio_new(struct virtio_device *dev, struct err *err)
{
	struct virtio_mmio *t = xcalloc(1, sizeof(*t));
	pthread_condattr_t monotonic;
	int r;

	t->dev = dev;
	registers_init(&t->regs, dev);
	t->kick_fds = xcalloc(dev->n_queues, sizeof(*t->kick_fds));
	t->kick_sources = xcalloc(dev->n_queues, sizeof(struct loop_source *));
	memset(t->kick_fds, 0xff, dev->n_queues * sizeof(*t->kick_fds));
	t->loop_thread = pthread_self();
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->reset_done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	dev->transport = &transport_ops;
	dev->transport_data = t;

	t->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = t->interrupt_fd < 0 ? -errno : 0;
	t->work_fd = -1;
	if (r == 0)
		r = watch_eventfd(t, on_work, &t->work_fd, &t->work_source);
	for (unsigned i = 0; r == 0 && i < dev->n_queues; i++)
		r = watch_eventfd(t, on_kick, &t->kick_fds[i], &t->kick_sources[i]);
	if (r < 0) {
		err_sys(err, r, "%s %s: cannot make its event descriptors", dev->ops->name,
			dev->id);
		virtio_mmio_free(t);
		return NULL;
	}
	return t;
}

void virtio_mmio_free(struct virtio_mmio *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		loop_remove(&t->kick_sources[i]);
		close_fd(&t->kick_fds[i]);
	}
	loop_remove(&t->work_source);
	close_fd(&t->work_fd);
	close_fd(&t->interrupt_fd);
	t->dev->transport = NULL;
	virtio_device_free(t->dev);
	pthread_cond_destroy(&t->reset_done);
	pthread_mutex_destroy(&t->lock);
	free(t->kick_sources);
	free(t->kick_fds);
	registers_free(&t->regs);
	free(t);
}

/* The processors' side, all of it under the lock. */

/* The device runs, so it is the loop's. Left with the lock held, which is open meanwhile. */
static void wait_for_reset(struct virtio_mmio *t)
{
	struct timespec until;

	if (pthread_equal(pthread_self(), t->loop_thread)) {
		reset_device(t);
		return;
	}
	signal_fd(t->work_fd);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += VIRTIO_MMIO_WAIT_MS / 1000;
	while (t->regs.state == DEVICE_RESETTING) {
		if (pthread_cond_timedwait(&t->reset_done, &t->lock, &until) == ETIMEDOUT) {
			log_error("%s %s: its reset takes more than %d ms", t->dev->ops->name,
				  t->dev->id, VIRTIO_MMIO_WAIT_MS);
			return;
		}
	}
}

void virtio_mmio_read(struct virtio_mmio *t, uint64_t offset, void *data, uint32_t len)
{
	pthread_mutex_lock(&t->lock);
	registers_read(&t->regs, offset, data, len);
	pthread_mutex_unlock(&t->lock);
}

void virtio_mmio_write(struct virtio_mmio *t, uint64_t offset, const void *data, uint32_t len)
{
	unsigned queue = 0;

	pthread_mutex_lock(&t->lock);
	switch (registers_write(&t->regs, offset, data, len, &queue)) {
	case REGISTERS_NOTHING:
		break;
	case REGISTERS_KICK:
		signal_fd(t->kick_fds[queue]);
		break;
	case REGISTERS_WORK:
		signal_fd(t->work_fd);
		break;
	case REGISTERS_RESET:
		wait_for_reset(t);
		break;
	}
	pthread_mutex_unlock(&t->lock);
}

void virtio_mmio_set_line(struct virtio_mmio *t, void (*raise)(void *arg, uint32_t line), void *arg,
			  uint32_t line)
{
	t->raise = raise;
	t->raise_arg = arg;
	t->line = line;
}

int virtio_mmio_kick_fd(const struct virtio_mmio *t, unsigned queue)
{
	return t->kick_fds[queue];
}

int virtio_mmio_interrupt_fd(const struct virtio_mmio *t)
{
	return t->interrupt_fd;
}

struct virtio_device *virtio_mmio_device(const struct virtio_mmio *t)
{
	return t->dev;
}
