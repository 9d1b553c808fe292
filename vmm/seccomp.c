/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vmm/syscall_table.h" /* made by make-syscalls */
#include "vmm/terminal.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the system calls of this machine are not known"
#endif

#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
/* Its lower half: what is checked so is an int to the kernel, or bits of it. */
#define ARGUMENT(n) FIELD(args[n])

/* What the table becomes: how many instructions are jumped over if so, and if not. */
#define IF_EQUAL(value, yes, no)    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define IF_AT_LEAST(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)(value), yes, no)
#define IF_ANY_OF(bits, yes, no)    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(bits), yes, no)
#define RETURN(action)		    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##action)

/* How lib/base/fd.c opens the directory of a socket: for its names, not to be read. */
#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_CLOEXEC)

#include "vmm/seccomp_rules.h" /* made by make-seccomp of seccomp.table */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ARGUMENT()");

/* Calls of another architecture have numbers of their own: no name, no second word. */
static const struct sock_filter prologue[] = {
	FIELD(arch),
	IF_EQUAL(ARCH, 1, 0),
	RETURN(KILL_PROCESS),
	FIELD(nr),
};

/* Each alone has room in the sum. */
#define RULES_MAX                                                                      \
	(ARRAY_SIZE(loop_rules) + ARRAY_SIZE(vcpu_rules) + ARRAY_SIZE(doorman_rules) + \
	 ARRAY_SIZE(sweeper_rules))

static _Thread_local const char *thread_kind = "";

const char *seccomp_call_name(long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].number[0] >= 0 && calls[i].number[0] == number)
			return names + calls[i].name;
	return NULL;
}

/* The first arguments of the call that a signal interrupted, for the line about it. */
static void call_arguments(const ucontext_t *uc, unsigned long long args[3])
{
#if defined(__x86_64__)
	args[0] = (unsigned long long)uc->uc_mcontext.gregs[REG_RDI];
	args[1] = (unsigned long long)uc->uc_mcontext.gregs[REG_RSI];
	args[2] = (unsigned long long)uc->uc_mcontext.gregs[REG_RDX];
#else
	for (int i = 0; i < 3; i++)
		args[i] = uc->uc_mcontext.regs[i];
#endif
}

struct line {
	char text[192];
	size_t len;
};

static void put(struct line *l, const char *s)
{
	while (*s && l->len < sizeof(l->text) - 1)
		l->text[l->len++] = *s++;
	l->text[l->len] = '\0';
}

static void put_number(struct line *l, unsigned long long v, unsigned base)
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[v % base];
		v /= base;
	} while (v > 0);
	put(l, base == 16 ? "0x" : "");
	put(l, p);
}

/*
 * A signal's handler: only what is safe in one. The first forbidden call took it away
 * (SA_RESETHAND), and the signal is blocked in here, so that the next one – our own, or
 * that of another thread meanwhile – is the kernel's to answer: it kills all threads.
 */
static void on_forbidden(int signo, siginfo_t *info, void *context)
{
	const char *name = seccomp_call_name(info->si_syscall);
	unsigned long long args[3];
	struct line l = { .len = 0 };

	(void)signo;
	call_arguments(context, args);
	put(&l, "forbidden system call ");
	put(&l, name ? name : "number ");
	if (!name)
		put_number(&l, (unsigned)info->si_syscall, 10);
	for (int i = 0; i < 3; i++) {
		put(&l, i == 0 ? "(" : ", ");
		put_number(&l, args[i], 16);
	}
	put(&l, ", …) by a ");
	put(&l, thread_kind);
	put(&l, " thread");
	log_in_signal(LOG_LEVEL_ERROR, l.text);
	/* A processor's thread may not do that: it dies of it, as it has to. */
	terminal_restore();
	syscall(SYS_execve, NULL, NULL, NULL);
	_exit(128 + SIGSYS);
}

#ifdef SECCOMP_OFF

static int confine(const char *kind, const struct sock_filter *rules, size_t n, struct err *err)
{
	(void)rules, (void)n, (void)err;
	(void)prologue, (void)on_forbidden;
	thread_kind = kind;
	log_warn("no filter of system calls for a %s thread: built under a sanitizer", kind);
	return 0;
}

#else

static int confine(const char *kind, const struct sock_filter *rules, size_t n, struct err *err)
{
	struct sigaction action = { .sa_sigaction = on_forbidden,
				    .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };
	struct sock_filter all[ARRAY_SIZE(prologue) + RULES_MAX];
	struct sock_fprog program = { .filter = all };

	thread_kind = kind;
	memcpy(all, prologue, sizeof(prologue));
	memcpy(all + ARRAY_SIZE(prologue), rules, n * sizeof(*rules));
	program.len = (unsigned short)(ARRAY_SIZE(prologue) + n);
	/* Handlers are the process's: each thread finds it set, or sets the same. */
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return err_sys(err, errno, "cannot handle forbidden system calls");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_sys(err, errno, "cannot filter the system calls of a %s thread", kind);
	return 0;
}

#endif

int seccomp_loop(struct err *err)
{
	return confine("loop", loop_rules, ARRAY_SIZE(loop_rules), err);
}

int seccomp_vcpu(struct err *err)
{
	return confine("vcpu", vcpu_rules, ARRAY_SIZE(vcpu_rules), err);
}

int seccomp_doorman(struct err *err)
{
	return confine("doorman", doorman_rules, ARRAY_SIZE(doorman_rules), err);
}

int seccomp_sweeper(struct err *err)
{
	return confine("sweeper", sweeper_rules, ARRAY_SIZE(sweeper_rules), err);
}
