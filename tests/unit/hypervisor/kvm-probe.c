/* SPDX-License-Identifier: Apache-2.0 */
/* kvm-probe: measures this host's KVM anew and prints the verdict. Status 0 when it is usable. */
#include <stdio.h>

#include "base/loop.h"
#include "host/hypervisor/kvm_probe.h"

int main(void)
{
	int64_t start = loop_now_ms();
	struct kvm_probe p;

	kvm_probe(&p, true);
	printf("%s: %s (present %d, %u rounds/ms, took %lld ms)\n",
	       p.usable ? "usable" : "unusable", p.reason, p.present, p.loops_ms,
	       (long long)(loop_now_ms() - start));
	return !p.usable;
}
