/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device without its transport: what it offers, its queues, and what the
 * transport calls. A device embeds struct virtio_device as its first member and is one
 * const struct virtio_ops.
 *
 * Everything of a device runs on the loop's thread. What a processor does to its
 * registers meanwhile ends in the transport, which hands over a started or reset device
 * by the loop. The configuration space is data that both sides see through the
 * transport's lock: no callback runs on a processor's thread.
 */
#ifndef VMM_VIRTIO_DEVICE_H
#define VMM_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "vmm/memory.h"
#include "vmm/virtio/queue.h"

struct str;
struct virtio_device;

struct virtio_ops {
	const char *name; /* in log lines: "blk" */
	uint32_t id;	  /* virtio 1.2, section 5 */
	bool hands_over;  /* calls virtio_hand_over(): others interrupt as well */

	/*
	 * The driver is ready: features are agreed upon (dev->features) and the queues run.
	 * What waits in them already is kicked right after. 0, or -errno: virtio_break().
	 */
	int (*start)(struct virtio_device *dev);
	/* Chains may wait in @queue. */
	void (*kick)(struct virtio_device *dev, unsigned queue);
	/* Stop and forget: when it returns nothing touches guest memory any more. Follows
	 * every start, also one that failed; the queues are stopped right after. */
	void (*reset)(struct virtio_device *dev);
	/* Optional: the driver wrote into the configuration space. */
	void (*config_written)(struct virtio_device *dev);
	/*
	 * The machine pauses: when it returns, what was in flight is finished and nothing
	 * is taken up; go on. No kick comes between them, one for each queue follows
	 * resume. Optional, for devices that do things without being kicked.
	 */
	void (*pause)(struct virtio_device *dev);
	void (*resume)(struct virtio_device *dev);
	/* Optional: append " name=number" words about what it did. */
	void (*stats)(struct virtio_device *dev, struct str *out);
	/* Of a device that is reset. */
	void (*free)(struct virtio_device *dev);
};

/* What a transport does for its device. */
struct virtio_transport_ops {
	void (*interrupt)(struct virtio_device *dev, unsigned queue);
	/* Kick @queue from the loop, after all else that waits there. */
	void (*kick_later)(struct virtio_device *dev, unsigned queue);
	/* The generation counts on; the driver is interrupted. The lock is not held. */
	void (*config_changed)(struct virtio_device *dev);
	/* Status becomes DEVICE_NEEDS_RESET. */
	void (*needs_reset)(struct virtio_device *dev);
	/* See virtio_hand_over(). */
	void (*hand_over)(struct virtio_device *dev, unsigned queue, int *kick, int *call);
	/* The transport's lock around the configuration space. */
	void (*lock)(struct virtio_device *dev);
	void (*unlock)(struct virtio_device *dev);
};

struct virtio_device {
	const struct virtio_ops *ops;
	const char *id; /* which one of its kind, in log lines: "root", "tap0" */
	struct loop *loop;
	const struct memory *mem;

	uint64_t offered;  /* feature bits; VIRTIO_F_VERSION_1, RING_EVENT_IDX and
			      RING_INDIRECT_DESC are added by virtio_device_init() */
	uint64_t features; /* agreed upon; valid while started */
	bool started;
	bool broken; /* until the next reset nothing is taken from its queues */
	bool paused;
	unsigned breaks; /* how often it was broken, so that a log is not flooded */

	unsigned n_queues;
	struct virtq *queues; /* the device's own array */

	/*
	 * As the guest sees it, little endian; the device's own memory. Writes beyond the
	 * writable part are ignored.
	 */
	void *config;
	uint32_t config_len;
	uint32_t config_writable_from, config_writable_to;

	const struct virtio_transport_ops *transport; /* set by the transport */
	void *transport_data;
};

/*
 * For devices' constructors: fill in the common part of a zeroed device. All pointers are
 * borrowed. The configuration space and further features are the caller's to add.
 */
void virtio_device_init(struct virtio_device *dev, const struct virtio_ops *ops, const char *id,
			struct loop *loop, const struct memory *mem, struct virtq *queues,
			unsigned n_queues, uint16_t queue_size);

/* Reset the device and free it by its own ops. NULL is allowed. */
void virtio_device_free(struct virtio_device *dev);

/*
 * For transports, on the loop's thread. Starting: what the driver set up of each queue
 * (size, ready, addresses) is filled in.
 */
void virtio_device_start(struct virtio_device *dev, uint64_t features);
void virtio_device_reset(struct virtio_device *dev);
void virtio_device_kick(struct virtio_device *dev, unsigned queue);
void virtio_device_config_written(struct virtio_device *dev);

/* For the machine, on the loop's thread, while no processor runs. */
void virtio_device_pause(struct virtio_device *dev);
void virtio_device_resume(struct virtio_device *dev);

/* For devices. */

static inline bool virtio_has(const struct virtio_device *dev, unsigned feature_bit)
{
	return dev->features & (1ULL << feature_bit);
}

/* May its queues be touched? For what comes from elsewhere: kicks come only when they may. */
static inline bool virtio_runs(const struct virtio_device *dev)
{
	return dev->started && !dev->broken && !dev->paused;
}

/* Interrupt the guest if it wants to know of what was pushed into @queue. */
void virtio_notify(struct virtio_device *dev, unsigned queue);

/*
 * Kick @queue again once all else had its turn. A device takes up to a queue's size of
 * chains in one go and then asks for this, so that a guest that never stops filling its
 * queue holds up nothing but itself.
 */
void virtio_kick_later(struct virtio_device *dev, unsigned queue);

/*
 * Until the reset another process serves @queue: it waits for @*kick and signals @*call
 * (eventfds, borrowed), past this one. virtio_ops.kick is then called only for those kicks
 * that are not the guest's own.
 */
void virtio_hand_over(struct virtio_device *dev, unsigned queue, int *kick, int *call);

/* Change a part of the configuration space and tell the driver. */
void virtio_set_config(struct virtio_device *dev, uint32_t offset, const void *data, uint32_t len);
/* Read a part of it, for example what the driver wrote. */
void virtio_get_config(struct virtio_device *dev, uint32_t offset, void *data, uint32_t len);

/*
 * The guest broke the rules, or the device cannot go on: one line in the log, the status
 * says DEVICE_NEEDS_RESET (section 2.1.2), and the device rests until it is reset. The
 * machine and all other devices go on.
 */
void virtio_break(struct virtio_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
