/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that measures its first disk and nothing else: no kernel, no
 * interrupts, so what it sees is the monitor's way from a kick to the used
 * ring. bench/devices boots it on this monitor and on its peers. Lines are
 * "WHAT COUNT CYCLES"; then it resets the machine.
 */
#include "tests/guests/virtio.h"

#define T_IN	0
#define T_OUT	1
#define DEPTH	5 /* requests of three descriptors in a ring of 16 */
#define COUNT	300U
#define PART	65536U
#define SECTORS 65536U /* of the disk that is asked for: 32 MiB */
#define F_FLUSH (1ULL << 9)

struct request {
	uint32_t type, reserved;
	uint64_t sector;
	uint8_t status;
};

static struct request *request;
static uint8_t *data;

static uint64_t cycles(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void lay(struct device *d, unsigned i, uint32_t type, uint64_t sector, uint32_t len)
{
	struct desc *at = d->queue[0].desc + (size_t)3 * i;
	struct request *r = &request[i];
	uint16_t next = (uint16_t)(3 * i);

	*r = (struct request){ type, 0, sector, 0xee };
	at[0] = (struct desc){ (uintptr_t)r, 16, D_NEXT, next + 1 };
	at[1] = (struct desc){ (uintptr_t)data + (size_t)i * PART, len,
			       D_NEXT | (type == T_IN ? D_WRITE : 0), next + 2 };
	at[2] = (struct desc){ (uintptr_t)&r->status, 1, D_WRITE, 0 };
}

/* @depth requests at a time, one kick for them all: until @count are done. */
static void measure(struct device *d, const char *what, uint32_t type, uint32_t len, unsigned depth,
		    unsigned count)
{
	struct queue *q = &d->queue[0];
	uint64_t began = cycles(), took;
	uint64_t sector = 0;

	for (unsigned n = 0; n < count; n += depth) {
		for (unsigned i = 0; i < depth; i++) {
			lay(d, i, type, sector, len);
			sector = (sector + len / 512) % SECTORS;
			q->avail->ring[(uint16_t)(q->avail->idx + i) % RING_SIZE] =
				(uint16_t)(3 * i);
		}
		__atomic_store_n(&q->avail->idx, q->avail->idx + depth, __ATOMIC_SEQ_CST);
		write32(d, REG_NOTIFY, 0);
		while (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->avail->idx)
			pause_cpu();
		for (unsigned i = 0; i < depth; i++)
			must(request[i].status == 0);
	}
	took = cycles() - began;
	say(what);
	say(" ");
	say_number(count);
	say(" ");
	say_number(took);
	say("\n");
}

/* Peers put their devices elsewhere in the hole below 4 GiB. */
static bool find(struct device *d)
{
	for (uintptr_t at = 0xc0000000; at < 0xd0020000; at += 4096) {
		if (at == 0xc0040000)
			at = 0xd0000000;
		d->page = (volatile uint8_t *)at;
		if (read32(d, REG_MAGIC) == MAGIC && read32(d, REG_DEVICE) == ID_BLK)
			return true;
	}
	return false;
}

void guest_main(void)
{
	static struct device d;

	request = take(DEPTH * sizeof(*request), 64);
	data = take((size_t)DEPTH * PART, 4096);
	memset(data, 0, (size_t)DEPTH * PART); /* the host finds memory for it now */
	must(find(&d));
	/* As every driver does: without it what is written goes to the disk at once. */
	device_start(&d, device_features(&d) & F_FLUSH);
	measure(&d, "first", T_IN, 4096, 1, 50);
	measure(&d, "read-4k", T_IN, 4096, 1, COUNT);
	measure(&d, "write-4k", T_OUT, 4096, 1, COUNT);
	measure(&d, "read-64k-deep", T_IN, PART, DEPTH, COUNT);
	measure(&d, "write-64k-deep", T_OUT, PART, DEPTH, COUNT);
	out8(0x64, 0xfe);
}
