/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/mptable.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "vmm/arch/x86_64/layout.h"

#define packed	     __attribute__((packed))
#define APIC_VERSION 0x14
#define IOAPIC_ID    255 /* no processor's */

struct packed pointer { /* section 4.1: found by its signature, on 16 bytes */
	char signature[4];
	uint32_t table;
	uint8_t paragraphs, revision, checksum, features[5];
};

struct packed header { /* 4.2 */
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, n_entries;
	uint32_t local_apic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
};

struct packed processor { /* 4.3.1 */
	uint8_t type, apic, version, flags;
	uint32_t signature, features;
	uint64_t reserved;
};

struct packed bus { /* 4.3.2 */
	uint8_t type, id;
	char name[6];
};

struct packed ioapic { /* 4.3.3 */
	uint8_t type, id, version, flags;
	uint32_t at;
};

struct packed line { /* 4.3.4, 4.3.5 */
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, bus_line, apic, pin;
};

struct out {
	uint8_t *at;
	size_t len, size;
	unsigned n;
	bool overflow;
};

static void add(struct out *o, const void *data, size_t len)
{
	if (o->overflow || len > o->size - o->len) {
		o->overflow = true;
		return;
	}
	memcpy(o->at + o->len, data, len);
	o->len += len;
	o->n++;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len-- > 0)
		sum += *p++;
	return (uint8_t)-sum;
}

static void add_entries(struct out *o, unsigned n_cpus)
{
	struct bus isa = { .type = 1, .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct ioapic ioapic = {
		.type = 2, .id = IOAPIC_ID, .version = 0x11, .flags = 1, .at = LAYOUT_IOAPIC
	};

	for (unsigned i = 0; i < n_cpus; i++) {
		struct processor cpu = {
			.apic = (uint8_t)i,
			.version = APIC_VERSION,
			.flags = i == 0 ? 3 : 1, /* enabled; the first is the boot processor */
			.signature = 0x600,
			.features = 0x201, /* it has an FPU and an APIC */
		};

		add(o, &cpu, sizeof(cpu));
	}
	add(o, &isa, sizeof(isa));
	add(o, &ioapic, sizeof(ioapic));
	for (unsigned i = 0; i < LAYOUT_LINES; i++) {
		struct line line = {
			.type = 3, .bus_line = (uint8_t)i, .apic = IOAPIC_ID, .pin = (uint8_t)i
		};

		add(o, &line, sizeof(line));
	}
	for (unsigned i = 0; i < 2; i++) {
		/* Local pin 0 is for the old controllers (kind 3), pin 1 for NMI (kind 1). */
		struct line line = { .type = 4,
				     .kind = i == 0 ? 3 : 1,
				     .apic = i == 0 ? 0 : 255,
				     .pin = (uint8_t)i };

		add(o, &line, sizeof(line));
	}
}

ssize_t mptable_write(void *low, size_t size, unsigned n_cpus)
{
	struct pointer p = { .signature = { '_', 'M', 'P', '_' },
			     .table = LAYOUT_MPTABLE,
			     .paragraphs = sizeof(p) / 16,
			     .revision = 4 };
	struct header h = { .signature = { 'P', 'C', 'M', 'P' },
			    .revision = 4,
			    .oem = { 'K', 'A', 'T', 'A', '-', 'C', ' ', ' ' },
			    .product = { 'K', 'A', 'T', 'A', '-', 'V', 'M', 'M', ' ', ' ', ' ',
					 ' ' },
			    .local_apic = LAYOUT_LOCAL_APIC };
	struct out o = { .at = (uint8_t *)low + LAYOUT_MPTABLE };

	if (size < LAYOUT_MPTABLE)
		return -ENOSPC;
	o.size = size - LAYOUT_MPTABLE;
	add(&o, &h, sizeof(h));
	o.n = 0;
	add_entries(&o, n_cpus);
	if (o.overflow)
		return -ENOSPC;
	h.length = (uint16_t)o.len;
	h.n_entries = (uint16_t)o.n;
	memcpy(o.at, &h, sizeof(h));
	h.checksum = checksum(o.at, h.length);
	memcpy(o.at, &h, sizeof(h));
	p.checksum = checksum(&p, sizeof(p));
	memcpy((uint8_t *)low + LAYOUT_MP_POINTER, &p, sizeof(p));
	return (ssize_t)(LAYOUT_MPTABLE + o.len);
}
