/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/restart.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "vmm/arch/x86_64/acpi.h"
#include "vmm/arch/x86_64/layout.h"

#define COLD	0
#define WARM	0x1234
#define NOT_YET 0xffff

/* In 16-bit real mode; nothing is expected of registers or memory. */
static const uint8_t firmware[] = {
	0xfa, /* cli */
	0xba,
	LAYOUT_PORT_RESET & 0xff,
	LAYOUT_PORT_RESET >> 8, /* mov $port, %dx */
	0xb0,
	ACPI_RESET_VALUE, /* mov $value, %al */
	0xee,		  /* out %al, (%dx) */
	0xf4,		  /* hlt */
	0xeb,
	0xfd, /* jmp to the hlt */
};

_Static_assert(LAYOUT_FIRMWARE + sizeof(firmware) <= LAYOUT_TABLES_END, "16 bytes of room");

int restart_prepare(const struct memory *m, struct err *err)
{
	uint8_t *entry = memory_at(m, LAYOUT_FIRMWARE, sizeof(firmware));
	uint16_t *flag = memory_at(m, LAYOUT_RESTART_FLAG, sizeof(*flag));

	if (!entry || !flag)
		return err_set(err, ENOSPC, "the guest's memory has no room for a restart");
	memcpy(entry, firmware, sizeof(firmware));
	*flag = NOT_YET;
	return 0;
}

bool restart_was_asked(const struct memory *m)
{
	const uint16_t *flag = memory_at(m, LAYOUT_RESTART_FLAG, sizeof(*flag));
	uint16_t value = flag ? READ_GUEST(*flag) : NOT_YET;

	return value == COLD || value == WARM;
}
