/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program is written from its end: a jump goes forward only, so its targets
 * are known when it is written. A place is the number of instructions between
 * it and the end, exclusive.
 *
 * For each interface the numbers are cut into ranges that share an action, and
 * those are searched by halves: a call costs some eight comparisons, not three
 * hundred.
 */
#include "guest/agent/seccomp_program.h"

#include <linux/seccomp.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"

#define NEAR 240 /* a jump reaches 255; some room for what comes between */

struct builder {
	struct sock_filter *code; /* backwards */
	size_t n;
};

struct range {
	uint32_t first;
	uint32_t action;
	const struct seccomp_rule *rules; /* in their place @action, unless NULL */
	size_t n;
};

/* Returns the place of what is written. Beyond the limit it only counts. */
static size_t put(struct builder *b, unsigned code, uint32_t k, size_t jt, size_t jf)
{
	if (b->n < BPF_MAXINSNS)
		b->code[b->n] = (struct sock_filter){
			.code = (uint16_t)code,
			.jt = (uint8_t)jt,
			.jf = (uint8_t)jf,
			.k = k,
		};
	return b->n++;
}

static size_t put_return(struct builder *b, uint32_t action)
{
	/* One that is near will do. */
	for (size_t i = b->n; i > 0 && i <= BPF_MAXINSNS && b->n - i < NEAR / 2; i--)
		if (b->code[i - 1].code == (BPF_RET | BPF_K) && b->code[i - 1].k == action)
			return i - 1;
	return put(b, BPF_RET | BPF_K, action, 0, 0);
}

/* A place from which @target is reached and that a conditional jump reaches. */
static size_t nearby(struct builder *b, size_t target)
{
	if (b->n - target <= NEAR)
		return target;
	return put(b, BPF_JMP | BPF_JA, (uint32_t)(b->n - target - 1), 0, 0);
}

/* Make sure that what is written next runs on to @target. */
static void run_on_to(struct builder *b, size_t target)
{
	if (target + 1 != b->n)
		put(b, BPF_JMP | BPF_JA, (uint32_t)(b->n - target - 1), 0, 0);
}

static size_t put_jump(struct builder *b, unsigned test, uint32_t k, size_t yes, size_t no)
{
	yes = nearby(b, yes);
	no = nearby(b, no);
	return put(b, BPF_JMP | test | BPF_K, k, b->n - yes - 1, b->n - no - 1);
}

static size_t put_load(struct builder *b, size_t offset)
{
	return put(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* A word of an argument, masked unless @mask has all bits. */
static size_t put_load_arg(struct builder *b, const struct seccomp_cond *c, bool high)
{
	uint64_t mask = c->op == OP_MASKED_EQ ? c->value : UINT64_MAX;
	uint32_t word = (uint32_t)(high ? mask >> 32 : mask);
	bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	if (word != UINT32_MAX)
		put(b, BPF_ALU | BPF_AND | BPF_K, word, 0, 0);
	return put_load(b,
			offsetof(struct seccomp_data, args) + 8 * c->index + (high != big ? 4 : 0));
}

static size_t put_equal(struct builder *b, const struct seccomp_cond *c, uint64_t value,
			bool narrow, size_t yes, size_t no)
{
	size_t at = put_jump(b, BPF_JEQ, (uint32_t)value, yes, no);

	at = put_load_arg(b, c, false);
	if (narrow)
		return at;
	put_jump(b, BPF_JEQ, (uint32_t)(value >> 32), at, no);
	return put_load_arg(b, c, true);
}

/* @test is BPF_JGT or BPF_JGE. */
static size_t put_above(struct builder *b, const struct seccomp_cond *c, unsigned test, bool narrow,
			size_t yes, size_t no)
{
	uint32_t high = (uint32_t)(c->value >> 32);
	size_t at = put_jump(b, test, (uint32_t)c->value, yes, no);

	at = put_load_arg(b, c, false);
	if (narrow)
		return at;
	at = put_jump(b, BPF_JEQ, high, at, no);
	put_jump(b, BPF_JGT, high, yes, at);
	return put_load_arg(b, c, true);
}

static size_t put_cond(struct builder *b, const struct seccomp_cond *c, bool narrow, size_t yes,
		       size_t no)
{
	switch (c->op) {
	case OP_NE:
		return put_equal(b, c, c->value, narrow, no, yes);
	case OP_LT:
		return put_above(b, c, BPF_JGE, narrow, no, yes);
	case OP_LE:
		return put_above(b, c, BPF_JGT, narrow, no, yes);
	case OP_GE:
		return put_above(b, c, BPF_JGE, narrow, yes, no);
	case OP_GT:
		return put_above(b, c, BPF_JGT, narrow, yes, no);
	case OP_MASKED_EQ:
		return put_equal(b, c, c->second, narrow, yes, no);
	case OP_EQ:
		break;
	}
	return put_equal(b, c, c->value, narrow, yes, no);
}

/* One after the other; the first whose conditions hold. */
static size_t put_rules(struct builder *b, const struct range *r, bool narrow)
{
	size_t next = put_return(b, r->action);

	for (size_t i = r->n; i > 0; i--) {
		const struct seccomp_rule *rule = &r->rules[i - 1];
		size_t at = put_return(b, rule->action);

		for (size_t c = rule->n; c > 0; c--)
			at = put_cond(b, &rule->conds[c - 1], narrow, at, next);
		next = at;
	}
	return next;
}

static size_t put_ranges(struct builder *b, const struct range *r, size_t n, bool narrow)
{
	size_t half = n / 2, above, below;

	if (n == 1)
		return r->rules ? put_rules(b, r, narrow) : put_return(b, r->action);
	above = put_ranges(b, r + half, n - half, narrow);
	below = put_ranges(b, r, half, narrow);
	return put_jump(b, BPF_JGE, r[half].first, above, below);
}

static int by_number(const void *a, const void *b)
{
	const struct seccomp_rule *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	/* One without conditions goes before all others. */
	if (!x->n != !y->n)
		return x->n ? 1 : -1;
	return x->order < y->order ? -1 : x->order > y->order;
}

struct ranges {
	struct range *list;
	size_t n;
};

static void add_range(struct ranges *out, uint32_t first, uint32_t action,
		      const struct seccomp_rule *rules, size_t n)
{
	struct range *last = out->n > 0 ? &out->list[out->n - 1] : NULL;

	if (last && !rules && !last->rules && last->action == action)
		return;
	out->list[out->n++] = (struct range){ first, action, rules, n };
}

/* Cut all numbers into ranges. */
static void cut(const struct seccomp_plan *plan, struct seccomp_rules *rules, struct ranges *out)
{
	uint64_t next = 0; /* the first number without a range */

	if (rules->n > 0)
		qsort(rules->list, rules->n, sizeof(*rules->list), by_number);
	out->list = xcalloc(2 * rules->n + 3, sizeof(*out->list));
	for (size_t i = 0; i < rules->n;) {
		const struct seccomp_rule *first = &rules->list[i];
		size_t k = 0;

		while (i < rules->n && rules->list[i].number == first->number) {
			i++;
			k++;
		}
		if (first->number > next)
			add_range(out, (uint32_t)next, plan->otherwise, NULL, 0);
		if (first->n == 0)
			add_range(out, first->number, first->action, NULL, 0);
		else
			add_range(out, first->number, plan->otherwise, first, k);
		next = (uint64_t)first->number + 1;
	}
	if (!rules->named || rules->last >= next)
		add_range(out, (uint32_t)next, plan->otherwise, NULL, 0);
	if (rules->named)
		add_range(out, rules->last + 1, plan->newer, NULL, 0);
}

/* The search of one interface, with the number loaded. */
static size_t put_abi(struct builder *b, struct seccomp_plan *plan, size_t i)
{
	size_t nabis, at;
	const struct syscall_abi *abis = syscall_abis(&nabis);
	struct ranges ranges = { .n = 0 };

	if (!plan->abi[i].filtered)
		return put_return(b, plan->foreign);
	cut(plan, &plan->abi[i], &ranges);
	at = put_ranges(b, ranges.list, ranges.n, abis[i].narrow);
	free(ranges.list);
	return at;
}

/* All interfaces of the arch of @i; *@done has a bit for each that is written. */
static size_t put_arch(struct builder *b, struct seccomp_plan *plan, size_t i, unsigned *done)
{
	size_t n, at = put_abi(b, plan, i);
	const struct syscall_abi *abis = syscall_abis(&n);

	*done |= 1u << i;
	for (size_t k = 0; k < n; k++) {
		if (k == i || abis[k].arch != abis[i].arch)
			continue;
		*done |= 1u << k;
		at = put_jump(b, BPF_JGE, abis[k].base, put_abi(b, plan, k), at);
	}
	run_on_to(b, at);
	return put_load(b, offsetof(struct seccomp_data, nr));
}

size_t seccomp_program(struct seccomp_plan *plan, struct sock_filter **code)
{
	struct builder b = { .code = xcalloc(BPF_MAXINSNS, sizeof(*b.code)) };
	size_t n, next = put_return(&b, plan->foreign);
	const struct syscall_abi *abis = syscall_abis(&n);
	unsigned done = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at;

		if (done & 1u << i)
			continue;
		at = put_arch(&b, plan, i, &done);
		next = put_jump(&b, BPF_JEQ, abis[i].arch, at, next);
	}
	run_on_to(&b, next);
	put_load(&b, offsetof(struct seccomp_data, arch));
	*code = NULL;
	if (b.n <= BPF_MAXINSNS) {
		*code = xcalloc(b.n, sizeof(**code));
		for (size_t i = 0; i < b.n; i++)
			(*code)[i] = b.code[b.n - 1 - i];
	}
	free(b.code);
	return b.n;
}
