/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/pvh.h"

#include <errno.h>
#include <string.h>

#define MAGIC	0x336ec578
#define VERSION 1 /* has a memory map */

struct start_info {
	uint32_t magic, version, flags, n_modules;
	uint64_t modules, cmdline, rsdp;
	uint64_t memory_map;
	uint32_t n_ranges, reserved;
};

struct module {
	uint64_t start, size, cmdline, reserved;
};

struct range {
	uint64_t start, size;
	uint32_t type, reserved;
};

static int put(const struct memory *m, gpa_t at, const void *data, size_t len, struct err *err)
{
	void *to = memory_at(m, at, len);

	if (!to)
		return err_set(err, ENOSPC, "the guest's memory has no room for boot data");
	memcpy(to, data, len);
	return 0;
}

int pvh_write(const struct pvh *p, const struct memory *m, struct err *err)
{
	struct start_info info = {
		.magic = MAGIC,
		.version = VERSION,
		.n_modules = p->initrd.size > 0,
		.modules = p->start_info + sizeof(info),
		.cmdline = p->cmdline,
		.rsdp = p->rsdp,
		.memory_map = p->memory_map,
		.n_ranges = p->n_ranges,
	};
	struct module initrd = { .start = p->initrd.start, .size = p->initrd.size };
	struct range map[PVH_RANGES_MAX] = { 0 };
	int r;

	for (unsigned i = 0; i < p->n_ranges; i++)
		map[i] = (struct range){ p->range[i].start, p->range[i].size, p->range[i].type, 0 };
	r = put(m, p->start_info, &info, sizeof(info), err);
	if (r == 0)
		r = put(m, info.modules, &initrd, sizeof(initrd), err);
	if (r == 0)
		r = put(m, p->memory_map, map, sizeof(map), err);
	if (r == 0)
		r = put(m, p->cmdline, p->line, strlen(p->line) + 1, err);
	return r;
}
