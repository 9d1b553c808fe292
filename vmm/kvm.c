/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

/* What nothing here works without; each names itself when it is missing. */
static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
#ifdef __x86_64__
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
#endif
};

static int check(struct kvm *k, struct err *err)
{
	int version = ioctl(k->fd, KVM_GET_API_VERSION, 0);
	int size, max;

	if (version < 0)
		return err_sys(err, errno, "not a KVM device");
	if (version != KVM_API_VERSION)
		return err_set(err, ENOTSUP, "KVM speaks version %d, not %d", version,
			       KVM_API_VERSION);
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		if (ioctl(k->fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return err_set(err, ENOTSUP, "this host's KVM has no %s", needed[i].name);
	size = ioctl(k->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return err_set(err, ENOTSUP, "KVM gives %d bytes for a processor's exits", size);
	k->run_size = (uint32_t)size;
	max = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	/* api.rst: without the answer the recommended maximum, without that one 4. */
	if (max <= 0)
		max = ioctl(k->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	k->max_vcpus = max > 0 ? (unsigned)max : 4;
	return 0;
}

static void *create(void *arg)
{
	struct kvm *k = arg;

	/* A signal may interrupt what takes long. */
	do
		k->vm = ioctl(k->fd, KVM_CREATE_VM, 0);
	while (k->vm < 0 && errno == EINTR);
	k->failure = k->vm < 0 ? errno : 0;
	return NULL;
}

int kvm_init(struct kvm *k, int fd, struct err *err)
{
	int r;

	*k = (struct kvm){ .fd = fd, .vm = -1 };
	r = check(k, err);
	if (r == 0) {
		k->creating = pthread_create(&k->creator, NULL, create, k) == 0;
		if (!k->creating)
			create(k);
	} else {
		kvm_done(k);
	}
	return r;
}

int kvm_created(struct kvm *k, struct err *err)
{
	if (k->creating)
		pthread_join(k->creator, NULL);
	k->creating = false;
	return k->vm < 0 ? err_sys(err, k->failure, "KVM: cannot create a machine") : 0;
}

void kvm_done(struct kvm *k)
{
	if (k->creating)
		pthread_join(k->creator, NULL);
	k->creating = false;
	close_fd(&k->vm);
	close_fd(&k->fd);
}

int kvm_vm_ioctl(const struct kvm *k, unsigned long request, const void *arg, const char *what,
		 struct err *err)
{
	int r = ioctl(k->vm, request, arg);

	return r < 0 ? err_sys(err, errno, "KVM: %s", what) : r;
}

int kvm_set_memory(const struct kvm *k, const struct memory *m, struct err *err)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = m->region[i].start,
			.memory_size = m->region[i].size,
			.userspace_addr = (uintptr_t)m->region[i].host,
		};
		int r = kvm_vm_ioctl(k, KVM_SET_USER_MEMORY_REGION, &slot, "guest memory", err);

		if (r < 0)
			return r;
	}
	return 0;
}

int kvm_tie_write(const struct kvm *k, gpa_t addr, uint32_t value, int eventfd, struct err *err)
{
	struct kvm_ioeventfd tie = {
		.datamatch = value,
		.addr = addr,
		.len = 4,
		.fd = eventfd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_vm_ioctl(k, KVM_IOEVENTFD, &tie, "a queue's kick", err);
}

void kvm_raise_line(const struct kvm *k, uint32_t gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	/* Both can fail only where there is no such line. */
	(void)ioctl(k->vm, KVM_IRQ_LINE, &line);
	line.level = 0;
	(void)ioctl(k->vm, KVM_IRQ_LINE, &line);
}

int kvm_tie_line(const struct kvm *k, int eventfd, uint32_t gsi, struct err *err)
{
	struct kvm_irqfd tie = { .fd = (uint32_t)eventfd, .gsi = gsi };

	return kvm_vm_ioctl(k, KVM_IRQFD, &tie, "a device's interrupt", err);
}
