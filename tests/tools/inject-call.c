/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject-call TID NUMBER: makes the thread TID, which waits in a system call, make the
 * call NUMBER instead, with no arguments. As an attacker who took the thread over would.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
#ifdef __x86_64__
	struct user_regs_struct regs;
	pid_t tid;
	int status;

	if (argc != 3)
		return 2;
	tid = (pid_t)atol(argv[1]);
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || waitpid(tid, &status, __WALL) != tid ||
	    !WIFSTOPPED(status) || ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0) {
		perror("inject-call");
		return 1;
	}
	regs.rip -= 2; /* the instruction that it waits behind: syscall */
	regs.rax = strtoul(argv[2], NULL, 10);
	regs.orig_rax = -1UL; /* nothing to be begun again */
	regs.rdi = regs.rsi = regs.rdx = 0;
	if (ptrace(PTRACE_SETREGS, tid, NULL, &regs) < 0 ||
	    ptrace(PTRACE_DETACH, tid, NULL, NULL) < 0) {
		perror("inject-call");
		return 1;
	}
	return 0;
#else
	(void)argv;
	return argc > 0 ? 2 : 0;
#endif
}
