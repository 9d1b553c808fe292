/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firecracker's directory: what it reads, writes and listens on. With the jailer it is all
 * that Firecracker sees, so what the machine is made of is bound into it. The sandbox makes the
 * directory around it and takes it away with all that is mounted there (own_dir of the
 * driver), so nothing here has to be undone when something dies.
 */
#ifndef HOST_HYPERVISOR_FIRECRACKER_JAIL_H
#define HOST_HYPERVISOR_FIRECRACKER_JAIL_H

#include "base/err.h"
#include "host/hypervisor/hypervisor.h"

/*
 * The directory around it, BASE/PROGRAM/ID as the jailer makes it: BASE is the directory
 * of the run directories' own, /run/vc. The caller frees.
 */
char *jail_own_dir(const struct vm_spec *spec);

/* BASE, and the directory itself: <own_dir>/root. The caller frees. */
char *jail_base(const struct vm_spec *spec);
char *jail_root(const struct vm_spec *spec);

/*
 * Make it: the configuration file, FIFOs for logs and metrics, which are opened for reading,
 * an empty file for drives that wait; in a jail kernel, root file system and disks, and a
 * place for each disk to come.
 */
int jail_make(const struct vm_spec *spec, const char *root, int *logs, int *metrics,
	      struct err *err);

/* Bind @path to the place @name in the jail, which is empty; take it away. */
int jail_bring(const char *root, const char *path, const char *name, bool read_only,
	       struct err *err);
int jail_take_away(const char *root, const char *name, struct err *err);

/* Whether @program needs libraries to run, of which a jail has none. */
bool jail_lacks_libraries(const char *program);

#endif
