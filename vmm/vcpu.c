/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"

int vcpu_init(struct vcpu *v, unsigned index, const struct kvm *k, struct arch *arch,
	      const struct bus *bus, struct err *err)
{
	void *run;
	int r;

	*v = (struct vcpu){
		.index = index, .fd = -1, .run_size = k->run_size, .arch = arch, .bus = bus
	};
	v->fd = ioctl(k->vm, KVM_CREATE_VCPU, (unsigned long)index);
	if (v->fd < 0)
		return err_sys(err, errno, "KVM: cannot create processor %u", index);
	run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (run == MAP_FAILED)
		r = err_sys(err, errno, "KVM: cannot map processor %u", index);
	else
		r = 0;
	if (r == 0) {
		v->run = run;
		r = arch_vcpu_init(arch, v->fd, index, err);
	}
	if (r < 0)
		vcpu_done(v);
	return r;
}

void vcpu_done(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_size);
	v->run = NULL;
	close_fd(&v->fd);
}

static void count(struct vcpu *v, unsigned reason)
{
	uint64_t *n = &v->exits[reason < VCPU_REASONS ? reason : VCPU_REASONS - 1];

	/* One writer; readers want no half of a value, no order. */
	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

static void mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	if (run->mmio.is_write)
		bus_write(v->bus, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(v->bus, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
}

static enum ending_word system_event(uint32_t type, struct ending *e)
{
	switch (type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		return ending_set(e, ENDING_POWEROFF, "%s", "");
	case KVM_SYSTEM_EVENT_RESET:
		return ending_set(e, ENDING_RESET, "%s", "");
	case KVM_SYSTEM_EVENT_CRASH:
		return ending_set(e, ENDING_PANIC, "%s", "");
	default:
		return ending_set(e, ENDING_FAILED, "KVM tells of the system event %u", type);
	}
}

static enum ending_word answer(struct vcpu *v, struct ending *e)
{
	struct kvm_run *run = v->run;

	count(v, run->exit_reason);
	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		mmio(v);
		return ENDING_NONE;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return ENDING_NONE;
	case KVM_EXIT_SYSTEM_EVENT:
		return system_event(run->system_event.type, e);
	case KVM_EXIT_FAIL_ENTRY:
		return ending_set(
			e, ENDING_FAILED, "processor %u cannot be entered: %#llx", v->index,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		return ending_set(e, ENDING_FAILED,
				  "KVM cannot go on with processor %u (internal error %u)",
				  v->index, run->internal.suberror);
	default:
		return arch_exit(v->arch, v->index, run, e);
	}
}

enum ending_word vcpu_enter(struct vcpu *v, struct ending *e)
{
	if (ioctl(v->fd, KVM_RUN, 0) == 0)
		return answer(v, e);
	if (errno == EINTR || errno == EAGAIN) {
		/* Before whoever interrupted is looked for, so that none is missed. */
		__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		count(v, KVM_EXIT_INTR);
		return ENDING_NONE;
	}
	return ending_set(e, ENDING_FAILED, "KVM cannot run processor %u: %s", v->index,
			  strerror(errno));
}

void vcpu_interrupt(struct vcpu *v)
{
	__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

void vcpu_settle(struct vcpu *v)
{
	vcpu_interrupt(v);
	/* Answers -EINTR once what the exit left is done. */
	(void)ioctl(v->fd, KVM_RUN, 0);
	__atomic_store_n(&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

const char *vcpu_reason_name(unsigned reason)
{
	static const char *const names[VCPU_REASONS] = {
		[KVM_EXIT_IO] = "io",
		[KVM_EXIT_HLT] = "halt",
		[KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq-window",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail-entry",
		[KVM_EXIT_INTR] = "interrupted",
		[KVM_EXIT_INTERNAL_ERROR] = "internal-error",
		[KVM_EXIT_SYSTEM_EVENT] = "system-event",
		[VCPU_REASONS - 1] = "other",
	};

	return reason < VCPU_REASONS ? names[reason] : NULL;
}
