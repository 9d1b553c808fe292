/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An architecture that the monitor has no machine for: it builds there, answers --help, and
 * says what it cannot do before anything else is tried. What a real one has to bring is
 * vmm/arch/arch.h, and nothing besides.
 */
#include <errno.h>
#include <sys/utsname.h>

#include "vmm/arch/arch.h"

const struct arch_limits arch_limits = { .cpus_max = 1, .line_max = 2048 };

static int refuse(struct err *err)
{
	struct utsname u = { .machine = "" };

	uname(&u);
	return err_set(err, ENOTSUP,
		       "this monitor has machines for x86_64 only, and the host is %s: another "
		       "hypervisor is needed",
		       u.machine);
}

int arch_look(struct err *err)
{
	return refuse(err);
}

struct arch *arch_new(const struct kvm *k, const struct arch_config *config, struct err *err)
{
	(void)k;
	(void)config;
	refuse(err);
	return NULL;
}

void arch_free(struct arch *a)
{
	(void)a;
}

int arch_vcpu_init(const struct arch *a, int vcpu_fd, unsigned index, struct err *err)
{
	(void)a;
	(void)vcpu_fd;
	(void)index;
	return refuse(err);
}

int arch_add_to_line(const struct arch *a, struct arch_boot *boot, struct err *err)
{
	(void)a;
	(void)boot;
	return refuse(err);
}

int arch_load(struct arch *a, const struct memory *m, struct arch_boot *boot, struct err *err)
{
	(void)a;
	(void)m;
	(void)boot;
	return refuse(err);
}

int arch_set_entry(const struct arch *a, int vcpu_fd, const struct arch_boot *boot, struct err *err)
{
	(void)a;
	(void)vcpu_fd;
	(void)boot;
	return refuse(err);
}

enum ending_word arch_exit(struct arch *a, unsigned cpu, struct kvm_run *run, struct ending *ending)
{
	(void)a;
	return ending_set(ending, ENDING_FAILED, "processor %u left for an unknown reason %u", cpu,
			  run->exit_reason);
}
