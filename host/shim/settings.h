/* SPDX-License-Identifier: Apache-2.0 */
/* Which configuration a sandbox has: the file that its request names, and its annotations. */
#ifndef HOST_SHIM_SETTINGS_H
#define HOST_SHIM_SETTINGS_H

#include "base/err.h"
#include "host/config/config.h"
#include "host/shim/shim.h"
#include "proto/google/protobuf/any.pb-c.h"
#include "proto/oci.pb-c.h"

/*
 * The file that containerd's own configuration names for this runtime (ConfigPath), from its
 * runtimeoptions.v1.Options; NULL: @any, which may be NULL, says nothing of it. The caller frees.
 */
char *settings_path(const Google__Protobuf__Any *any);

/*
 * Load that file, else the shim's own, with what @spec's annotations change of it. Its log
 * level becomes this process's, its warnings are written down. NULL and @err.
 */
struct config *settings_load(const struct shim *s, const Google__Protobuf__Any *any,
			     const Grpc__Spec *spec, struct err *err);

#endif
