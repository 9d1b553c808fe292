/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/arch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "vmm/arch/x86_64/acpi.h"
#include "vmm/arch/x86_64/cpuid.h"
#include "vmm/arch/x86_64/layout.h"
#include "vmm/arch/x86_64/mptable.h"
#include "vmm/arch/x86_64/msr.h"
#include "vmm/arch/x86_64/ports.h"
#include "vmm/arch/x86_64/registers.h"
#include "vmm/arch/x86_64/restart.h"
#include "vmm/boot/pvh.h"

#define ACPI_DEVICES_MAX (LAYOUT_LINES - LAYOUT_LINES_FIRST)

const struct arch_limits arch_limits = {
	.hole = LAYOUT_HOLE,
	.hole_end = LAYOUT_HOLE_END,
	.devices = LAYOUT_VIRTIO,
	.kernel = LAYOUT_KERNEL,
	.cpus_max = LAYOUT_CPUS_MAX,
	.line_max = LAYOUT_CMDLINE_MAX,
	.lines = { LAYOUT_LINES_FIRST, LAYOUT_LINES },
};

struct arch {
	struct arch_config config;
	struct ports ports;
	struct kvm_cpuid2 *cpuid; /* what the host's KVM supports */
	const struct memory *memory;
};

/*
 * The interrupt controllers of a PC, in the kernel. With ACPI the guest knows that the
 * two old ones are not used, and would take their interrupts for the processor's
 * exceptions: so the local APIC's pin for them stays masked, where KVM can do that.
 */
static int create_irqchip(const struct kvm *k, bool acpi, struct err *err)
{
	struct kvm_enable_cap quirk = { .cap = KVM_CAP_DISABLE_QUIRKS,
					.args = { KVM_X86_QUIRK_LINT0_REENABLED } };
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int r = kvm_vm_ioctl(k, KVM_SET_TSS_ADDR, (void *)LAYOUT_VMX_SCRATCH, "scratch pages", err);

	if (r == 0)
		r = kvm_vm_ioctl(k, KVM_CREATE_IRQCHIP, NULL, "interrupt controllers", err);
	if (r == 0 && acpi)
		(void)ioctl(k->vm, KVM_ENABLE_CAP, &quirk);
	/* Without ACPI a kernel checks its interrupts by the timer of old. */
	if (r == 0 && !acpi)
		r = kvm_vm_ioctl(k, KVM_CREATE_PIT2, &pit, "a timer", err);
	return r;
}

int arch_look(struct err *err)
{
	(void)err;
	return 0;
}

struct arch *arch_new(const struct kvm *k, const struct arch_config *config, struct err *err)
{
	struct arch *a = calloc(1, sizeof(*a));

	if (!a) {
		err_set(err, ENOMEM, "no memory for the machine");
		return NULL;
	}
	a->config = *config;
	a->ports = (struct ports){ .debug = config->debug,
				   .epoch_us = config->epoch_us,
				   .lock = PTHREAD_MUTEX_INITIALIZER };
	if (create_irqchip(k, config->acpi, err) == 0)
		a->cpuid = cpuid_supported(k->fd, err);
	if (!a->cpuid) {
		arch_free(a);
		return NULL;
	}
	return a;
}

void arch_free(struct arch *a)
{
	if (!a)
		return;
	free(a->cpuid);
	free(a);
}

int arch_vcpu_init(const struct arch *a, int vcpu_fd, unsigned index, struct err *err)
{
	size_t size = sizeof(*a->cpuid) + CPUID_ENTRIES_MAX * sizeof(a->cpuid->entries[0]);
	auto_free struct kvm_cpuid2 *own = malloc(size);

	if (!own)
		return err_set(err, ENOMEM, "no memory for a processor's features");
	memcpy(own, a->cpuid, size);
	cpuid_adjust(own, index, a->config.n_cpus);
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, own) < 0)
		return err_sys(err, errno, "KVM: a processor's features");
	registers_enable_state(vcpu_fd, own);
	return msr_init(vcpu_fd, err);
}

/*
 * There is no PCI, which takes a kernel hundreds of ports to find out. And on one processor
 * Linux rewrites its eight thousand atomic instructions to do without the bus lock, eight
 * million instructions' work, to undo it all when a second processor comes.
 */
int arch_add_to_line(const struct arch *a, struct arch_boot *boot, struct err *err)
{
	int r = kernel_line_add(&boot->line, LAYOUT_CMDLINE_MAX, "pci=off noreplace-smp", err);

	/* Nor a serial port, to which a kernel that has no other console writes its errors. */
	if (r == 0 && !a->config.debug)
		r = kernel_line_add(&boot->line, LAYOUT_CMDLINE_MAX, "8250.nr_uarts=0", err);
	/* With ACPI devices are found in the tables. */
	for (unsigned i = 0; !a->config.acpi && r == 0 && i < boot->n_devices; i++) {
		const struct arch_device *d = &boot->devices[i];
		char words[80];

		snprintf(words, sizeof(words), "virtio_mmio.device=%uK@%#" PRIx64 ":%u",
			 d->size >> 10, d->start, d->line);
		r = kernel_line_add(&boot->line, LAYOUT_CMDLINE_MAX, words, err);
	}
	return r;
}

static ssize_t write_acpi(const struct arch *a, uint8_t *at, const struct arch_boot *boot)
{
	struct acpi_device devices[ACPI_DEVICES_MAX];
	struct acpi_machine machine = { .n_cpus = a->config.n_cpus, .devices = devices };

	for (unsigned i = 0; i < boot->n_devices && i < ACPI_DEVICES_MAX; i++)
		devices[machine.n_devices++] = (struct acpi_device){
			.start = (uint32_t)boot->devices[i].start,
			.size = boot->devices[i].size,
			.line = boot->devices[i].line,
		};
	return acpi_write(&machine, at, LAYOUT_FIRMWARE - LAYOUT_TABLES, LAYOUT_TABLES);
}

static void map_memory(struct pvh *p, const struct memory *m, bool acpi)
{
	p->range[p->n_ranges++] = (struct pvh_range){ 0, LAYOUT_LOW_END, PVH_RAM };
	p->range[p->n_ranges++] =
		(struct pvh_range){ LAYOUT_TABLES, LAYOUT_TABLES_END - LAYOUT_TABLES,
				    acpi ? PVH_ACPI : PVH_RESERVED };
	for (unsigned i = 0; i < m->n; i++) {
		const struct memory_region *r = &m->region[i];
		gpa_t start = r->start == 0 ? LAYOUT_KERNEL : r->start;

		p->range[p->n_ranges++] =
			(struct pvh_range){ start, r->start + r->size - start, PVH_RAM };
	}
}

int arch_load(struct arch *a, const struct memory *m, struct arch_boot *boot, struct err *err)
{
	struct pvh p = {
		.start_info = LAYOUT_START_INFO,
		.memory_map = LAYOUT_MEMORY_MAP,
		.cmdline = LAYOUT_CMDLINE,
		.line = boot->line.text,
		.initrd = boot->initrd,
		.rsdp = a->config.acpi ? LAYOUT_TABLES : 0,
	};
	void *tables = memory_at(m, LAYOUT_TABLES, LAYOUT_TABLES_END - LAYOUT_TABLES);
	void *low = memory_at(m, 0, LAYOUT_START_INFO);

	if (!tables || !low || mptable_write(low, LAYOUT_START_INFO, a->config.n_cpus) < 0 ||
	    (a->config.acpi && write_acpi(a, tables, boot) < 0))
		return err_set(err, ENOSPC, "no room for the machine's tables");
	map_memory(&p, m, a->config.acpi);
	a->memory = m;
	boot->start_info = p.start_info;
	return restart_prepare(m, err) < 0 ? err->code : pvh_write(&p, m, err);
}

int arch_set_entry(const struct arch *a, int vcpu_fd, const struct arch_boot *boot, struct err *err)
{
	(void)a;
	return registers_set_entry(vcpu_fd, boot->entry, (uint32_t)boot->start_info, err);
}

static enum ending_word port_exit(struct arch *a, struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	enum ending_word word = ENDING_NONE;

	for (uint32_t i = 0; i < run->io.count && word == ENDING_NONE; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			word = ports_write(&a->ports, run->io.port, data, run->io.size);
		else
			ports_read(&a->ports, run->io.port, data, run->io.size);
	}
	return word;
}

enum ending_word arch_exit(struct arch *a, unsigned cpu, struct kvm_run *run, struct ending *ending)
{
	if (run->exit_reason == KVM_EXIT_IO)
		return ending_set(ending, port_exit(a, run), "%s", "");
	if (run->exit_reason == KVM_EXIT_SHUTDOWN)
		return restart_was_asked(a->memory) ?
			       ending_set(ending, ENDING_RESET, "by a fault") :
			       ending_set(ending, ENDING_TRIPLE_FAULT, "processor %u", cpu);
	return ending_set(ending, ENDING_FAILED, "KVM exits for reason %u", run->exit_reason);
}
