/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int bus_add(struct bus *b, gpa_t start, uint64_t size, const struct bus_ops *ops, void *arg,
	    struct err *err)
{
	unsigned at = 0;

	if (size == 0 || start + size < start)
		return err_set(err, EINVAL, "no range of the bus: %#" PRIx64, start);
	if (b->n == BUS_RANGES_MAX)
		return err_set(err, ENOSPC, "more than %d ranges on the bus", BUS_RANGES_MAX);
	while (at < b->n && b->range[at].start < start)
		at++;
	if ((at > 0 && start - b->range[at - 1].start < b->range[at - 1].size) ||
	    (at < b->n && b->range[at].start - start < size))
		return err_set(err, EEXIST, "two devices on the bus at %#" PRIx64, start);
	memmove(&b->range[at + 1], &b->range[at], (b->n - at) * sizeof(b->range[0]));
	b->range[at] = (struct bus_range){ start, size, ops, arg };
	b->n++;
	return 0;
}

/* The range that holds all of the access. */
static const struct bus_range *find(const struct bus *b, gpa_t addr, uint32_t len)
{
	unsigned low = 0, high = b->n;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		const struct bus_range *r = &b->range[mid];

		if (addr < r->start)
			high = mid;
		else if (addr - r->start >= r->size)
			low = mid + 1;
		else
			return len <= r->size - (addr - r->start) ? r : NULL;
	}
	return NULL;
}

void bus_read(const struct bus *b, gpa_t addr, void *data, uint32_t len)
{
	const struct bus_range *r = find(b, addr, len);

	if (r)
		r->ops->read(r->arg, addr - r->start, data, len);
	else
		memset(data, 0xff, len);
}

void bus_write(const struct bus *b, gpa_t addr, const void *data, uint32_t len)
{
	const struct bus_range *r = find(b, addr, len);

	if (r)
		r->ops->write(r->arg, addr - r->start, data, len);
}
