/* SPDX-License-Identifier: Apache-2.0 */
/* What a container of Kubernetes says last, in a file that its specification names. */
#ifndef AGENT_TERMINATION_LOG_H
#define AGENT_TERMINATION_LOG_H

#include "guest/agent/output.h"
#include "proto/oci.pb-c.h"

#define TERMINATION_LOG_MAX 4096 /* as of Kubernetes */

/*
 * The path in the guest of the file that io.kubernetes.container.
 * terminationMessagePath means: the source of the mount there. NULL when
 * there is none. The caller frees.
 */
char *termination_log_path(const Grpc__Spec *spec);

/*
 * Its first bytes, as valid UTF-8: what is none becomes U+FFFD. A file that
 * is not there is empty. Blocks: for jobs.
 */
int termination_log_read(const char *path, struct output *out, struct err *err);

/* @n bytes of anything to valid UTF-8 in @out, which keeps room for a NUL. Pure. */
void utf8_lossy(const uint8_t *data, size_t n, struct output *out);

#endif
