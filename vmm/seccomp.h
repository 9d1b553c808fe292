/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor's threads may ask of the kernel once guest code runs: the calls of
 * seccomp.table for their kind, and nothing else. A forbidden call is not made: it is
 * named in one line of the log, and the process dies of SIGSYS.
 *
 * A filter is its thread's: no thread is made after the first of these, because none may
 * make one. Nothing is filtered in a build under sanitizers, which call what they like.
 */
#ifndef VMM_SECCOMP_H
#define VMM_SECCOMP_H

#include "base/err.h"

/* Confine the calling thread for ever: the loop's, or a processor's. 0, or -errno and @err. */
int seccomp_loop(struct err *err);
int seccomp_vcpu(struct err *err);
/* The same for a process of one thread that stays outside of the jail. */
int seccomp_doorman(struct err *err);
int seccomp_sweeper(struct err *err);

/* The name of a system call of this machine; NULL when it is unknown. */
const char *seccomp_call_name(long number);

#endif
