/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles are compiled, and the programs run here as the kernel would. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest/agent/seccomp.h"
#include "guest/agent/syscalls.h"

#define ALLOW	 SECCOMP_RET_ALLOW
#define KILL	 SECCOMP_RET_KILL_THREAD
#define ERROR(e) (SECCOMP_RET_ERRNO | (e))

/* One entry of a profile: "read,write" and "0 EQ 5 [SECOND]; …". */
struct entry {
	const char *names, *action, *args;
	int error; /* -1: none said */
};

static void add_args(Grpc__LinuxSyscall *call, const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *save = NULL;

	for (char *a = strtok_r(copy, ";", &save); a; a = strtok_r(NULL, ";", &save)) {
		Grpc__LinuxSeccompArg *arg = xcalloc(1, sizeof(*arg));
		unsigned long long index, value, second = 0;
		char op[32];

		grpc__linux_seccomp_arg__init(arg);
		assert_true(sscanf(a, "%llu %31s %lli %lli", &index, op, (long long *)&value,
				   (long long *)&second) >= 3);
		arg->index = index;
		arg->op = xasprintf("SCMP_CMP_%s", op);
		arg->value = value;
		arg->valuetwo = second;
		call->args = xrealloc(call->args, (call->n_args + 1) * sizeof(call->args[0]));
		call->args[call->n_args++] = arg;
	}
}

static void add_names(Grpc__LinuxSyscall *call, const char *text)
{
	auto_free char *copy = xstrdup(text);
	char *save = NULL;

	for (char *n = strtok_r(copy, ",", &save); n; n = strtok_r(NULL, ",", &save)) {
		call->names = xrealloc(call->names, (call->n_names + 1) * sizeof(call->names[0]));
		call->names[call->n_names++] = xstrdup(n);
	}
}

/* The caller frees with grpc__linux_seccomp__free_unpacked(). */
static Grpc__LinuxSeccomp *profile(const char *otherwise, const char *arch,
				   const struct entry *entries, size_t n)
{
	Grpc__LinuxSeccomp *s = xcalloc(1, sizeof(*s));

	grpc__linux_seccomp__init(s);
	s->defaultaction = xstrdup(otherwise);
	if (arch) {
		s->architectures = xcalloc(1, sizeof(s->architectures[0]));
		s->architectures[s->n_architectures++] = xstrdup(arch);
	}
	s->syscalls = xcalloc(n + 1, sizeof(s->syscalls[0]));
	for (size_t i = 0; i < n; i++) {
		Grpc__LinuxSyscall *call = xcalloc(1, sizeof(*call));

		grpc__linux_syscall__init(call);
		add_names(call, entries[i].names);
		call->action = xstrdup(entries[i].action);
		if (entries[i].error >= 0) {
			call->errno_ret_case = GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
			call->errnoret = (uint32_t)entries[i].error;
		}
		if (entries[i].args)
			add_args(call, entries[i].args);
		s->syscalls[s->n_syscalls++] = call;
	}
	return s;
}

static void compile(const char *otherwise, const char *arch, const struct entry *entries, size_t n,
		    struct seccomp_filter *f)
{
	Grpc__LinuxSeccomp *s = profile(otherwise, arch, entries, n);
	struct err err = ERR_INIT;

	if (seccomp_compile(s, f, &err) < 0)
		fail_msg("%s", err_msg(&err));
	grpc__linux_seccomp__free_unpacked(s, NULL);
}

static bool compare(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGE:
		return a >= i->k;
	case BPF_JGT:
		return a > i->k;
	default:
		fail_msg("jump %#x", i->code);
		return false;
	}
}

static uint32_t run(const struct seccomp_filter *f, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < f->n; pc++) {
		const struct sock_filter *i = &f->code[pc];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_ALU:
			assert_int_equal(BPF_OP(i->code), BPF_AND);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				pc += i->k;
			else
				pc += compare(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("class of %#x", i->code);
		}
	}
	fail_msg("the program does not end");
	return 0;
}

static uint32_t call6(const struct seccomp_filter *f, size_t abi, int64_t nr,
		      const uint64_t args[6])
{
	size_t n;
	const struct syscall_abi *abis = syscall_abis(&n);
	struct seccomp_data data = { .nr = (int)nr, .arch = abis[abi].arch };

	assert_true(abi < n && nr >= 0);
	memcpy(data.args, args, sizeof(data.args));
	return run(f, &data);
}

static uint32_t call(const struct seccomp_filter *f, size_t abi, const char *name, uint64_t a0,
		     uint64_t a1)
{
	const uint64_t args[6] = { a0, a1 };

	return call6(f, abi, syscall_number(name, abi), args);
}

static void test_allow_list(void **state)
{
	static const struct entry entries[] = {
		{ "read,write,nosuch_call,exit_group", "SCMP_ACT_ALLOW", NULL, -1 },
		{ "mount", "SCMP_ACT_ERRNO", NULL, ENODEV },
		{ "ptrace", "SCMP_ACT_KILL_PROCESS", NULL, -1 },
		{ "statx", "SCMP_ACT_TRACE", NULL, 7 },
	};
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_ERRNO", NULL, entries, ARRAY_SIZE(entries), &f);
	assert_int_equal(call(&f, 0, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 0, "write", 0, 0), ALLOW);
	assert_int_equal(call(&f, 0, "exit_group", 0, 0), ALLOW);
	assert_int_equal(call(&f, 0, "mount", 0, 0), ERROR(ENODEV));
	assert_int_equal(call(&f, 0, "ptrace", 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(call(&f, 0, "statx", 0, 0), SECCOMP_RET_TRACE | 7);
	assert_int_equal(call(&f, 0, "setns", 0, 0), ERROR(EPERM));
	/* Newer than all that is named. */
	assert_int_equal(call(&f, 0, "openat2", 0, 0), ERROR(ENOSYS));
	assert_int_equal(call(&f, 0, "clone3", 0, 0), ERROR(ENOSYS));
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	seccomp_done(&f);
}

static void test_deny_list(void **state)
{
	static const struct entry entries[] = {
		{ "chmod,fchmodat", "SCMP_ACT_ERRNO", NULL, 0 },
		{ "read", "SCMP_ACT_ALLOW", NULL, -1 }, /* redundant */
		{ "write", "SCMP_ACT_TRAP", NULL, -1 },
		{ "getpid", "SCMP_ACT_LOG", NULL, -1 },
		{ "getuid", "SCMP_ACT_KILL", NULL, -1 },
	};
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_ALLOW", NULL, entries, ARRAY_SIZE(entries), &f);
	assert_int_equal(call(&f, 0, "fchmodat", 0, 0), ERROR(0));
	assert_int_equal(call(&f, 0, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 0, "write", 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(call(&f, 0, "getpid", 0, 0), SECCOMP_RET_LOG);
	assert_int_equal(call(&f, 0, "getuid", 0, 0), KILL);
	assert_int_equal(call(&f, 0, "file_setattr", 0, 0), ALLOW);
	seccomp_done(&f);
}

/* Each operator around its value, in both words. */
static void test_operators(void **state)
{
	static const uint64_t value = UINT64_C(0x500000007);
	static const uint64_t probes[] = { 0,
					   7,
					   UINT64_C(0x500000006),
					   UINT64_C(0x500000007),
					   UINT64_C(0x500000008),
					   UINT64_C(0x400000008),
					   UINT64_C(0x600000000),
					   UINT64_MAX };
	static const char *const ops[] = { "NE", "LT", "LE", "EQ", "GE", "GT" };

	(void)state;
	for (size_t o = 0; o < ARRAY_SIZE(ops); o++) {
		auto_free char *args = xasprintf("1 %s 0x500000007", ops[o]);
		const struct entry e = { "read", "SCMP_ACT_ALLOW", args, -1 };
		struct seccomp_filter f;

		compile("SCMP_ACT_KILL", NULL, &e, 1, &f);
		for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
			uint64_t v = probes[i];
			bool holds[] = { v != value,
					 v<value, v <= value, v == value, v >= value, v> value };

			assert_int_equal(call(&f, 0, "read", 0, v), holds[o] ? ALLOW : KILL);
		}
		seccomp_done(&f);
	}
}

static void test_masked(void **state)
{
	/* Docker's: no new namespaces by clone(). */
	static const struct entry e = { "clone", "SCMP_ACT_ALLOW", "0 MASKED_EQ 0x7e020000 0", -1 };
	static const struct entry high = { "clone", "SCMP_ACT_ALLOW",
					   "0 MASKED_EQ 0xff00000000 0x1200000000", -1 };
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_ERRNO", NULL, &e, 1, &f);
	assert_int_equal(call(&f, 0, "clone", 0x1200011, 0), ALLOW);
	assert_int_equal(call(&f, 0, "clone", 0x20000, 0), ERROR(EPERM));
	assert_int_equal(call(&f, 0, "clone", 0x10000011, 0), ERROR(EPERM));
	seccomp_done(&f);
	compile("SCMP_ACT_ERRNO", NULL, &high, 1, &f);
	assert_int_equal(call(&f, 0, "clone", UINT64_C(0x7712ffffffff), 0), ALLOW);
	assert_int_equal(call(&f, 0, "clone", UINT64_C(0x7713ffffffff), 0), ERROR(EPERM));
	seccomp_done(&f);
}

static void test_and_or(void **state)
{
	static const struct entry entries[] = {
		{ "read", "SCMP_ACT_ALLOW", "0 EQ 1;1 GT 10", -1 },
		{ "write", "SCMP_ACT_ALLOW", "0 EQ 1;0 EQ 3", -1 },
		{ "lseek", "SCMP_ACT_ERRNO", "0 EQ 1", ENODEV },
		{ "lseek", "SCMP_ACT_ALLOW", "0 LT 5", -1 },
		{ "close", "SCMP_ACT_ERRNO", "0 EQ 1", ENODEV },
		{ "close", "SCMP_ACT_ALLOW", NULL, -1 },
	};
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_KILL", NULL, entries, ARRAY_SIZE(entries), &f);
	assert_int_equal(call(&f, 0, "read", 1, 11), ALLOW);
	assert_int_equal(call(&f, 0, "read", 1, 10), KILL);
	assert_int_equal(call(&f, 0, "read", 2, 11), KILL);
	assert_int_equal(call(&f, 0, "write", 1, 0), ALLOW);
	assert_int_equal(call(&f, 0, "write", 3, 0), ALLOW);
	assert_int_equal(call(&f, 0, "write", 2, 0), KILL);
	assert_int_equal(call(&f, 0, "lseek", 1, 0), ERROR(ENODEV));
	assert_int_equal(call(&f, 0, "lseek", 4, 0), ALLOW);
	assert_int_equal(call(&f, 0, "lseek", 5, 0), KILL);
	assert_int_equal(call(&f, 0, "close", 1, 0), ALLOW);
	seccomp_done(&f);
}

#ifdef __x86_64__

static void test_foreign(void **state)
{
	static const struct entry e = { "read,socket", "SCMP_ACT_ALLOW", NULL, -1 };
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_ERRNO", "SCMP_ARCH_AARCH64", &e, 1, &f);
	assert_int_equal(call(&f, 0, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 1, "read", 0, 0), KILL);
	assert_int_equal(call(&f, 2, "read", 0, 0), KILL);
	seccomp_done(&f);
	compile("SCMP_ACT_ERRNO", "SCMP_ARCH_X86", &e, 1, &f);
	assert_int_equal(call(&f, 0, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 1, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 1, "write", 0, 0), ERROR(EPERM));
	assert_int_equal(call(&f, 2, "read", 0, 0), KILL);
	/* socketcall(SYS_SOCKET), but no other. */
	assert_int_equal(call(&f, 1, "socketcall", 1, 0), ALLOW);
	assert_int_equal(call(&f, 1, "socketcall", 2, 0), ERROR(EPERM));
	seccomp_done(&f);
	compile("SCMP_ACT_ERRNO", "SCMP_ARCH_X32", &e, 1, &f);
	assert_int_equal(call(&f, 0, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 2, "read", 0, 0), ALLOW);
	assert_int_equal(call(&f, 2, "write", 0, 0), ERROR(EPERM));
	assert_int_equal(call(&f, 1, "read", 0, 0), KILL);
	seccomp_done(&f);
}

/* An argument of 32 bits has no upper half to compare. */
static void test_narrow(void **state)
{
	static const struct entry e = { "read", "SCMP_ACT_ALLOW", "0 EQ -1", -1 };
	struct seccomp_filter f;

	(void)state;
	compile("SCMP_ACT_KILL", "SCMP_ARCH_X86", &e, 1, &f);
	assert_int_equal(call(&f, 1, "read", UINT32_MAX, 0), ALLOW);
	assert_int_equal(call(&f, 0, "read", UINT32_MAX, 0), KILL);
	assert_int_equal(call(&f, 0, "read", UINT64_MAX, 0), ALLOW);
	seccomp_done(&f);
}

static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(syscall_number("read", 0), 0);
	assert_int_equal(syscall_number("read", 1), 3);
	assert_int_equal(syscall_number("read", 2), 0x40000000);
	assert_int_equal(syscall_number("socketcall", 0), -1);
	assert_int_equal(syscall_number("mseal", 0), 462);
	assert_int_equal(syscall_number("nosuch", 0), -1);
	assert_int_equal(syscall_number("", 0), -1);
}

#endif

/* Against the rules themselves: every number, with a program too long for short jumps. */
static void test_every_number(void **state)
{
	static const char *const some[] = {
		"read",	 "close", "mmap",   "brk",   "ioctl",  "pipe2", "dup",	  "socket", "bind",
		"fcntl", "fsync", "getcwd", "chdir", "fchmod", "umask", "ptrace", "getpid",
	};
	struct entry entries[150];
	char args[150][64], names[150][40];
	size_t n = 0;
	struct seccomp_filter f;

	(void)state;
	for (; n < 150; n++) {
		snprintf(names[n], sizeof(names[n]), "%s", some[n % ARRAY_SIZE(some)]);
		snprintf(args[n], sizeof(args[n]), "0 EQ %zu;1 NE 0x1234567800000000", n);
		entries[n] = (struct entry){ names[n], "SCMP_ACT_ERRNO", args[n], (int)n };
	}
	compile("SCMP_ACT_ALLOW", NULL, entries, n, &f);
	assert_true(f.n > 600 && f.n < BPF_MAXINSNS);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(call(&f, 0, names[i], i, 0), ERROR(i));
		assert_int_equal(call(&f, 0, names[i], i, UINT64_C(0x1234567800000000)), ALLOW);
		assert_int_equal(call(&f, 0, names[i], i + 1, 0), ALLOW);
	}
	for (uint32_t nr = 0; nr < 600; nr++) {
		static const uint64_t zero[6] = { 99999 };

		assert_int_equal(call6(&f, 0, nr, zero), ALLOW);
	}
	seccomp_done(&f);
}

static void refused(Grpc__LinuxSeccomp *s, int code, const char *says)
{
	struct seccomp_filter f;
	struct err err = ERR_INIT;

	assert_int_equal(seccomp_compile(s, &f, &err), code);
	if (!strstr(err_msg(&err), says))
		fail_msg("\"%s\" in \"%s\"", says, err_msg(&err));
	assert_int_equal(f.n, 0);
	grpc__linux_seccomp__free_unpacked(s, NULL);
}

static void test_refusals(void **state)
{
	static const struct entry notify = { "read", "SCMP_ACT_NOTIFY", NULL, -1 };
	static const struct entry action = { "read", "SCMP_ACT_X", NULL, -1 };
	static const struct entry number = { "read", "SCMP_ACT_ERRNO", NULL, 65536 };
	static const struct entry op = { "read", "SCMP_ACT_ALLOW", "0 XX 1", -1 };
	static const struct entry index = { "read", "SCMP_ACT_ALLOW", "6 EQ 1", -1 };
	Grpc__LinuxSeccomp *s;

	(void)state;
	refused(profile("", NULL, NULL, 0), -EINVAL, "unknown action \"\"");
	refused(profile("SCMP_ACT_KILL", "SCMP_ARCH_Z80", NULL, 0), -EINVAL, "SCMP_ARCH_Z80");
	refused(profile("SCMP_ACT_ALLOW", NULL, &notify, 1), -EOPNOTSUPP, "listener");
	refused(profile("SCMP_ACT_ALLOW", NULL, &action, 1), -EINVAL, "SCMP_ACT_X");
	refused(profile("SCMP_ACT_ALLOW", NULL, &number, 1), -EINVAL, "65536");
	refused(profile("SCMP_ACT_KILL", NULL, &op, 1), -EINVAL, "SCMP_CMP_XX");
	refused(profile("SCMP_ACT_KILL", NULL, &index, 1), -EINVAL, "argument 6 of read");
	s = profile("SCMP_ACT_ALLOW", NULL, NULL, 0);
	s->listenerpath = xstrdup("/run/x.sock");
	refused(s, -EOPNOTSUPP, "listenerPath");
	s = profile("SCMP_ACT_ALLOW", NULL, NULL, 0);
	s->flags = xcalloc(1, sizeof(s->flags[0]));
	s->flags[s->n_flags++] = xstrdup("SECCOMP_FILTER_FLAG_X");
	refused(s, -EINVAL, "SECCOMP_FILTER_FLAG_X");
}

static void test_too_long(void **state)
{
	struct entry e = { NULL, "SCMP_ACT_ALLOW", NULL, -1 };
	auto_str struct str names = STR_INIT, args = STR_INIT;

	(void)state;
	str_puts(&names, "read");
	for (int i = 0; i < 3000; i++)
		str_printf(&args, "%s0 EQ %d", i ? ";" : "", i);
	e.names = str_text(&names);
	e.args = str_text(&args);
	refused(profile("SCMP_ACT_KILL", NULL, &e, 1), -E2BIG, "4096 are the most");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow_list),   cmocka_unit_test(test_deny_list),
		cmocka_unit_test(test_operators),    cmocka_unit_test(test_masked),
		cmocka_unit_test(test_and_or),
#ifdef __x86_64__
		cmocka_unit_test(test_foreign),	     cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_numbers),
#endif
		cmocka_unit_test(test_every_number), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_too_long),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
