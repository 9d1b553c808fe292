/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's processor at a device's registers, and its memory under the rings:
 * the input is a list of eight-byte steps. Whatever they were, afterwards the
 * device can be reset, started and used.
 */
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "fuzz.h"
#include "vmm/virtio/mmio.h"
#include "vmm/virtio/rng.h"

#define STEPS_MAX 512
#define DESC	  0x1000
#define AVAIL	  0x2000
#define USED	  0x3000
#define BUFFER	  0x4000

struct step {
	uint8_t what, a;
	uint16_t b;
	uint32_t value;
};

static void write32(struct virtio_mmio *t, uint64_t offset, uint32_t value)
{
	virtio_mmio_write(t, offset, &value, sizeof(value));
}

static uint32_t read32(struct virtio_mmio *t, uint64_t offset)
{
	uint32_t value;

	virtio_mmio_read(t, offset, &value, sizeof(value));
	return value;
}

static void start(struct virtio_mmio *t, uint32_t size, uint32_t features)
{
	write32(t, VIRTIO_MMIO_STATUS, 3);
	write32(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	write32(t, VIRTIO_MMIO_DRIVER_FEATURES, features);
	write32(t, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write32(t, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	write32(t, VIRTIO_MMIO_STATUS, 11);
	write32(t, VIRTIO_MMIO_QUEUE_SEL, 0);
	write32(t, VIRTIO_MMIO_QUEUE_NUM, size);
	write32(t, VIRTIO_MMIO_QUEUE_DESC_LOW, DESC);
	write32(t, VIRTIO_MMIO_QUEUE_AVAIL_LOW, AVAIL);
	write32(t, VIRTIO_MMIO_QUEUE_USED_LOW, USED);
	write32(t, VIRTIO_MMIO_QUEUE_READY, 1);
	write32(t, VIRTIO_MMIO_STATUS, 15);
}

static void step(struct virtio_mmio *t, const struct memory *m, struct loop *loop,
		 const struct step *s)
{
	uint64_t wide = (uint64_t)s->value << 32 | s->value;

	switch (s->what % 6) {
	case 0:
		write32(t, s->b & 0xffc, s->value);
		break;
	case 1:
		virtio_mmio_read(t, s->b & 0xfff, &wide, 1U << (s->a & 3));
		break;
	case 2:
		virtio_mmio_write(t, s->b & 0xfff, &wide, 1U << (s->a & 3));
		break;
	case 3:
		memcpy(memory_at(m, DESC + (s->b & 0x3ffc), 4), &s->value, 4);
		break;
	case 4:
		must(loop_step(loop, 0) == 0);
		break;
	case 5:
		start(t, 1U << (s->a & 7), s->value);
		break;
	}
}

static void prove_alive(struct virtio_mmio *t, const struct memory *m, struct loop *loop)
{
	struct vring_desc *desc = memory_at(m, DESC, sizeof(*desc));
	struct vring_avail *avail = memory_at(m, AVAIL, 64);
	struct vring_used *used = memory_at(m, USED, 64);

	write32(t, VIRTIO_MMIO_STATUS, 0);
	must(read32(t, VIRTIO_MMIO_STATUS) == 0);
	must(loop_step(loop, 0) == 0);
	memset(avail, 0, 64);
	memset(used, 0, 64);
	*desc = (struct vring_desc){ BUFFER, 32, VRING_DESC_F_WRITE, 0 };
	start(t, 8, 0);
	avail->idx = 1;
	write32(t, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (int i = 0; i < 3; i++)
		must(loop_step(loop, 0) == 0);
	must(read32(t, VIRTIO_MMIO_STATUS) == 15);
	must(used->idx == 1 && used->ring[0].len == 32);
	must(read32(t, VIRTIO_MMIO_INTERRUPT_STATUS) == VIRTIO_MMIO_INT_VRING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new();
	struct err err = ERR_INIT;
	struct memory m;
	struct virtio_mmio *t;

	must(memory_init(&m, 1 << 20, 1 << 20, 1ULL << 32, false, &err) == 0);
	t = virtio_mmio_new(virtio_rng_new("rng", loop, &m, &err), &err);
	must(t);
	for (size_t i = 0; i < STEPS_MAX && (i + 1) * sizeof(struct step) <= size; i++) {
		struct step s;

		memcpy(&s, data + i * sizeof(s), sizeof(s));
		step(t, &m, loop, &s);
	}
	prove_alive(t, &m, loop);
	virtio_mmio_free(t);
	memory_done(&m);
	loop_free(loop);
	return 0;
}
