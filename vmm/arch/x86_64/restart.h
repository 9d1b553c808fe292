/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a PC without firmware restarts when a kernel does what only firmware could answer.
 *
 * A Linux built with EFI takes hardware-reduced ACPI for a sign of EFI: it asks that for
 * the reset, not the reset register, and where there is none it goes back to real mode and
 * jumps to the firmware's first instruction, 0xffff0. There lies a reset.
 *
 * Others restart by a fault that nobody handles, which is how a broken kernel ends as well.
 * What is about to reset a PC says in a word at 0x472 whether its memory shall be tested
 * (0, or 0x1234 for not): nobody else writes there.
 */
#ifndef VMM_ARCH_X86_64_RESTART_H
#define VMM_ARCH_X86_64_RESTART_H

#include <stdbool.h>

#include "base/err.h"
#include "vmm/memory.h"

/* Before the kernel begins. */
int restart_prepare(const struct memory *m, struct err *err);

/* Whether the guest, which faulted, had said that it restarts. */
bool restart_was_asked(const struct memory *m);

#endif
