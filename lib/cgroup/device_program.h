/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules as a program of type BPF_PROG_TYPE_CGROUP_DEVICE (version 2 has
 * no files for them), and in the words of version 1's devices.allow and
 * devices.deny. Pure.
 */
#ifndef CGROUP_DEVICE_PROGRAM_H
#define CGROUP_DEVICE_PROGRAM_H

#include <linux/bpf.h>
#include <stddef.h>

#include "base/str.h"
#include "cgroup/cgroup.h"

/*
 * The program for @rules: of those that match, the last one decides about each
 * kind of access, and what no rule allows is denied. Returns its length; the
 * caller frees *@code.
 */
size_t device_program(const struct cgroup_device_rule *rules, size_t n, struct bpf_insn **code);

/*
 * The same for version 1: whether all is allowed but for exceptions, and the
 * exceptions as lines ("c 1:3 rwm"). Version 1 has no exceptions of exceptions:
 * -EINVAL when a rule takes back a part of an earlier, wider one.
 */
int device_exceptions(const struct cgroup_device_rule *rules, size_t n, bool *allow_all,
		      struct strv *exceptions, struct err *err);

#endif
