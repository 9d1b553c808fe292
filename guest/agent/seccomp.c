/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/seccomp.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest/agent/seccomp_program.h"

#define ARGS_MAX  6
#define RULES_MAX (1u << 18) /* of one interface: a bound for memory, far beyond any program */

/* What the rules borrow from, while they are compiled. */
struct compiler {
	struct seccomp_plan plan;
	struct seccomp_cond **conds; /* of each entry of the profile */
	struct seccomp_cond *selectors;
	size_t nconds, nselectors, order;
};

static int parse_action(const char *name, bool has_errno, uint32_t number, uint32_t *action,
			struct err *err)
{
	static const struct {
		const char *name;
		uint32_t action;
		bool data;
	} actions[] = {
		{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
		{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
		{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
		{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
		{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
		{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
		{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
	};

	if (!strcmp(name, "SCMP_ACT_NOTIFY"))
		return err_set(err, EOPNOTSUPP,
			       "seccomp: SCMP_ACT_NOTIFY needs a listener, which is not supported");
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(name, actions[i].name))
			continue;
		*action = actions[i].action;
		if (actions[i].data && has_errno && number > SECCOMP_RET_DATA)
			return err_set(err, EINVAL, "seccomp: %s with the error %" PRIu32, name,
				       number);
		if (actions[i].data)
			*action |= has_errno ? number : EPERM;
		return 0;
	}
	return err_set(err, EINVAL, "seccomp: unknown action \"%s\"", name);
}

static int parse_op(const char *name, enum seccomp_op *op)
{
	static const char *const ops[] = {
		[OP_NE] = "SCMP_CMP_NE",
		[OP_LT] = "SCMP_CMP_LT",
		[OP_LE] = "SCMP_CMP_LE",
		[OP_EQ] = "SCMP_CMP_EQ",
		[OP_GE] = "SCMP_CMP_GE",
		[OP_GT] = "SCMP_CMP_GT",
		[OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(name, ops[i])) {
			*op = (enum seccomp_op)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_flags(const Grpc__LinuxSeccomp *spec, unsigned *flags, struct err *err)
{
	static const struct {
		const char *name;
		unsigned flag;
	} known[] = {
		{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
		{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
		{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		/* It says how a listener waits, and there is none. */
		{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 0 },
	};

	/* As runc: without a word about it, the filter costs no speculation. */
	*flags = spec->n_flags == 0 ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0;
	for (size_t i = 0; i < spec->n_flags; i++) {
		size_t k = 0;

		while (k < ARRAY_SIZE(known) && strcmp(spec->flags[i], known[k].name))
			k++;
		if (k == ARRAY_SIZE(known))
			return err_set(err, EINVAL, "seccomp: unknown flag \"%s\"", spec->flags[i]);
		*flags |= known[k].flag;
	}
	return 0;
}

static int parse_architectures(const Grpc__LinuxSeccomp *spec, struct seccomp_plan *plan,
			       struct err *err)
{
	/* Those of other machines: no call can come from there. */
	static const char *const others[] = {
		"X86",	   "X86_64",	  "X32",    "ARM",	"AARCH64",     "MIPS",
		"MIPS64",  "MIPS64N32",	  "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
		"PPC64",   "PPC64LE",	  "S390",   "S390X",	"PARISC",      "PARISC64",
		"RISCV64", "LOONGARCH64", "M68K",   "SH",	"SHEB",
	};
	size_t n;
	const struct syscall_abi *abis = syscall_abis(&n);

	plan->abi[0].filtered = true;
	for (size_t i = 0; i < spec->n_architectures; i++) {
		const char *name = spec->architectures[i];
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(others); k++)
			known = known || (str_starts(name, "SCMP_ARCH_") &&
					  !strcmp(name + strlen("SCMP_ARCH_"), others[k]));
		if (!known)
			return err_set(err, EINVAL, "seccomp: unknown architecture \"%s\"", name);
		for (size_t k = 0; k < n; k++)
			if (!strcmp(name, abis[k].name))
				plan->abi[k].filtered = true;
	}
	return 0;
}

/* Conditions of @call into @conds. Returns whether they are alternatives, or -errno. */
static int parse_args(const Grpc__LinuxSyscall *call, struct seccomp_cond *conds, struct err *err)
{
	unsigned seen = 0;
	int alternatives = 0;

	for (size_t i = 0; i < call->n_args; i++) {
		const Grpc__LinuxSeccompArg *arg = call->args[i];

		if (arg->index >= ARGS_MAX)
			return err_set(err, EINVAL, "seccomp: argument %" PRIu64 " of %s",
				       arg->index, call->n_names ? call->names[0] : "");
		if (parse_op(arg->op, &conds[i].op) < 0)
			return err_set(err, EINVAL, "seccomp: unknown operator \"%s\"", arg->op);
		conds[i].index = (unsigned)arg->index;
		conds[i].value = arg->value;
		conds[i].second = arg->valuetwo;
		if (seen & 1u << arg->index)
			alternatives = 1;
		seen |= 1u << arg->index;
	}
	return alternatives;
}

static int add_rule(struct compiler *c, size_t abi, int64_t number, uint32_t action,
		    const struct seccomp_cond *conds, size_t n, struct err *err)
{
	struct seccomp_rules *r = &c->plan.abi[abi];

	if (r->n == RULES_MAX)
		return err_set(err, E2BIG, "seccomp: too many rules");
	if ((r->n & (r->n - 1)) == 0) /* a power of two: time to double */
		r->list = xrealloc(r->list, (r->n ? 2 * r->n : 1) * sizeof(*r->list));
	r->list[r->n++] = (struct seccomp_rule){
		.number = (uint32_t)number,
		.action = action,
		.order = c->order++,
		.conds = conds,
		.n = n,
	};
	return 0;
}

/* A call without conditions that can also be made through another. */
static int add_multiplexed(struct compiler *c, size_t abi, const char *name, uint32_t action,
			   struct err *err)
{
	uint64_t selector;
	int64_t number;
	struct seccomp_cond *cond;

	if (!syscall_multiplexed(name, abi, &number, &selector) || number < 0)
		return 0;
	if (c->nselectors == 2 * BPF_MAXINSNS)
		return err_set(err, E2BIG, "seccomp: too many rules");
	cond = &c->selectors[c->nselectors++];
	*cond = (struct seccomp_cond){ .index = 0, .op = OP_EQ, .value = selector };
	return add_rule(c, abi, number, action, cond, 1, err);
}

static int add_name(struct compiler *c, size_t abi, const char *name, uint32_t action,
		    const struct seccomp_cond *conds, size_t n, bool alternatives, struct err *err)
{
	struct seccomp_rules *rules = &c->plan.abi[abi];
	int64_t number = syscall_number(name, abi);
	int r = 0;

	if (number >= 0 && (!rules->named || number > rules->last)) {
		rules->last = (uint32_t)number;
		rules->named = true;
	}
	if (action == c->plan.otherwise)
		return 0;
	if (n == 0)
		r = add_multiplexed(c, abi, name, action, err);
	if (r < 0 || number < 0)
		return r;
	if (!alternatives)
		return add_rule(c, abi, number, action, conds, n, err);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_rule(c, abi, number, action, &conds[i], 1, err);
	return r;
}

static int add_call(struct compiler *c, const Grpc__LinuxSyscall *call, struct err *err)
{
	bool has_errno = call->errno_ret_case == GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET;
	struct seccomp_cond *conds = xcalloc(call->n_args + 1, sizeof(*conds));
	uint32_t action;
	size_t nabis;
	int alternatives, r;

	c->conds[c->nconds++] = conds;
	syscall_abis(&nabis);
	r = parse_action(call->action, has_errno, call->errnoret, &action, err);
	if (r < 0)
		return r;
	alternatives = parse_args(call, conds, err);
	if (alternatives < 0)
		return alternatives;
	for (size_t i = 0; i < call->n_names; i++) {
		for (size_t abi = 0; abi < nabis; abi++) {
			if (!c->plan.abi[abi].filtered)
				continue;
			r = add_name(c, abi, call->names[i], action, conds, call->n_args,
				     alternatives, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* Whether a call that the default meets is carried out. */
static bool lets_pass(uint32_t action)
{
	uint32_t kind = action & SECCOMP_RET_ACTION_FULL;

	return kind == SECCOMP_RET_ALLOW || kind == SECCOMP_RET_LOG || kind == SECCOMP_RET_TRACE;
}

static int compile(struct compiler *c, const Grpc__LinuxSeccomp *spec, struct seccomp_filter *f,
		   struct err *err)
{
	struct seccomp_plan *plan = &c->plan;
	int r = parse_action(spec->defaultaction, spec->default_errno_case != 0,
			     spec->defaulterrnoret, &plan->otherwise, err);

	if (r == 0 && *spec->listenerpath)
		return err_set(err, EOPNOTSUPP, "seccomp: listenerPath is not supported");
	if (r == 0)
		r = parse_flags(spec, &f->flags, err);
	if (r == 0)
		r = parse_architectures(spec, plan, err);
	plan->foreign = SECCOMP_RET_KILL_THREAD;
	plan->newer = lets_pass(plan->otherwise) ? plan->otherwise : SECCOMP_RET_ERRNO | ENOSYS;
	for (size_t i = 0; r == 0 && i < spec->n_syscalls; i++)
		r = add_call(c, spec->syscalls[i], err);
	if (r < 0)
		return r;
	f->n = seccomp_program(plan, &f->code);
	if (!f->code) {
		r = err_set(err, E2BIG, "seccomp: a program of %zu instructions, %d are the most",
			    f->n, BPF_MAXINSNS);
		f->n = 0;
	}
	return r;
}

int seccomp_compile(const Grpc__LinuxSeccomp *spec, struct seccomp_filter *f, struct err *err)
{
	struct compiler c = { .nconds = 0 };
	int r;

	*f = (struct seccomp_filter){ .n = 0 };
	c.conds = xcalloc(spec->n_syscalls + 1, sizeof(struct seccomp_cond *));
	c.selectors = xcalloc((size_t)2 * BPF_MAXINSNS, sizeof(*c.selectors));
	r = compile(&c, spec, f, err);
	for (size_t i = 0; i < c.nconds; i++)
		free(c.conds[i]);
	free(c.conds);
	free(c.selectors);
	for (size_t i = 0; i < SYSCALL_ABIS_MAX; i++)
		free(c.plan.abi[i].list);
	return r;
}

void seccomp_done(struct seccomp_filter *f)
{
	free(f->code);
	f->code = NULL;
	f->n = 0;
}

int seccomp_load(const struct seccomp_filter *f, struct err *err)
{
	struct sock_fprog prog = { .len = (unsigned short)f->n, .filter = f->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &prog) < 0)
		return err_sys(err, errno, "seccomp: load the filter");
	return 0;
}
