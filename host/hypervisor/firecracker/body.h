/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Firecracker is told (src/firecracker/swagger/firecracker.yaml of its source): pure data
 * from the plan, so that it is tested with data. It works in a directory of its own, in a
 * jail or not, so what is there has short names, whatever the sandbox is called.
 */
#ifndef HOST_HYPERVISOR_FIRECRACKER_BODY_H
#define HOST_HYPERVISOR_FIRECRACKER_BODY_H

#include <json-c/json.h>

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* In that directory: Kata's names. */
#define FC_CONFIG     "fcConfig.json"
#define FC_API_SOCKET "run/firecracker.socket"
#define FC_LOGS	      "logs.fifo"
#define FC_METRICS    "metrics.fifo"
#define FC_KERNEL     "vmlinux"
#define FC_INITRD     "initrd"
#define FC_IMAGE      "image"
#define FC_EMPTY      "empty" /* what a drive without a disk has behind it */

/* Firecracker's process in the jail. */
#define FC_PROGRAM "firecracker"

/*
 * Drives that wait for disks: whether a drive is read-only is settled at boot, so there
 * are some of each kind. "drive_0" to "drive_7", Kata's eight, can be written to.
 */
#define FC_DRIVES_RW 8
#define FC_DRIVES_RO 4
#define FC_DRIVES    (FC_DRIVES_RW + FC_DRIVES_RO)

/* Each device has an interrupt of its own, of which there are so many. */
#define FC_DEVICES_MAX 19

/*
 * The keys of @config mean something to this driver and to one another; nothing on the
 * host is looked at. -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int fc_keys_check(const struct config *config, struct err *err);

/* -E2BIG and @err: the machine would have more devices than interrupts. */
int fc_check_devices(const struct vm_spec *spec, struct err *err);

/* Whether there is a jail. */
bool fc_is_jailed(const struct config *config);

/*
 * The machine's name: at most 32 letters, digits and dashes, all that Firecracker takes and
 * a socket's path has room for. Another sandbox ID becomes its start and a number made of
 * the whole. The caller frees.
 */
char *fc_jail_id(const char *sandbox_id);

/* The argument vector; in a jail with @base, below which the jailer makes jails. */
void fc_args(const struct vm_spec *spec, const char *base, struct strv *argv);

/* The configuration file, which the caller owns. */
struct json_object *fc_body_config(const struct vm_spec *spec);

/* "drive_3" for the drive number @i of those that wait. */
void fc_drive_name(unsigned i, char *name, size_t len);

/* Where the guest finds it, and the @i-th disk that it has from the start. */
void fc_drive_place(const struct vm_spec *spec, unsigned i, struct vm_place *place);
void fc_disk_place(const struct vm_spec *spec, size_t i, struct vm_place *place);

/* As what the disk on drive @i, or the @i-th from the start, is in the jail. */
char *fc_drive_file(unsigned i);
char *fc_disk_file(size_t i);

/* The bodies of requests, which the caller owns. */
struct json_object *fc_body_drive(const char *name, const char *path);
struct json_object *fc_body_state(bool paused);

/* The path @name of the directory, as Firecracker sees it. The caller frees. */
char *fc_inside(const struct config *config, const char *name);

#endif
