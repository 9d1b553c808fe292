/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's KVM: what it must be able to do, one machine in it, and that machine's
 * memory and wires. Linux Documentation/virt/kvm/api.rst.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/memory.h"

struct kvm {
	int fd; /* /dev/kvm */
	int vm; /* -1 until it is created */
	bool creating;
	pthread_t creator;
	int failure;	   /* the creator's errno */
	uint32_t run_size; /* of the page(s) a processor shares with us */
	unsigned max_vcpus;
};

/*
 * Check the KVM behind @fd (taken over) and begin to create a machine in it. A KVM of
 * another version, or without what is needed, is an error that names what is missing.
 *
 * On hosts with many control groups a machine takes tens of milliseconds to create, all
 * of them waiting: a thread does that, so that the kernel can be loaded meanwhile.
 */
int kvm_init(struct kvm *k, int fd, struct err *err);
/* Wait for the machine. Before all that follows. */
int kvm_created(struct kvm *k, struct err *err);
void kvm_done(struct kvm *k);

/* ioctl() on the machine; an error says "KVM: @what: …". */
int kvm_vm_ioctl(const struct kvm *k, unsigned long request, const void *arg, const char *what,
		 struct err *err);

/*
 * Hand over guest memory, one slot for each region. Before the interrupt controllers and
 * the wires: on some hosts each slot after them waits for milliseconds.
 */
int kvm_set_memory(const struct kvm *k, const struct memory *m, struct err *err);

/* A 32-bit write of @value at @addr signals @eventfd and does not come to us. */
int kvm_tie_write(const struct kvm *k, gpa_t addr, uint32_t value, int eventfd, struct err *err);
/*
 * Raise line @gsi: an edge, and the guest knows of it on return. An eventfd could do it, and
 * has to where another process interrupts; but for lines of an IOAPIC KVM leaves that to a
 * worker, a switch of threads more for each interrupt. Not both for one line.
 */
void kvm_raise_line(const struct kvm *k, uint32_t gsi);
/* @eventfd raises line @gsi, an edge for each time it is signalled. */
int kvm_tie_line(const struct kvm *k, int eventfd, uint32_t gsi, struct err *err);

#endif
