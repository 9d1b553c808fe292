/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Cloud Hypervisor is told (vmm/src/api/openapi/cloud-hypervisor.yaml of its source):
 * pure data from the plan, so that it is tested with data. It works in the run directory,
 * so its sockets have short names there, whatever the sandbox is called.
 */
#ifndef HOST_HYPERVISOR_CLH_BODY_H
#define HOST_HYPERVISOR_CLH_BODY_H

#include <json-c/json.h>

#include "base/err.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

/* In the run directory. */
#define CLH_API_SOCKET	 "clh-api.sock"
#define CLH_VSOCK_SOCKET "clh.sock"
#define CLH_FS_SOCKET	 "vhost-fs.sock"

/* Memory is plugged in by multiples of so many MiB, and so many times at most. */
#define CLH_MEMORY_BLOCK 128
#define CLH_MEMORY_SLOTS 8

/*
 * The keys of @config mean something to this driver and to one another; nothing on the
 * host is looked at. -ENOTSUP or -EINVAL and a sentence that names key and reason.
 */
int clh_keys_check(const struct config *config, struct err *err);

/* What the driver can do with the machine of @config: HV_CAP_*. */
unsigned clh_keys_caps(const struct config *config);

/* How often memory can be plugged into the machine of @config. */
unsigned clh_memory_slots(const struct config *config);

/* The argument vector; @event_fd is where it tells what becomes of the guest. */
void clh_args(const struct config *config, int event_fd, struct strv *argv);

/*
 * The bodies of requests, which the caller owns. @image_size, in bytes, is that of the root
 * image, if there is one.
 */
struct json_object *clh_body_vm(const struct vm_spec *spec, uint64_t image_size);
struct json_object *clh_body_disk(const struct config *config, const struct vm_dev *dev);
struct json_object *clh_body_net(const struct config *config, const struct vm_dev *dev);
struct json_object *clh_body_id(const char *id);
struct json_object *clh_body_vcpus(unsigned vcpus);
struct json_object *clh_body_memory(uint64_t mib);

/*
 * Where the guest finds a device, from the answer {"id": …, "bdf": "0000:00:06.0"} to its
 * plugging: its slot on the root bus. -EPROTO for an answer that does not say.
 */
int clh_place(struct json_object *answer, struct vm_place *place, struct err *err);

#endif
