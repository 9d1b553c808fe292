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
#include "vmm/bus.h"
#include "vmm/ending.h"
#include "vmm/irq.h"
#include "vmm/kvm.h"
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

/* @arg's machine has come to rest, or runs again. On the loop's thread. */
typedef void (*machine_cb)(void *arg);

struct machine {
	struct machine_config config;
	struct loop *loop;
	struct kvm kvm;
	struct memory memory;
	struct arch *arch;
	struct bus bus;
	struct irq_lines lines;
	struct vcpus vcpus;
	unsigned n_devices;
	struct virtio_mmio *device[MACHINE_DEVICES_MAX];
	struct arch_device place[MACHINE_DEVICES_MAX];

	struct loop_source *event; /* of vcpus */
	bool paused;
	machine_cb on_paused;
	void *on_paused_arg;
};

/*
 * Memory, interrupt controllers and processors on the KVM behind @kvm_fd (taken over).
 * The machine stays where it is: devices keep pointers into it. On failure nothing is left.
 */
int machine_init(struct machine *m, const struct machine_config *config, int kvm_fd,
		 struct loop *loop, struct err *err);
/* Devices end first. After machine_run() or before it. */
void machine_done(struct machine *m);

/*
 * Plug in @dev (taken over, also on failure; NULL is a constructor's failure and handed
 * on): a page on the bus, a line, and a kick for each queue.
 */
int machine_add(struct machine *m, struct virtio_device *dev, struct err *err);

/* Load a kernel and an initrd (-1: none) from files (borrowed); the words of its line. */
int machine_boot(struct machine *m, int kernel_fd, int initrd_fd, const char *line,
		 struct err *err);

/*
 * Run until the guest ends; each processor's thread calls @enter first (vcpus.h). Returns
 * how it ended, all processors at rest.
 */
struct ending machine_run(struct machine *m, vcpus_enter_cb enter);

/* End it, from any thread. */
void machine_end(struct machine *m, enum ending_word word, const char *text);

/* Bring processors and devices to rest, then call @done. -EALREADY. */
int machine_pause(struct machine *m, machine_cb done, void *arg);
/* -EALREADY when it runs, -EAGAIN while it is on its way to rest. */
int machine_resume(struct machine *m);

/* Append words and numbers: "cpus=2 exits=… mmio=… io=…". Any thread. */
void machine_stats(struct machine *m, struct str *out);

#endif
