/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's kernel as StratoVirt wants it. What is no bzImage it takes for the kernel's
 * bytes as they lie in memory, puts them at 16 MiB and jumps to the first in 64-bit mode
 * (its boot_loader/src/x86_64/direct_boot): a vmlinux without its ELF.
 */
#ifndef HOST_HYPERVISOR_STRATOVIRT_FLAT_H
#define HOST_HYPERVISOR_STRATOVIRT_FLAT_H

#include <stdbool.h>

#include "base/err.h"

/* Where it puts them; a vmlinux has to be linked to start there. */
#define FLAT_START 0x1000000U

/* The bytes that it takes at most: a kernel has some ten or forty MiB. */
#define FLAT_MAX (256U << 20)

/*
 * Whether the file @path has to be flattened: 1 or 0, or -errno and @err: not to be read,
 * or a vmlinux that StratoVirt cannot start. Without @out that is all; else the flat kernel
 * is written there, a file that must not exist, 0600, and is not left behind on failure.
 * -ENOEXEC: not for this processor, not linked to start at FLAT_START, or its parts lie
 * before it, in each other or outside the file; -EFBIG: larger than FLAT_MAX.
 */
int flat_kernel(const char *path, const char *out, struct err *err);

#endif
