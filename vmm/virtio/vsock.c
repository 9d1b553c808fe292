/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "vmm/virtio/vsock_host.h"
#include "vmm/virtio/vsock_mux.h"

static struct vsock *of(struct virtio_device *dev)
{
	return container_of(dev, struct vsock, dev);
}

/* Tell the driver of a transport reset, once it has given a buffer for that. */
static void send_event(struct vsock *v)
{
	struct virtio_vsock_event event = { htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET) };
	struct virtq *q = &v->queue[VSOCK_EVENT];
	struct virtq_chain c;
	int r;

	if (!v->event_due || !v->dev.started || v->dev.broken || v->dev.paused)
		return;
	do {
		r = virtq_pop(q, &c);
	} while (r == 0 && virtq_kicks(q, true));
	if (r > 0 && virtq_write(&c, 0, &event, sizeof(event)) != sizeof(event))
		r = -EPROTO;
	if (r < 0) {
		virtio_break(&v->dev, "a bad queue of events");
	} else if (r > 0) {
		virtq_push(q, c.head, sizeof(event));
		virtio_notify(&v->dev, VSOCK_EVENT);
		v->event_due = false;
	}
}

static int vsock_start(struct virtio_device *dev)
{
	(void)dev; /* what waits is kicked right after */
	return 0;
}

static void vsock_kick(struct virtio_device *dev, unsigned queue)
{
	if (queue == VSOCK_EVENT)
		send_event(of(dev));
	else
		vsock_mux_run(of(dev));
}

static void vsock_reset(struct virtio_device *dev)
{
	struct vsock *v = of(dev);

	vsock_mux_forget(v);
	v->event_due = false;
}

static void vsock_stats(struct virtio_device *dev, struct str *out)
{
	const struct vsock_table *t = &of(dev)->table;

	str_printf(out, " vsock-streams=%u vsock-waiting=%u", t->n, vsock_table_waiting(t));
}

static void vsock_free(struct virtio_device *dev)
{
	struct vsock *v = of(dev);

	vsock_host_stop(v);
	vsock_table_clear(&v->table);
	close_fd(&v->listener);
	close_fd(&v->doorman);
	free(v);
}

static const struct virtio_ops vsock_ops = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.start = vsock_start,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.stats = vsock_stats,
	.free = vsock_free,
};

static int check(const struct virtio_vsock_setup *setup, struct err *err)
{
	/* Section 5.10.4: 0 to 2 mean others, the upper half is reserved. */
	if (setup->cid <= VSOCK_CID_HOST || setup->cid >= UINT32_MAX)
		return err_set(err, EINVAL, "vsock: %llu is no CID of a guest",
			       (unsigned long long)setup->cid);
	return 0;
}

struct virtio_device *virtio_vsock_new(const struct virtio_vsock_setup *setup, const char *id,
				       struct loop *loop, const struct memory *mem, struct err *err)
{
	auto_close int listener = setup->listener, doorman = setup->doorman;
	struct vsock *v;

	if (check(setup, err) < 0)
		return NULL;
	v = xcalloc(1, sizeof(*v));
	virtio_device_init(&v->dev, &vsock_ops, id, loop, mem, v->queue, VSOCK_QUEUES,
			   VIRTQ_SIZE_MAX);
	v->cid = setup->cid;
	v->setup_ms = setup->setup_ms ? setup->setup_ms : VSOCK_SETUP_MS;
	v->config.guest_cid = htole64(setup->cid);
	v->dev.config = &v->config;
	v->dev.config_len = sizeof(v->config);
	v->listener = take_fd(&listener);
	v->doorman = take_fd(&doorman);
	vsock_table_init(&v->table);
	list_init(&v->ready);
	if (vsock_host_start(v, err) < 0) {
		vsock_free(&v->dev);
		return NULL;
	}
	return &v->dev;
}

void virtio_vsock_transport_reset(struct virtio_device *dev)
{
	struct vsock *v = of(dev);

	vsock_mux_forget(v);
	v->event_due = true;
	send_event(v);
}
