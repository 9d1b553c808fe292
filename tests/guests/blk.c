/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim: a disk keeps what is written to it and empties what is discarded, knows its name
 * and its end, and a read-only one stays as it was. The first disk is to be written, the
 * second is not; both have a mebibyte at least, and the host looks at the files afterwards.
 */
#include "virtio.h"

#define T_IN	  0
#define T_OUT	  1
#define T_FLUSH	  4
#define T_GET_ID  8
#define T_DISCARD 11
#define T_ZEROES  13

#define FEATURE_READ_ONLY 5
#define FEATURE_FLUSH	  9
#define FEATURE_DISCARD	  13
#define FEATURE_ZEROES	  14

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

static struct header *header;
static uint8_t *data, *status;

/* The status of one request with @len bytes of @data. */
static uint8_t request(struct device *d, uint32_t type, uint64_t sector, uint32_t len, bool table)
{
	struct desc *desc = d->queue[0].desc, *at = table ? take(48, 16) : desc;
	uint16_t write = type == T_IN || type == T_GET_ID ? D_WRITE : 0;

	*header = (struct header){ type, 0, sector };
	*status = 0xee;
	at[0] = (struct desc){ (uintptr_t)header, sizeof(*header), D_NEXT, 1 };
	at[1] = (struct desc){ (uintptr_t)data, len, write | D_NEXT, 2 };
	at[2] = (struct desc){ (uintptr_t)status, 1, D_WRITE, 0 };
	if (table)
		desc[0] = (struct desc){ (uintptr_t)at, 48, D_INDIRECT, 0 };
	queue_do(d, 0, 0);
	return *status;
}

static void fill(uint32_t seed)
{
	for (uint32_t i = 0; i < 65536; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 9) + seed);
}

static bool filled(uint32_t seed)
{
	for (uint32_t i = 0; i < 65536; i++) {
		if (data[i] != (uint8_t)(i * 7 + (i >> 9) + seed))
			return false;
	}
	return true;
}

static void writable(struct device *d, bool table)
{
	uint64_t sectors = read32(d, REG_CONFIG) | (uint64_t)read32(d, REG_CONFIG + 4) << 32;

	for (uint32_t i = 0; i < 8; i++) {
		fill(i);
		must(request(d, T_OUT, i * 128, 65536, table) == 0);
	}
	must(request(d, T_FLUSH, 0, 0, table) == 0);
	for (uint32_t i = 0; i < 8; i++) {
		memset(data, 0, 65536);
		must(request(d, T_IN, i * 128, 65536, table) == 0);
		must(filled(i));
	}
	must(request(d, T_IN, sectors, 512, table) == 1);
	must(request(d, T_IN, sectors - 1, 512, table) == 0);
	must(request(d, T_OUT, ~0ULL, 512, table) == 1);
	must(request(d, 77, 0, 512, table) == 2);
	memset(data, 'x', 20);
	must(request(d, T_GET_ID, 0, 20, table) == 0);
	must(memcmp(data, "vda", 4) == 0);
}

/* Written, emptied by a request of @type, and empty: the second half of the disk stays so. */
static void emptied(struct device *d, uint32_t type)
{
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range = { 1024, 128, 0 };

	fill(99);
	must(request(d, T_OUT, range.sector, 65536, true) == 0);
	memcpy(data, &range, sizeof(range));
	must(request(d, type, 0, sizeof(range), true) == 0);
	must(request(d, T_IN, range.sector, 65536, true) == 0);
	for (uint32_t i = 0; i < 65536; i++)
		must(data[i] == 0);
}

void guest_main(void)
{
	struct device d;

	header = take(sizeof(*header), 16);
	status = take(1, 16);
	data = take(65536, 4096);
	must(device_find(&d, ID_BLK, 0));
	device_start(&d, 1ULL << FEATURE_FLUSH);
	writable(&d, false);
	ok("blk: reads, writes, flushes, knows its end and its name");
	device_reset(&d);
	device_start(&d, 1ULL << FEATURE_FLUSH | 1ULL << FEATURE_DISCARD | 1ULL << FEATURE_ZEROES |
				 1ULL << FEATURE_INDIRECT | 1ULL << FEATURE_EVENT);
	writable(&d, true);
	ok("blk: the same by tables of descriptors, after a reset");
	emptied(&d, T_DISCARD);
	emptied(&d, T_ZEROES);
	ok("blk: what is discarded or zeroed is empty");
	must(device_find(&d, ID_BLK, 1));
	must(device_features(&d) & 1ULL << FEATURE_READ_ONLY);
	device_start(&d, 0);
	must(request(&d, T_OUT, 0, 65536, false) == 1);
	must(request(&d, T_IN, 0, 65536, false) == 0);
	must(memcmp(data, "read-only", 9) == 0);
	ok("blk: a read-only disk is read, not written");
}
