/* SPDX-License-Identifier: Apache-2.0 */
/* From the specification's args and env to what execve() takes. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

/*
 * The program that @process names, looked up as its user would: in the PATH of
 * its own environment unless it has a slash. Relative results are relative to
 * the working directory. The caller frees *@path. The messages are those that
 * engines know: `exec: "x": executable file not found in $PATH` becomes their
 * status 127, "permission denied" 126.
 */
int program_find(const Grpc__Process *process, char **path, struct err *err);

/* Its arguments; and its environment, with HOME=@home unless it has one. */
void program_args(const Grpc__Process *process, struct strv *argv);
void program_env(const Grpc__Process *process, const char *home, struct strv *envp);

/* The value of @name in @process's environment, or NULL. The last one counts. */
const char *program_getenv(const Grpc__Process *process, const char *name);

#endif
