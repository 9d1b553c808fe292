/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct volumes: a storage plugin has a container name a path of the host as its volume, and
 * says beside it which block device is to be mounted there, in the guest, without ever being
 * mounted on the host. As of Kata, below DIRECT_VOLUMES:
 *
 *   <the volume's path in base64>/mountInfo.json   what the plugin said
 *   <the volume's path in base64>/<sandbox>        who has it: an empty file
 */
#ifndef HOST_STORAGE_DIRECT_VOLUME_H
#define HOST_STORAGE_DIRECT_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define DIRECT_VOLUMES "/run/kata-containers/shared/direct-volumes"

struct direct_volume {
	char *type;	     /* "block", or "" for the same */
	char *device;	     /* on the host */
	char *fstype;	     /* in the guest; "": it is to find out */
	struct strv options; /* of the mount */
	bool has_group;
	uint32_t group;	  /* metadata.fsGroup: whose it is to be */
	bool on_mismatch; /* metadata.fsGroupChangePolicy: only where the root is another's */
};

/* A path in base64 (RFC 4648, section 5: the alphabet for names of files). The caller frees. */
char *direct_volume_name(const char *path);

/*
 * Note that @path of the host is the volume that the JSON object @info describes, in place of
 * what was said before. -EINVAL for a path that is not absolute, and for what is no such object.
 */
int direct_volume_add(const char *root, const char *path, const char *info, struct err *err);

/* Forget it. It need not be there. */
int direct_volume_remove(const char *root, const char *path, struct err *err);

/* What @path is. -ENOENT, with no word in @err, when it is no direct volume. */
int direct_volume_load(const char *root, const char *path, struct direct_volume *v,
		       struct err *err);
void direct_volume_release(struct direct_volume *v);

/* Note that @sandbox has it; and who does (the caller frees), -ENOENT for nobody. */
int direct_volume_join(const char *root, const char *path, const char *sandbox, struct err *err);
int direct_volume_sandbox(const char *root, const char *path, char **sandbox, struct err *err);

#endif
