/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/acpi.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "vmm/arch/x86_64/aml.h"
#include "vmm/arch/x86_64/layout.h"

#define packed __attribute__((packed))

struct packed header { /* section 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
};

struct packed rsdp { /* 5.2.5.3 */
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
};

struct packed xsdt { /* 5.2.8 */
	struct header h;
	uint64_t fadt, madt;
};

struct packed address { /* 5.2.3.2: generic address structure */
	uint8_t space, bits, offset, access;
	uint64_t at;
};

struct packed fadt { /* 5.2.9; the fixed hardware's fields stay 0 */
	struct header h;
	uint32_t facs, dsdt;
	uint8_t fixed_hardware[109 - 44];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct address x_fixed_hardware[8];
	struct address sleep_control, sleep_status;
	char hypervisor[8];
};
_Static_assert(sizeof(struct fadt) == 276, "the FADT of ACPI 6.4");

#define FADT_WBINVD	      (1U << 0)
#define FADT_NO_POWER_BUTTON  (1U << 4)
#define FADT_NO_SLEEP_BUTTON  (1U << 5)
#define FADT_RESET_REGISTER   (1U << 10)
#define FADT_HARDWARE_REDUCED (1U << 20)

/* A kernel that reads these does not go looking. */
#define BOOT_NO_VGA (1U << 2)
#define BOOT_NO_RTC (1U << 5)

struct packed madt { /* 5.2.12 */
	struct header h;
	uint32_t local_apic, flags;
};

struct packed madt_local_apic {
	uint8_t type, length, uid, id;
	uint32_t flags;
};

struct packed madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t at, first_line;
};

struct tables {
	struct aml out; /* all tables in turn: the same bounds as for the language's */
	gpa_t where;
};

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len-- > 0)
		sum += *p++;
	return (uint8_t)-sum;
}

/* Round up to where a table may start; its guest address. */
static gpa_t begin(struct tables *t)
{
	static const uint8_t zero[8];

	aml_bytes(&t->out, zero, -t->out.len & 7);
	return t->where + t->out.len;
}

static struct header header(const char *signature, uint8_t revision)
{
	struct header h = {
		.revision = revision,
		.oem = "KATA-C",
		.oem_table = "KATA-VMM",
		.oem_revision = 1,
		.creator = "KATA",
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	return h;
}

/* The table that began at @at is whole: say how long it is, and sum it up. */
static void finish(struct tables *t, gpa_t at)
{
	size_t offset = at - t->where;
	uint32_t length = (uint32_t)(t->out.len - offset);
	uint8_t *table = t->out.buf + offset;

	if (t->out.overflow)
		return;
	memcpy(table + offsetof(struct header, length), &length, sizeof(length));
	table[offsetof(struct header, checksum)] = checksum(table, length);
}

static gpa_t write_dsdt(struct tables *t, const struct acpi_machine *m)
{
	struct aml *a = &t->out;
	struct header h = header("DSDT", 2);
	gpa_t at = begin(t);
	size_t bus, device;

	aml_bytes(a, &h, sizeof(h));
	aml_name_sleep(a, "_S5_", ACPI_S5);
	bus = aml_begin_scope(a, "\\_SB_");
	for (unsigned i = 0; i < m->n_devices; i++) {
		const struct acpi_device *d = &m->devices[i];
		char name[8];

		snprintf(name, sizeof(name), "VR%02X", i & 0xff);
		device = aml_begin_device(a, name);
		aml_name_string(a, "_HID", "LNRO0005");
		aml_name_integer(a, "_UID", i);
		aml_name_integer(a, "_CCA", 1);
		aml_resources_memory_line(a, d->start, d->size, d->line);
		aml_end(a, device);
	}
	device = aml_begin_device(a, "PEVT");
	aml_name_string(a, "_HID", "QEMU0001");
	aml_name_integer(a, "_STA", 0x0f);
	aml_resources_port(a, LAYOUT_PORT_PANIC, 1);
	aml_end(a, device);
	aml_end(a, bus);
	finish(t, at);
	return at;
}

static struct address port(uint16_t number)
{
	return (struct address){ .space = 1, .bits = 8, .access = 1, .at = number };
}

static gpa_t write_fadt(struct tables *t, gpa_t dsdt)
{
	gpa_t at = begin(t);
	struct fadt f = {
		.h = header("FACP", 6),
		.boot_flags = BOOT_NO_VGA | BOOT_NO_RTC,
		.flags = FADT_WBINVD | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
			 FADT_RESET_REGISTER | FADT_HARDWARE_REDUCED,
		.reset = port(LAYOUT_PORT_RESET),
		.reset_value = ACPI_RESET_VALUE,
		.minor = 4,
		.x_dsdt = dsdt,
		.sleep_control = port(LAYOUT_PORT_SLEEP_CONTROL),
		.sleep_status = port(LAYOUT_PORT_SLEEP_STATUS),
		.hypervisor = "KATA-VMM",
	};

	aml_bytes(&t->out, &f, sizeof(f));
	finish(t, at);
	return at;
}

static gpa_t write_madt(struct tables *t, unsigned n_cpus)
{
	gpa_t at = begin(t);
	struct madt m = { .h = header("APIC", 5), .local_apic = LAYOUT_LOCAL_APIC };
	struct madt_ioapic ioapic = { .type = 1, .length = sizeof(ioapic), .at = LAYOUT_IOAPIC };

	aml_bytes(&t->out, &m, sizeof(m));
	for (unsigned i = 0; i < n_cpus; i++) {
		struct madt_local_apic cpu = {
			.length = sizeof(cpu),
			.uid = (uint8_t)i,
			.id = (uint8_t)i,
			.flags = 1, /* enabled */
		};

		aml_bytes(&t->out, &cpu, sizeof(cpu));
	}
	aml_bytes(&t->out, &ioapic, sizeof(ioapic));
	finish(t, at);
	return at;
}

ssize_t acpi_write(const struct acpi_machine *m, void *buf, size_t size, gpa_t where)
{
	struct tables t = { .out = { .buf = buf, .size = size }, .where = where };
	struct rsdp rsdp = {
		.signature = "RSD PTR ", .oem = "KATA-C", .revision = 2, .length = sizeof(rsdp)
	};
	struct xsdt xsdt = { .h = header("XSDT", 1) };

	aml_bytes(&t.out, &rsdp, sizeof(rsdp));
	xsdt.fadt = write_fadt(&t, write_dsdt(&t, m));
	xsdt.madt = write_madt(&t, m->n_cpus);
	rsdp.xsdt = begin(&t);
	aml_bytes(&t.out, &xsdt, sizeof(xsdt));
	finish(&t, rsdp.xsdt);
	if (t.out.overflow)
		return -ENOSPC;
	rsdp.checksum = checksum(&rsdp, offsetof(struct rsdp, length));
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(buf, &rsdp, sizeof(rsdp));
	return (ssize_t)t.out.len;
}
