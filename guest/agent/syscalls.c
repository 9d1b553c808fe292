/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/syscalls.h"

#include <linux/audit.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/agent/syscall_table.h" /* made by make-syscalls */

/* In the order of the table's columns. */
static const struct syscall_abi abis[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, 0, false, false },
	{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, 0, true, true },
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, 0x40000000, true, false },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, 0, false, false },
#elif defined(__riscv) && __riscv_xlen == 64
	{ "SCMP_ARCH_RISCV64", AUDIT_ARCH_RISCV64, 0, false, false },
#else
#error "the numbers of this machine's system calls are not known"
#endif
};

_Static_assert(ARRAY_SIZE(abis) <= SYSCALL_ABIS_MAX, "SYSCALL_ABIS_MAX");

const struct syscall_abi *syscall_abis(size_t *n)
{
	*n = ARRAY_SIZE(abis);
	return abis;
}

int64_t syscall_number(const char *name, size_t abi)
{
	size_t low = 0, high = ARRAY_SIZE(calls);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int cmp = strcmp(name, names + calls[mid].name);

		if (cmp == 0)
			return calls[mid].number[abi] < 0 ?
				       -1 :
				       calls[mid].number[abi] + (int64_t)abis[abi].base;
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -1;
}

/* <linux/net.h> and <linux/ipc.h>. */
static const struct {
	const char *name;
	uint8_t selector;
	bool ipc;
} multiplexed[] = {
	{ "socket", 1, false },	     { "bind", 2, false },	  { "connect", 3, false },
	{ "listen", 4, false },	     { "accept", 5, false },	  { "getsockname", 6, false },
	{ "getpeername", 7, false }, { "socketpair", 8, false },  { "send", 9, false },
	{ "recv", 10, false },	     { "sendto", 11, false },	  { "recvfrom", 12, false },
	{ "shutdown", 13, false },   { "setsockopt", 14, false }, { "getsockopt", 15, false },
	{ "sendmsg", 16, false },    { "recvmsg", 17, false },	  { "accept4", 18, false },
	{ "recvmmsg", 19, false },   { "sendmmsg", 20, false },	  { "semop", 1, true },
	{ "semget", 2, true },	     { "semctl", 3, true },	  { "semtimedop", 4, true },
	{ "msgsnd", 11, true },	     { "msgrcv", 12, true },	  { "msgget", 13, true },
	{ "msgctl", 14, true },	     { "shmat", 21, true },	  { "shmdt", 22, true },
	{ "shmget", 23, true },	     { "shmctl", 24, true },
};

bool syscall_multiplexed(const char *name, size_t abi, int64_t *call, uint64_t *selector)
{
	if (!abis[abi].multiplexes)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(multiplexed); i++) {
		if (strcmp(name, multiplexed[i].name))
			continue;
		*call = syscall_number(multiplexed[i].ipc ? "ipc" : "socketcall", abi);
		*selector = multiplexed[i].selector;
		return true;
	}
	return false;
}
