/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "vmm/machine.h"

static uint64_t one(const struct vcpus *all, unsigned cpu, unsigned reason)
{
	return __atomic_load_n(&all->thread[cpu].cpu.exits[reason], __ATOMIC_RELAXED);
}

static uint64_t of_reason(const struct vcpus *all, unsigned reason)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < all->n; i++)
		sum += one(all, i, reason);
	return sum;
}

static uint64_t of_cpu(const struct vcpus *all, unsigned cpu)
{
	uint64_t sum = 0;

	for (unsigned r = 0; r < VCPU_REASONS; r++)
		sum += one(all, cpu, r);
	return sum;
}

void machine_stats(struct machine *m, struct str *out)
{
	uint64_t total = 0;

	for (unsigned r = 0; r < VCPU_REASONS; r++)
		total += of_reason(&m->vcpus, r);
	str_printf(out, "cpus=%u exits=%" PRIu64, m->vcpus.n, total);
	for (unsigned r = 0; r < VCPU_REASONS; r++)
		if (vcpu_reason_name(r) && of_reason(&m->vcpus, r) > 0)
			str_printf(out, " %s=%" PRIu64, vcpu_reason_name(r),
				   of_reason(&m->vcpus, r));
	for (unsigned i = 0; m->vcpus.n > 1 && i < m->vcpus.n; i++)
		str_printf(out, " cpu%u=%" PRIu64, i, of_cpu(&m->vcpus, i));
	for (unsigned i = 0; i < m->n_devices; i++) {
		struct virtio_device *dev = virtio_mmio_device(m->device[i]);

		if (dev->ops->stats)
			dev->ops->stats(dev, out);
	}
}
