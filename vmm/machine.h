/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: memory, processors, devices and how they hang together. Made in the order
 * of these functions, used from the loop's thread.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "vmm/arch/arch.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/initrd.h"
#include "vmm/bus.h"
#include "vmm/ending.h"
#include "vmm/irq.h"
#include "vmm/kvm.h"
#include "vmm/kvm_stats.h"
#include "vmm/memory.h"
#include "vmm/vcpus.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/mmio.h"

#define MACHINE_DEVICES_MAX 32

struct machine_config {
	uint64_t memory; /* bytes */
	bool shared_memory;
	unsigned n_cpus;
	bool acpi, debug;
	int64_t epoch_us; /* when the monitor began: CLOCK_MONOTONIC */
};

struct machine {
	struct machine_config config;
	struct loop *loop;
	struct kvm kvm;
	struct memory memory;
	struct arch *arch;
	struct bus bus;
	struct irq_lines lines;
	struct vcpus vcpus;
	struct elf_kernel kernel;
	struct initrd initrd;
	unsigned n_devices;
	struct virtio_mmio *device[MACHINE_DEVICES_MAX];
	struct arch_device place[MACHINE_DEVICES_MAX];

	struct loop_source *event; /* of vcpus */
	bool paused;

	/* For statistics alone. */
	struct kvm_stats *kvm_stats; /* or NULL */
	int statm;		     /* or -1 */
	long page_size;
};

/*
 * Memory, and the KVM behind @kvm_fd (taken over). The machine stays where it is: devices
 * keep pointers into it. On failure nothing is left.
 */
int machine_init(struct machine *m, const struct machine_config *config, int kvm_fd,
		 struct loop *loop, struct err *err);
/* Devices end first. After machine_run() or before it. */
void machine_done(struct machine *m);

/* Load a kernel, and an initrd unless it is -1, from files (borrowed) into its memory. */
int machine_load(struct machine *m, int kernel_fd, int initrd_fd, struct err *err);

/* Interrupt controllers and processors. */
int machine_assemble(struct machine *m, struct err *err);

/*
 * Plug in @dev (taken over, also on failure; NULL is a constructor's failure and handed
 * on): a page on the bus, a line, and a kick for each queue.
 */
int machine_add(struct machine *m, struct virtio_device *dev, struct err *err);

/* Tell the kernel of all that: tables and the command line, @words and what it needs. */
int machine_boot(struct machine *m, const char *words, struct err *err);

/*
 * Make the processors' threads, which call @enter first (vcpus.h) and then wait for
 * machine_run(). All other threads, files and privileges are to be had before this.
 */
int machine_start(struct machine *m, vcpus_enter_cb enter, struct err *err);
/* Let them run until the guest ends: how it did, all processors at rest. */
struct ending machine_run(struct machine *m);

/* End it, from any thread. */
void machine_end(struct machine *m, enum ending_word word, const char *text);

/*
 * Bring processors and devices to rest, or let them go on; what is so already is fine.
 * -ETIMEDOUT: a processor did not come out of the guest, and all run on.
 */
int machine_pause(struct machine *m);
void machine_resume(struct machine *m);

/*
 * Open what tells of the machine from outside: before the jail, and only if somebody will
 * ask. Whatever there is none of is left out of the answers.
 */
void machine_open_stats(struct machine *m);

/* Append words and numbers (vmm/protocol.h): "cpus=2 state=running memory=128 exits=…". */
void machine_stats(struct machine *m, struct str *out);

#endif
