/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one volume on their way into the guest, by the agent's CopyFile. */
#ifndef HOST_SANDBOX_VOLUME_COPY_H
#define HOST_SANDBOX_VOLUME_COPY_H

#include "host/sandbox/sandbox.h"

/* So much goes with one request; the original's runtime sends as much. */
#define VOLUME_PART (1 << 20)

struct volume_files;

/*
 * The file or directory @fd (taken over) is to be at @guest there; @name tells of it in
 * errors. What of it was copied is remembered.
 */
struct volume_files *volume_files_new(int fd, const char *guest, const char *name);
void volume_files_free(struct volume_files *files);
int volume_files_fd(const struct volume_files *files);

/*
 * Copy what is new or changed since the last time, what others lead to first: files,
 * directories, links, "..data" last. Files that are no more are empty in the guest, which
 * cannot be told to remove them. @files may be freed meanwhile. One at a time.
 */
void volume_files_copy(struct sandbox *sb, struct volume_files *files, sandbox_done done,
		       void *arg);

#endif
