/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables of a machine without fixed hardware ("hardware-reduced", ACPI 6.4 section
 * 4.1): how to sleep and reset (FADT), the processors and their interrupt controllers
 * (MADT), the virtio devices and the panic device (DSDT).
 */
#ifndef VMM_ARCH_X86_64_ACPI_H
#define VMM_ARCH_X86_64_ACPI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/memory.h"

#define ACPI_S5		 5			 /* our type of soft-off */
#define ACPI_SLEEP_OFF	 (1 << 5 | ACPI_S5 << 2) /* section 4.8.3.7: SLP_EN, SLP_TYP */
#define ACPI_RESET_VALUE 0x01

struct acpi_device {
	uint32_t start, size, line;
};

struct acpi_machine {
	unsigned n_cpus;
	unsigned n_devices;
	const struct acpi_device *devices; /* virtio over MMIO, in the order of discovery */
};

/*
 * Write the tables into @buf of @size bytes, which the guest will see at @where; the
 * RSDP is its start. Returns the bytes used, or -ENOSPC.
 */
ssize_t acpi_write(const struct acpi_machine *m, void *buf, size_t size, gpa_t where);

#endif
