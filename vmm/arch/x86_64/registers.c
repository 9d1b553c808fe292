/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/registers.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#define CR0_PROTECTED	  (1U << 0)
#define CR0_EXTENSION	  (1U << 4)
#define FLAGS_ALWAYS_ONE  (1U << 1)
#define TYPE_CODE	  0xb /* execute, read, accessed */
#define TYPE_DATA	  0x3 /* read, write, accessed */
#define TYPE_TASK_32_BUSY 0xb

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

int registers_set_entry(int vcpu_fd, uint32_t entry, uint32_t start_info, struct err *err)
{
	struct kvm_regs regs = { .rip = entry, .rbx = start_info, .rflags = FLAGS_ALWAYS_ONE };
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return err_sys(err, errno, "KVM: a processor's segments");
	/* There is no descriptor table behind the selectors: the kernel loads its own first. */
	sregs.cs = flat(0x08, TYPE_CODE);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat(0x10, TYPE_DATA);
	sregs.tr = (struct kvm_segment){
		.limit = 0x67, .selector = 0x18, .type = TYPE_TASK_32_BUSY, .present = 1
	};
	sregs.gdt.limit = sregs.idt.limit = 0;
	sregs.cr0 = CR0_PROTECTED | CR0_EXTENSION;
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return err_sys(err, errno, "KVM: a processor's registers");
	return 0;
}

void registers_enable_state(int vcpu_fd, const struct kvm_cpuid2 *leaves)
{
	for (uint32_t i = 0; i < leaves->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &leaves->entries[i];
		struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = e->eax } } };

		if (e->function != 0xd || e->index != 0)
			continue;
		/* Where it is refused the guest does it itself. */
		(void)ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs);
		return;
	}
}
