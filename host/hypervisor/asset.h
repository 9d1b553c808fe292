/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assets: the programs and boot files that a configuration names. Looked at
 * before anything is started, so that a wrong one ends in an error that names
 * the key and the path and not in a machine that keeps silent. Reads headers
 * only; takes no time.
 */
#ifndef HOST_HYPERVISOR_ASSET_H
#define HOST_HYPERVISOR_ASSET_H

#include <stdbool.h>

#include "base/err.h"

/* A regular file that may be executed and is an ELF program or a script. */
int asset_check_program(const char *key, const char *path, struct err *err);

/*
 * A kernel: an ELF file that holds all its segments, a bzImage (x86,
 * Documentation/arch/x86/boot.rst) or an Image (arm64, .../arm64/booting.rst).
 */
int asset_check_kernel(const char *key, const char *path, struct err *err);

/* Of these the ELF file alone, for who boots nothing else. */
int asset_check_vmlinux(const char *key, const char *path, struct err *err);

/* A root file system: a disk with a partition table (of the MBR) whose first partition is in it. */
int asset_check_image(const char *key, const char *path, struct err *err);

/* Something that can be read, or with @directory a directory that can be written to. */
int asset_check_access(const char *key, const char *path, bool directory, struct err *err);

/* A readable, regular file that is not empty. */
int asset_check_file(const char *key, const char *path, struct err *err);

#endif
