/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/kvm_trial.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const char *const steps[] = {
	[KVM_TRIAL_OPEN] = "opening /dev/kvm",
	[KVM_TRIAL_CREATE] = "creating a machine",
	[KVM_TRIAL_START] = "the first instructions",
	[KVM_TRIAL_LOOP] = "a loop",
	[KVM_TRIAL_BREAKPOINT] = "a breakpoint (int3)",
	[KVM_TRIAL_CMPXCHG16B] = "cmpxchg16b",
	[KVM_TRIAL_XRSTOR] = "xrstor",
};

#define SLOW "KVM is too slow to be the processor's own: "

bool kvm_trial_in_doubt(const struct kvm_trial *t)
{
	return t->starved || (t->timed_out && t->step > KVM_TRIAL_CREATE) ||
	       (t->step == KVM_TRIAL_DONE && t->loop_us > KVM_TRIAL_LOOP_US);
}

void kvm_trial_judge(const struct kvm_trial *t, struct kvm_probe *p)
{
	char *reason = p->reason;
	size_t size = sizeof(p->reason);

	memset(p, 0, sizeof(*p));
	p->present = t->step != KVM_TRIAL_OPEN;
	if (t->loop_us)
		p->loops_ms = (uint32_t)((uint64_t)KVM_TRIAL_ROUNDS * 1000 / t->loop_us);
	if (t->starved)
		snprintf(reason, size, "KVM could not be measured: this host is too busy");
	else if (t->timed_out && t->step <= KVM_TRIAL_CREATE)
		snprintf(reason, size, "KVM does not work: %s took more than %d ms", steps[t->step],
			 KVM_TRIAL_CREATE_MS);
	else if (t->timed_out)
		snprintf(reason, size, SLOW "%d instructions did not end within %d ms",
			 2 * KVM_TRIAL_ROUNDS, KVM_TRIAL_LIMIT_MS);
	else if (t->error)
		snprintf(reason, size, "KVM does not work: %s failed: %s", steps[t->step],
			 strerror(t->error));
	else if (t->step != KVM_TRIAL_DONE)
		snprintf(reason, size, "KVM does not run guest code right: %s failed (exit %u)",
			 steps[t->step], t->exit);
	else if (t->loop_us > KVM_TRIAL_LOOP_US)
		snprintf(reason, size, SLOW "%d instructions took %u ms", 2 * KVM_TRIAL_ROUNDS,
			 t->loop_us / 1000);
	else
		p->usable = true;
	if (p->usable)
		snprintf(reason, size, "KVM works: %d instructions took %u us",
			 2 * KVM_TRIAL_ROUNDS, t->loop_us);
}
