/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of ACRN's device model, acrn-dm, and that of acrnctl: pure data, so that
 * they are tested with data (the parameters are those of the "Device Model Parameters" page of
 * ACRN's documentation). A machine's disks are PCI devices that cannot come later, so it has
 * some that are empty, and one is filled when a disk is plugged in.
 */
#ifndef HOST_HYPERVISOR_ACRN_ARGS_H
#define HOST_HYPERVISOR_ACRN_ARGS_H

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* Empty disks, as many as Kata has. */
#define ACRN_DISKS 8

/* Of a machine's name, for the hypervisor. */
#define ACRN_NAME_MAX 15

struct acrn_facts {
	uint32_t cid; /* of the guest */
	/* The local APIC IDs of the processors that the machine runs on, one for each of its own. */
	const unsigned *apic_ids;
	size_t n_apic_ids;
	bool vhost_net; /* this host has it */
};

/*
 * The keys of @config mean something to this driver; nothing on the host is looked at.
 * -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int acrn_keys_check(const struct config *config, struct err *err);

/*
 * Whether @spec has a machine of this kind: the number of its devices, and paths that can be
 * written into an option. 0, -ENOSPC, -E2BIG or -EINVAL.
 */
int acrn_spec_check(const struct vm_spec *spec, struct err *err);

/* A disk's path has nothing that acrn-dm would take for something else: 0 or -EINVAL. */
int acrn_path_check(const char *what, const char *path, struct err *err);

/* The machine's name: "sbx-" and the sandbox's ID, or where that is too long a digest of it. */
void acrn_name(const char *id, char name[ACRN_NAME_MAX + 1]);

/* The argument vector. Its standard output is the guest's console. */
void acrn_args(const struct vm_spec *spec, const struct acrn_facts *facts, struct strv *argv);

/* acrnctl's, to fill the @i-th of the empty disks with @dev. */
void acrn_fill_args(const struct vm_spec *spec, unsigned i, const struct vm_dev *dev,
		    struct strv *argv);

/* Where the guest finds spec->disks[@i], and what fills the @i-th of the empty ones. */
void acrn_disk_place(const struct vm_spec *spec, size_t i, struct vm_place *place);
void acrn_fill_place(const struct vm_spec *spec, unsigned i, struct vm_place *place);

/*
 * The APIC IDs in @cpuinfo (the text of /proc/cpuinfo) of the processors that @allowed says
 * yes to, at most @max; their number. Pure.
 */
size_t acrn_apic_ids(const char *cpuinfo, bool (*allowed)(unsigned cpu, void *arg), void *arg,
		     unsigned *ids, size_t max);

#endif
