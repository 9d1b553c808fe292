/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the OCI specification containers get, by name: features.md of the
 * runtime specification. The lists end with NULL. What is in them is what our
 * agent does in the guest; its own tables are where tests hold them against.
 */
#ifndef HOST_CLI_FEATURE_LIST_H
#define HOST_CLI_FEATURE_LIST_H

#include <json-c/json.h>

extern const char *const features_hooks[];
extern const char *const features_mount_options[];
extern const char *const features_namespaces[];
extern const char *const features_capabilities[];
extern const char *const features_seccomp_actions[];
extern const char *const features_seccomp_operators[];
extern const char *const features_seccomp_archs[];
extern const char *const features_seccomp_flags[];

/* All of it, as `features` shows it. The caller puts it. */
json_object *features_json(void);

#endif
