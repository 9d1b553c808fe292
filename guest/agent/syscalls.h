/* SPDX-License-Identifier: Apache-2.0 */
/* System calls by name, in each binary interface that this machine's kernels may serve. */
#ifndef AGENT_SYSCALLS_H
#define AGENT_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syscall_abi {
	const char *name; /* as the OCI specification has it, "SCMP_ARCH_X86" */
	uint32_t arch;	  /* AUDIT_ARCH_* */
	uint32_t base;	  /* the first number: x32 shares its arch with another */
	bool narrow;	  /* arguments have 32 bits */
	bool multiplexes; /* socketcall() and ipc() stand for many */
};

#define SYSCALL_ABIS_MAX 3

/* The machine's own comes first. *@n of them. */
const struct syscall_abi *syscall_abis(size_t *n);

/* The number of @name in the @abi-th of syscall_abis(), with its base; -1 where unknown. */
int64_t syscall_number(const char *name, size_t abi);

/*
 * How @name is called through another call: *@call (its number in @abi) with
 * *@selector as its first argument. False when it is not.
 */
bool syscall_multiplexed(const char *name, size_t abi, int64_t *call, uint64_t *selector);

#endif
