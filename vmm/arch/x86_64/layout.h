/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie in the guest's physical address space. Firmware left these habits:
 * kernels know the first mebibyte by heart and look for devices below 4 GiB.
 *
 *	0               the pointer to the processor table of 1997, the table, boot data
 *	0x9fc00         end of low memory
 *	0xe0000         ACPI tables
 *	0xffff0         where firmware begins: here it is a reset
 *	1 MiB           memory, where kernels want to lie
 *	3 GiB           a hole for devices up to
 *	4 GiB           memory again, as much as there is
 */
#ifndef VMM_ARCH_X86_64_LAYOUT_H
#define VMM_ARCH_X86_64_LAYOUT_H

/*
 * The first place where a kernel looks for the pointer. It looks in more than four thousand,
 * and Linux maps each anew, before it reads any ACPI: so the table is there with ACPI, too.
 */
#define LAYOUT_MP_POINTER   0
#define LAYOUT_MPTABLE	    0x500 /* behind what a BIOS keeps for itself, where kernels read */
#define LAYOUT_RESTART_FLAG 0x472 /* of a PC's firmware: cold or warm */

/* Boot data: read by the kernel before it hands the first page to anybody. */
#define LAYOUT_START_INFO 0x6000 /* hvm_start_info, then the list of modules */
#define LAYOUT_MEMORY_MAP 0x7000
#define LAYOUT_CMDLINE	  0x20000

#define LAYOUT_LOW_END	  0x9fc00
#define LAYOUT_TABLES	  0xe0000 /* RSDP and the tables it names */
#define LAYOUT_FIRMWARE	  0xffff0
#define LAYOUT_TABLES_END 0x100000
#define LAYOUT_KERNEL	  0x100000 /* nothing of a kernel may lie below */

#define LAYOUT_HOLE	   0xc0000000ULL
#define LAYOUT_HOLE_END	   0x100000000ULL
#define LAYOUT_VIRTIO	   0xd0000000ULL /* a page for each virtio device */
#define LAYOUT_IOAPIC	   0xfec00000ULL
#define LAYOUT_LOCAL_APIC  0xfee00000ULL
#define LAYOUT_VMX_SCRATCH 0xfffbd000ULL /* three pages that some Intel processors need */

/* Lines of the one interrupt controller. The first five are a PC's own. */
#define LAYOUT_LINES	   24
#define LAYOUT_LINES_FIRST 5

/* The ports there are; see ports.h. */
#define LAYOUT_PORT_SLEEP_CONTROL 0x600
#define LAYOUT_PORT_SLEEP_STATUS  0x601
#define LAYOUT_PORT_RESET	  0x602
#define LAYOUT_PORT_PANIC	  0x505

/* Linux cuts a longer line without a word (COMMAND_LINE_SIZE with the final NUL). */
#define LAYOUT_CMDLINE_MAX 2047

#define LAYOUT_CPUS_MAX 254 /* 8-bit APIC identifiers, 255 means all */

#endif
