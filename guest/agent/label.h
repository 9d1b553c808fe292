/* SPDX-License-Identifier: Apache-2.0 */
/* The labels of processes by which AppArmor and SELinux confine them. */
#ifndef AGENT_LABEL_H
#define AGENT_LABEL_H

#include "base/err.h"
#include "proto/oci.pb-c.h"

/* -EOPNOTSUPP when @process has a label that this kernel has no module for. */
int label_check(const Grpc__Process *process, struct err *err);

/* mountLabel, the SELinux context of what a container mounts; NULL without one, and where the
 * kernel has no SELinux, to which it would mean nothing. */
const char *label_of_mounts(const Grpc__Linux *spec);

/*
 * Open the caller's file that takes the label of its next program, into *@fd
 * (owned), while its /proc can be trusted; -1 when @process has no label.
 */
int label_open(const Grpc__Process *process, int *fd, struct err *err);

/* Tell it the label of @process. */
int label_set(int fd, const Grpc__Process *process, struct err *err);

#endif
