/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime specification's config.json. The struct for it is Grpc__Spec:
 * the message that the agent takes, with Kata's names and numbers (oci.proto).
 *
 * What that message has no field for is ignored: linux.netDevices, most of
 * linux.intelRdt, linux.seccomp.listenerMetadata, the annotations of hooks, and
 * all that is of other systems. A number that is optional in JSON
 * is 0 when absent, here as in Kata: an absent memory limit is no limit, an
 * absent major of a device rule is any. (Kata's errnoRet of linux.seccomp and
 * fields of our own, such as umask, keep the difference.)
 */
#ifndef OCI_SPEC_H
#define OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

/* The longest config.json that is read, in bytes: what a message of ttrpc can carry. */
#define OCI_CONFIG_MAX (4u << 20)

/*
 * Read and check <bundle>/config.json. 0, or -errno and @err, which begins with
 * the file's path. The caller frees with grpc__spec__free_unpacked(spec, NULL).
 */
int oci_spec_load(const char *bundle, Grpc__Spec **spec, struct err *err);

/*
 * Read a specification, or a process (an exec's), without checking more than
 * the types. @name says in errors what is read. 0, or -errno and @err.
 */
int oci_spec_parse(const char *json, size_t len, const char *name, Grpc__Spec **spec,
		   struct err *err);
int oci_process_parse(const char *json, size_t len, const char *name, Grpc__Process **process,
		      struct err *err);
/* What linux.resources is in a specification, and what an update of them is alone. */
int oci_resources_parse(const char *json, size_t len, const char *name, Grpc__LinuxResources **res,
			struct err *err);

/*
 * Does @spec say all that a container needs, in values that mean something?
 * 0, or -EINVAL and an error that names the member: "process.cwd: must be an
 * absolute path, not "tmp"". Pure: that a path exists is not looked at.
 */
int oci_spec_check(const Grpc__Spec *spec, struct err *err);
int oci_process_check(const Grpc__Process *process, struct err *err);

/* Whether @m binds what is there already: by its type or an option. */
bool oci_mount_is_bind(const Grpc__Mount *m);

/* The annotations of @spec, added to @out: name, value, name, value, … */
void oci_spec_annotations(const Grpc__Spec *spec, struct strv *out);

/* As config.json. The caller frees. */
char *oci_spec_to_json(const Grpc__Spec *spec);
char *oci_process_to_json(const Grpc__Process *process);
char *oci_resources_to_json(const Grpc__LinuxResources *res);

/*
 * A specification to start from: `sh` as root with a terminal, three
 * capabilities, the usual mounts and namespaces. All in it is of malloc(), so
 * that its strings may be freed and replaced. Never NULL; the caller frees with
 * grpc__spec__free_unpacked(spec, NULL).
 */
Grpc__Spec *oci_spec_default(void);

#endif
