/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/msr.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>

#define MSR_MISC_ENABLE	     0x1a0
#define MISC_FAST_STRINGS    (1U << 0)
#define MSR_MTRR_DEFAULT     0x2ff
#define MTRR_ENABLE	     (1U << 11)
#define MTRR_TYPE_WRITE_BACK 6

int msr_init(int vcpu_fd, struct err *err)
{
	/* struct kvm_msrs, which ends in an array without a size. */
	struct {
		uint32_t n, pad;
		struct kvm_msr_entry entry[2];
	} msrs = {
		.n = 2,
		.entry = {
			/* All memory is cached: without it a kernel distrusts its firmware. */
			{ .index = MSR_MTRR_DEFAULT, .data = MTRR_ENABLE | MTRR_TYPE_WRITE_BACK },
			{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRINGS },
		},
	};
	int set = ioctl(vcpu_fd, KVM_SET_MSRS, &msrs);

	if (set < 0)
		return err_sys(err, errno, "KVM: model-specific registers");
	if (set < 2)
		return err_set(err, ENOTSUP, "KVM takes no model-specific register %#x",
			       msrs.entry[set].index);
	return 0;
}
