/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine asks of an architecture. One folder beside this header implements it;
 * the rest of the monitor knows no registers, tables or ports.
 */
#ifndef VMM_ARCH_ARCH_H
#define VMM_ARCH_ARCH_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "base/err.h"
#include "vmm/boot/initrd.h"
#include "vmm/boot/kernel_line.h"
#include "vmm/ending.h"
#include "vmm/irq.h"
#include "vmm/kvm.h"
#include "vmm/memory.h"

struct arch;

struct arch_limits {
	gpa_t hole, hole_end; /* no memory between them */
	gpa_t devices;	      /* in the hole: the page of the first virtio device */
	gpa_t kernel;	      /* the lowest address of a kernel */
	unsigned cpus_max;
	size_t line_max; /* characters of a kernel's command line */
	struct irq_lines lines;
};

extern const struct arch_limits arch_limits;

struct arch_config {
	bool acpi;	  /* how the kernel finds processors and devices */
	bool debug;	  /* an early console on standard error, and marks */
	int64_t epoch_us; /* when the monitor began: CLOCK_MONOTONIC */
	unsigned n_cpus;
};

/* A virtio device as the kernel shall find it. */
struct arch_device {
	gpa_t start;
	uint32_t size;
	uint32_t line;
};

struct arch_boot {
	uint32_t entry;
	gpa_t start_info; /* filled in by arch_load() */
	struct initrd initrd;
	struct kernel_line line;
	unsigned n_devices;
	const struct arch_device *devices;
};

/* Is there a machine for this host's architecture at all? 0; -ENOTSUP and @err. */
int arch_look(struct err *err);

/* Interrupt controllers and what the machine has but for processors. After its memory. */
struct arch *arch_new(const struct kvm *k, const struct arch_config *config, struct err *err);
void arch_free(struct arch *a);

int arch_vcpu_init(const struct arch *a, int vcpu_fd, unsigned index, struct err *err);

/* Words that the kernel needs to find its devices. */
int arch_add_to_line(const struct arch *a, struct arch_boot *boot, struct err *err);
/* Tables, memory map, boot data. @m stays in use. */
int arch_load(struct arch *a, const struct memory *m, struct arch_boot *boot, struct err *err);
/* The first processor will begin with the kernel. */
int arch_set_entry(const struct arch *a, int vcpu_fd, const struct arch_boot *boot,
		   struct err *err);

/* An exit of processor @cpu that only this architecture has; on the processor's thread. */
enum ending_word arch_exit(struct arch *a, unsigned cpu, struct kvm_run *run,
			   struct ending *ending);

#endif
