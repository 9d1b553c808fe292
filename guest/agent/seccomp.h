/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification's linux.seccomp as a program of the kernel's classic BPF:
 * seccomp(2), OCI runtime-spec config-linux.md.
 *
 * As libseccomp, with which profiles are written, and as runc around it:
 * - the machine's own interface is filtered with or without being named; calls
 *   by one that is not named kill the thread;
 * - names that nobody knows here are left out;
 * - a rule without conditions decides alone about its calls, whatever others say;
 *   rules with conditions are tried in their order;
 * - several conditions on one argument are alternatives;
 * - a rule that does what is done anyway is no rule;
 * - where the default refuses, calls newer than all that the profile names fail
 *   with ENOSYS, so that programs fall back to older ones.
 */
#ifndef AGENT_SECCOMP_H
#define AGENT_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/oci.pb-c.h"

struct seccomp_filter {
	struct sock_filter *code; /* owned */
	size_t n;		  /* 0: no filter */
	unsigned flags;		  /* SECCOMP_FILTER_FLAG_* */
};

/*
 * Compile @spec into @f (zeroed by this). Pure. -EINVAL for what means nothing,
 * -EOPNOTSUPP for listeners, -E2BIG when the kernel would not take it.
 */
int seccomp_compile(const Grpc__LinuxSeccomp *spec, struct seccomp_filter *f, struct err *err);

void seccomp_done(struct seccomp_filter *f);

/* From here on the caller is filtered. It has no_new_privs or CAP_SYS_ADMIN. */
int seccomp_load(const struct seccomp_filter *f, struct err *err);

#endif
