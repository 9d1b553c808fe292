/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of a ring lied about, to every queue of every device. A device that looks at
 * its queue stops and says so; the monitor and all other devices go on.
 */
#include "attack.h"

#define HOLE   0xc8000000ULL /* no memory there */
#define DEVICE 0xd0000000ULL /* registers, and no memory either */
#define GIB4   0xffffffffU
#define LAST   0xffffffffffffffffULL

static uint8_t buffer[4096] __attribute__((aligned(4096)));

struct lie {
	const char *what;
	struct desc d[3];
	bool table; /* they stand in a table of their own */
};

/* These stand for the addresses of @buffer and of the ring. */
#define HERE 1
#define RING 2

static const struct lie lies[] = {
	{ "next past the table", { { HERE, 8, D_NEXT, RING_SIZE } }, false },
	{ "next far past it", { { HERE, 8, D_NEXT, 0xffff } }, false },
	{ "a circle of one", { { HERE, 8, D_NEXT, 0 } }, false },
	{ "a circle of two", { { HERE, 8, D_NEXT, 1 }, { HERE, 8, D_NEXT, 0 } }, false },
	{ "a circle of empty ones", { { HERE, 0, D_NEXT, 1 }, { HERE, 0, D_NEXT, 0 } }, false },
	{ "readable after writable",
	  { { HERE, 8, D_NEXT | D_WRITE, 1 }, { HERE, 8, 0, 0 } },
	  false },
	{ "in the hole", { { HOLE, 8, D_WRITE, 0 } }, false },
	{ "in a device's registers", { { DEVICE, 8, D_WRITE, 0 } }, false },
	{ "wrapping", { { LAST - 3, 8, D_WRITE, 0 } }, false },
	{ "wrapping from the end to the start", { { LAST, GIB4, D_WRITE, 0 } }, false },
	{ "4 GiB from 0", { { 0, GIB4, D_WRITE, 0 } }, false },
	{ "4 GiB from 4 GiB", { { 1ULL << 32, GIB4, D_WRITE, 0 } }, false },
	{ "a table of part of a descriptor", { { HERE, 24, D_INDIRECT, 0 } }, false },
	{ "an empty table", { { HERE, 0, D_INDIRECT, 0 } }, false },
	{ "a table of 4 GiB", { { 0, 0xfffffff0, D_INDIRECT, 0 } }, false },
	{ "a table in the hole", { { HOLE, 16, D_INDIRECT, 0 } }, false },
	{ "a table that wraps", { { LAST - 7, 16, D_INDIRECT, 0 } }, false },
	{ "a table that goes on",
	  { { HERE, 16, D_INDIRECT | D_NEXT, 1 }, { HERE, 8, D_WRITE, 0 } },
	  false },
	{ "a table that is the ring", { { RING, 16, D_INDIRECT, 0 } }, false },
	{ "a table in a table", { { HERE, 16, D_INDIRECT, 0 } }, true },
	{ "a circle in a table", { { HERE, 8, D_NEXT, 1 }, { HERE, 8, D_NEXT, 0 } }, true },
	{ "next past the end of a table", { { HERE, 8, D_NEXT, 3 } }, true },
};

static void lay(struct desc *to, const struct lie *lie, const struct desc *ring)
{
	for (unsigned i = 0; i < 3; i++) {
		to[i] = lie->d[i];
		if (to[i].addr == HERE)
			to[i].addr = (uintptr_t)buffer;
		if (to[i].addr == RING)
			to[i].addr = (uintptr_t)ring;
	}
}

/* Does the device take from this queue whatever is there? */
static bool looks(const struct victims *v, unsigned i, unsigned queue)
{
	return queue == 0 && (v->kind[i] == ID_RNG || v->kind[i] == ID_BLK);
}

/* All lies are told to those; the others, which are many, hear a quarter, each another one. */
static bool tells(const struct victims *v, unsigned i, unsigned queue, unsigned n)
{
	bool again = i > 0 && v->kind[i] == v->kind[i - 1];

	return (looks(v, i, queue) && !again) || (n + i + queue) % 4 == 0;
}

/* Who takes what is there must have noticed. */
static void judge(const struct victims *v, unsigned i, unsigned queue, const char *what)
{
	if (looks(v, i, queue) && !device_breaks((struct device *)&v->device[i]))
		fail(what, v->kind[i]);
	device_reset((struct device *)&v->device[i]);
}

static void lie_about_chains(struct victims *v, unsigned i, unsigned queue)
{
	struct device *d = &v->device[i];
	struct desc *table = take(48, 16);

	for (unsigned n = 0; n < sizeof(lies) / sizeof(lies[0]); n++) {
		if (!tells(v, i, queue, n))
			continue;
		device_start(d, ring_features(d));
		if (!d->queue[queue].there) {
			device_reset(d);
			return;
		}
		lay(lies[n].table ? table : d->queue[queue].desc, &lies[n], d->queue[queue].desc);
		if (lies[n].table)
			d->queue[queue].desc[0] =
				(struct desc){ (uintptr_t)table, 48, D_INDIRECT, 0 };
		queue_offer(d, queue, 0);
		judge(v, i, queue, lies[n].what);
	}
}

static void lie_about_indices(struct victims *v, unsigned i, unsigned queue)
{
	static const struct {
		const char *what;
		uint16_t idx, head;
	} bad[] = {
		{ "more than there can be", RING_SIZE + 1, 0 },
		{ "backwards", 0xffff, 0 },
		{ "a head past the table", 1, RING_SIZE },
		{ "a head far past it", 1, 0xffff },
	};
	struct device *d = &v->device[i];

	for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		if (!tells(v, i, queue, n))
			continue;
		device_start(d, ring_features(d));
		if (!d->queue[queue].there) {
			device_reset(d);
			return;
		}
		d->queue[queue].avail->ring[0] = bad[n].head;
		__atomic_store_n(&d->queue[queue].avail->idx, bad[n].idx, __ATOMIC_SEQ_CST);
		write32(d, REG_NOTIFY, queue);
		judge(v, i, queue, bad[n].what);
	}
}

/* Rings where there is no memory, and all three in one place. */
static void lie_about_places(struct victims *v, unsigned i)
{
	static const uint64_t places[] = { HOLE, DEVICE, LAST - 15, 1ULL << 40, 3, 0x200000 };
	struct device *d = &v->device[i];

	for (unsigned n = 0; n < 3 * sizeof(places) / sizeof(places[0]); n++) {
		static const unsigned registers[] = { REG_DESC, REG_AVAIL, REG_USED };
		uint64_t at = places[n / 3];

		write32(d, REG_STATUS, 3);
		write32(d, REG_ACCEPT_SEL, 1);
		write32(d, REG_ACCEPT, 1);
		write32(d, REG_STATUS, STATUS_FEATURES_OK);
		write32(d, REG_QUEUE, 0);
		write32(d, REG_QUEUE_SIZE, RING_SIZE);
		for (unsigned k = 0; k < 3; k++) {
			write32(d, registers[k], k == n % 3 ? (uint32_t)at : 0x200000);
			write32(d, registers[k] + 4, k == n % 3 ? at >> 32 : 0);
		}
		write32(d, REG_QUEUE_READY, 1);
		write32(d, REG_STATUS, STATUS_DRIVER_OK);
		write32(d, REG_NOTIFY, 0);
		if (at != 0x200000 && !device_breaks(d))
			fail("rings in no memory", at);
		device_reset(d);
	}
}

void guest_main(void)
{
	static struct victims v;

	find_victims(&v);
	for (unsigned i = 0; i < v.n; i++) {
		for (unsigned queue = 0; queue < 4; queue++) {
			v.device[i].only = queue + 1;
			lie_about_chains(&v, i, queue);
			lie_about_indices(&v, i, queue);
		}
		v.device[i].only = 0;
		lie_about_places(&v, i);
	}
	ok("lied about all of every ring");
	prove_alive(&v);
	ok("rings");
}
