/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

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

void machine_open_stats(struct machine *m)
{
	m->kvm_stats = kvm_stats_new(1 + m->vcpus.n);
	kvm_stats_add(m->kvm_stats, ioctl(m->kvm.vm, KVM_GET_STATS_FD, NULL));
	for (unsigned i = 0; i < m->vcpus.n; i++)
		kvm_stats_add(m->kvm_stats,
			      ioctl(m->vcpus.thread[i].cpu.fd, KVM_GET_STATS_FD, NULL));
	m->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

/* Of the monitor's memory, which is the guest's but for some hundred KiB, what is there. */
static void tell_resident(const struct machine *m, struct str *out)
{
	char text[128];
	struct iovec v = { text, sizeof(text) - 1 };
	uint64_t pages;
	ssize_t n = m->statm >= 0 ? preadv(m->statm, &v, 1, 0) : -1;

	if (n <= 0)
		return;
	text[n] = '\0';
	if (sscanf(text, "%*u %" SCNu64, &pages) == 1)
		str_printf(out, " resident=%" PRIu64, pages * (uint64_t)m->page_size >> 20);
}

static void tell_exits(struct machine *m, struct str *out)
{
	uint64_t total = 0;

	for (unsigned r = 0; r < VCPU_REASONS; r++)
		total += of_reason(&m->vcpus, r);
	str_printf(out, " exits=%" PRIu64, total);
	for (unsigned r = 0; r < VCPU_REASONS; r++)
		if (vcpu_reason_name(r) && of_reason(&m->vcpus, r) > 0)
			str_printf(out, " %s=%" PRIu64, vcpu_reason_name(r),
				   of_reason(&m->vcpus, r));
}

void machine_stats(struct machine *m, struct str *out)
{
	str_printf(out, "cpus=%u state=%s memory=%" PRIu64, m->vcpus.n,
		   m->paused ? "paused" : "running", m->config.memory >> 20);
	tell_resident(m, out);
	tell_exits(m, out);
	kvm_stats_tell(m->kvm_stats, out);
	for (unsigned i = 0; i < m->n_devices; i++) {
		struct virtio_device *dev = virtio_mmio_device(m->device[i]);

		if (dev->ops->stats)
			dev->ops->stats(dev, out);
	}
	/* What a message has no room for is left out, whole. */
	for (unsigned i = 0; m->vcpus.n > 1 && i < m->vcpus.n; i++)
		if (out->len < VMM_MESSAGE_MAX - 40)
			str_printf(out, " cpu%u=%" PRIu64, i, of_cpu(&m->vcpus, i));
}
