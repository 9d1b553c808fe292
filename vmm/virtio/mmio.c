/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/mmio.h"

#include <endian.h>
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
#include "vmm/virtio/shared_event.h"

#define VENDOR 0x6174616b /* "kata" */

#define KICK_EVENTS (EPOLLIN | EPOLLET)

/*
 * Who has the device. A processor takes it from IDLE to STARTING and from anywhere to
 * RESETTING; only the loop takes it on from there.
 */
enum state { IDLE, STARTING, RUNNING, RESETTING };

/* What the driver says of one queue; a copy goes to the queue when the device starts. */
struct queue_registers {
	uint16_t size;
	bool ready;
	gpa_t desc, avail, used;
};

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

	/* The register file, under @lock. The device itself is the loop's alone. */
	pthread_mutex_t lock;
	pthread_cond_t reset_done;
	enum state state;
	bool config_written;
	uint32_t status, generation;
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	uint64_t driver_features;
	struct queue_registers *queues;

	uint32_t interrupt_status; /* atomic */
	/*
	 * Atomic: somebody else interrupts for used buffers, and does not tell us. So the
	 * status always says that there may be some, which costs the driver a look.
	 */
	uint32_t handed_over;
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

static void forget(struct virtio_mmio *t)
{
	t->state = IDLE;
	t->status = 0;
	t->driver_features = 0;
	t->device_features_sel = t->driver_features_sel = t->queue_sel = 0;
	memset(t->queues, 0, sizeof(*t->queues) * t->dev->n_queues);
	__atomic_store_n(&t->interrupt_status, 0, __ATOMIC_RELAXED);
}

/* Called and left with the lock held, which is open while the device works. */
static void start_device(struct virtio_mmio *t)
{
	uint64_t features = t->driver_features;

	for (unsigned i = 0; i < t->dev->n_queues; i++) {
		struct virtq *q = &t->dev->queues[i];

		q->size = t->queues[i].size;
		q->ready = t->queues[i].ready;
		q->desc = t->queues[i].desc;
		q->avail = t->queues[i].avail;
		q->used = t->queues[i].used;
	}
	t->state = RUNNING;
	pthread_mutex_unlock(&t->lock);
	virtio_device_start(t->dev, features);
	pthread_mutex_lock(&t->lock);
}

static void take_back(struct virtio_mmio *t)
{
	if (!__atomic_exchange_n(&t->handed_over, 0, __ATOMIC_RELAXED))
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
	forget(t);
	pthread_cond_broadcast(&t->reset_done);
}

void virtio_mmio_settle(struct virtio_mmio *t)
{
	bool config_written;

	pthread_mutex_lock(&t->lock);
	if (t->state == STARTING)
		start_device(t);
	if (t->state == RESETTING)
		reset_device(t);
	config_written = t->config_written;
	t->config_written = false;
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
	__atomic_fetch_or(&t->interrupt_status, reason, __ATOMIC_RELEASE);
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
	__atomic_store_n(&t->handed_over, VIRTIO_MMIO_INT_VRING, __ATOMIC_RELAXED);
	*kick = t->kick_fds[queue];
	*call = t->interrupt_fd;
}

static void op_config_changed(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;
	bool tell;

	pthread_mutex_lock(&t->lock);
	t->generation++;
	tell = t->status & VIRTIO_CONFIG_S_DRIVER_OK;
	pthread_mutex_unlock(&t->lock);
	if (tell)
		interrupt(t, VIRTIO_MMIO_INT_CONFIG);
}

static void op_needs_reset(struct virtio_device *dev)
{
	struct virtio_mmio *t = dev->transport_data;

	pthread_mutex_lock(&t->lock);
	t->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
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
	t->queues = xcalloc(dev->n_queues, sizeof(*t->queues));
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
	free(t->queues);
	free(t);
}

/* The processors' side, all of it under the lock. */

static void reset_by_driver(struct virtio_mmio *t)
{
	struct timespec until;

	if (t->state == IDLE || t->state == STARTING) {
		forget(t);
		return;
	}
	t->state = RESETTING;
	if (pthread_equal(pthread_self(), t->loop_thread)) {
		reset_device(t);
		return;
	}
	signal_fd(t->work_fd);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += VIRTIO_MMIO_WAIT_MS / 1000;
	while (t->state == RESETTING) {
		if (pthread_cond_timedwait(&t->reset_done, &t->lock, &until) == ETIMEDOUT) {
			log_error("%s %s: its reset takes more than %d ms", t->dev->ops->name,
				  t->dev->id, VIRTIO_MMIO_WAIT_MS);
			return;
		}
	}
}

/* Section 2.2.2: a subset of what is offered, and never a device of before version 1. */
static bool acceptable(const struct virtio_mmio *t)
{
	return (t->driver_features & ~t->dev->offered) == 0 &&
	       t->driver_features & 1ULL << VIRTIO_F_VERSION_1;
}

/* Section 3.1.1. Bits are only ever added, but by a reset; NEEDS_RESET is the device's. */
static void write_status(struct virtio_mmio *t, uint32_t value)
{
	uint32_t added = value & ~t->status & 0xff & ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET;

	if (value == 0) {
		reset_by_driver(t);
		return;
	}
	if (t->state == RESETTING)
		return;
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !acceptable(t))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((t->status | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	t->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		t->state = STARTING;
		signal_fd(t->work_fd);
	}
}

static void set_half(uint64_t *word, bool high, uint32_t value)
{
	unsigned shift = high ? 32 : 0;

	*word = (*word & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
}

/* Of the selected queue, while nobody but the driver knows it. */
static void write_queue(struct virtio_mmio *t, uint64_t offset, uint32_t value)
{
	struct queue_registers *q = &t->queues[t->queue_sel];

	if (t->queue_sel >= t->dev->n_queues || t->state != IDLE)
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		q->ready = value & 1;
		return;
	}
	if (q->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->size = value <= t->dev->queues[t->queue_sel].max ? value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->used, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	}
}

static void write_register(struct virtio_mmio *t, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		t->device_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		t->driver_features_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		/* Agreed is agreed; and a bit beyond 63 can only be one that is not offered. */
		if (!(t->status & VIRTIO_CONFIG_S_FEATURES_OK) && t->driver_features_sel < 2)
			set_half(&t->driver_features, t->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		t->queue_sel = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		if (value < t->dev->n_queues)
			signal_fd(t->kick_fds[value]);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		__atomic_fetch_and(&t->interrupt_status, ~value, __ATOMIC_RELAXED);
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(t, value);
		break;
	default:
		write_queue(t, offset, value);
	}
}

static uint32_t read_register(const struct virtio_mmio *t, uint64_t offset)
{
	const struct virtio_device *dev = t->dev;
	bool queue = t->queue_sel < dev->n_queues;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 'v' | 'i' << 8 | 'r' << 16 | 't' << 24;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return t->device_features_sel < 2 ?
			       (uint32_t)(dev->offered >> (32 * t->device_features_sel)) :
			       0;
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? dev->queues[t->queue_sel].max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && t->queues[t->queue_sel].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		/* Acquire: pairs with interrupt(), so the guest sees what it is told of. */
		return __atomic_load_n(&t->interrupt_status, __ATOMIC_ACQUIRE) |
		       __atomic_load_n(&t->handed_over, __ATOMIC_RELAXED);
	case VIRTIO_MMIO_STATUS:
		return t->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return t->generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return UINT32_MAX; /* section 4.2.2: no such region */
	}
	return 0;
}

static bool in_config(const struct virtio_mmio *t, uint64_t offset, uint32_t len)
{
	return offset >= VIRTIO_MMIO_CONFIG && offset - VIRTIO_MMIO_CONFIG < t->dev->config_len &&
	       len <= t->dev->config_len - (offset - VIRTIO_MMIO_CONFIG);
}

void virtio_mmio_read(struct virtio_mmio *t, uint64_t offset, void *data, uint32_t len)
{
	uint32_t value;

	memset(data, 0, len);
	pthread_mutex_lock(&t->lock);
	if (in_config(t, offset, len)) {
		memcpy(data, (uint8_t *)t->dev->config + (offset - VIRTIO_MMIO_CONFIG), len);
	} else if (len == sizeof(value) && offset % sizeof(value) == 0) {
		value = htole32(read_register(t, offset));
		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&t->lock);
}

static void write_config(struct virtio_mmio *t, uint64_t offset, const void *data, uint32_t len)
{
	struct virtio_device *dev = t->dev;

	if (offset < dev->config_writable_from || offset + len > dev->config_writable_to)
		return;
	memcpy((uint8_t *)dev->config + offset, data, len);
	t->config_written = true;
	signal_fd(t->work_fd);
}

void virtio_mmio_write(struct virtio_mmio *t, uint64_t offset, const void *data, uint32_t len)
{
	uint32_t value;

	pthread_mutex_lock(&t->lock);
	if (in_config(t, offset, len)) {
		write_config(t, offset - VIRTIO_MMIO_CONFIG, data, len);
	} else if (len == sizeof(value) && offset % sizeof(value) == 0) {
		memcpy(&value, data, sizeof(value));
		write_register(t, offset, le32toh(value));
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
