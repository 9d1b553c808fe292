/* SPDX-License-Identifier: Apache-2.0 */
/* CopyFile: what the runtime sends when guest and host share no file system. */
#ifndef AGENT_COPY_FILE_H
#define AGENT_COPY_FILE_H

#include "base/err.h"
#include "proto/agent.pb-c.h"

#define COPY_FILE_DIR "/run/kata-containers/shared/containers"

/*
 * Make the file, directory or symbolic link @req->path, which has to be below
 * @dir (made when it is missing); no link in there leads the way out. Parents
 * that are missing get dir_mode; the direct one is given to uid and gid, as the
 * original does. A file may come in parts: it takes its place with the part
 * after which it has file_size bytes, and replaces what is there. Returns 0;
 * -EPERM for a path elsewhere, -EINVAL for sizes that make no sense.
 */
int copy_file(const Grpc__CopyFileRequest *req, const char *dir, struct err *err);

#endif
