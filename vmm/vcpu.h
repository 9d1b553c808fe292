/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One processor: it runs guest code until the guest does something that the host's KVM
 * does not answer by itself, and answers that. Knows nothing of threads but its own.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/kvm.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/arch/arch.h"
#include "vmm/bus.h"
#include "vmm/ending.h"
#include "vmm/kvm.h"

#define VCPU_REASONS 40 /* KVM's exit reasons; those beyond are counted as the last */

struct vcpu {
	unsigned index;
	int fd;
	struct kvm_run *run; /* shared with KVM */
	uint32_t run_size;
	struct arch *arch;
	const struct bus *bus;
	uint64_t exits[VCPU_REASONS]; /* by reason; written by its thread, read by any */
};

/* All pointers are borrowed. On failure vcpu_done() is allowed and not needed. */
int vcpu_init(struct vcpu *v, unsigned index, const struct kvm *k, struct arch *arch,
	      const struct bus *bus, struct err *err);
void vcpu_done(struct vcpu *v);

/*
 * Run the guest until it exits, and answer. ENDING_NONE: again; otherwise *@ending says
 * how the guest ended. A signal, or vcpu_interrupt(), makes it return soon.
 */
enum ending_word vcpu_enter(struct vcpu *v, struct ending *ending);

/* From any thread: the vcpu_enter() at hand, or else the next one, returns at once. */
void vcpu_interrupt(struct vcpu *v);
/*
 * On its own thread, after an interrupt: finish the access that was answered last, so
 * that the registers say what a clone of this processor would have to go on with.
 */
void vcpu_settle(struct vcpu *v);

/* The word for KVM exit @reason in statistics ("mmio", "io", …); NULL without one. */
const char *vcpu_reason_name(unsigned reason);

#endif
