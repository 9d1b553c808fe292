/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/device_program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bpf.h"
#include "base/cleanup.h"

/* The program that is being written, and the registers that it uses. */
struct writer {
	struct bpf_insn *code;
	size_t n;
};

enum { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, TYPE, ACCESS, MAJOR, MINOR, SCRATCH };

static void put(struct writer *w, uint8_t code, int dst, int src, size_t off, int32_t imm)
{
	w->code[w->n++] = bpf_insn(code, dst, src, (int)off, imm);
}

static void put_load(struct writer *w, int dst, size_t offset)
{
	put(w, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, offset, 0);
}

static void put_return(struct writer *w, int value)
{
	put(w, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, value);
	put(w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* One rule has at most 3 comparisons, 3 for its access and 2 to return. */
#define RULE_MAX 8
#define FRAME	 9 /* what is before and behind the rules */

/* Skip to behind the rule, whose end is not known yet. */
static void put_unless(struct writer *w, int reg, int64_t value)
{
	put(w, BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, 0, (int32_t)(uint32_t)value);
}

static void put_rule(struct writer *w, const struct cgroup_device_rule *r)
{
	size_t start = w->n, first_jumps;

	if (r->type != 'a')
		put_unless(w, TYPE, r->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (r->major >= 0)
		put_unless(w, MAJOR, r->major);
	if (r->minor >= 0)
		put_unless(w, MINOR, r->minor);
	first_jumps = w->n;
	if (r->allow) {
		/* What is allowed is settled; the rest is for the rules before. */
		put(w, BPF_ALU64 | BPF_AND | BPF_K, ACCESS, 0, 0, (int32_t)~r->access);
		put(w, BPF_JMP | BPF_JNE | BPF_K, ACCESS, 0, 2, 0);
	} else if (r->access != CGROUP_DEVICE_ALL) {
		put(w, BPF_ALU64 | BPF_MOV | BPF_X, SCRATCH, ACCESS, 0, 0);
		put(w, BPF_ALU64 | BPF_AND | BPF_K, SCRATCH, 0, 0, (int32_t)r->access);
		put(w, BPF_JMP | BPF_JEQ | BPF_K, SCRATCH, 0, 2, 0);
	}
	put_return(w, r->allow);
	for (size_t i = start; i < first_jumps; i++)
		w->code[i].off = (int16_t)(w->n - i - 1);
}

/* A rule for everything: what stands before it has no say. */
static bool is_total(const struct cgroup_device_rule *r)
{
	return r->type == 'a' && r->major < 0 && r->minor < 0 && r->access == CGROUP_DEVICE_ALL;
}

size_t device_program(const struct cgroup_device_rule *rules, size_t n, struct bpf_insn **code)
{
	struct writer w = { .n = 0 };
	bool allow = false;

	w.code = xcalloc(n * RULE_MAX + FRAME, sizeof(*w.code));
	put_load(&w, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	put_load(&w, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	put_load(&w, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	put(&w, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	put(&w, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	for (size_t i = n; i > 0; i--) {
		if (is_total(&rules[i - 1])) {
			allow = rules[i - 1].allow;
			break;
		}
		put_rule(&w, &rules[i - 1]);
	}
	put_return(&w, allow);
	*code = w.code;
	return w.n;
}

/* ---- version 1 ----------------------------------------------------------- */

struct exceptions {
	struct cgroup_device_rule *list; /* .allow says nothing here */
	size_t n;
};

static bool covers_number(int64_t wide, int64_t narrow)
{
	return wide < 0 || wide == narrow;
}

/* Every device of @b is one of @a. */
static bool covers(const struct cgroup_device_rule *a, const struct cgroup_device_rule *b)
{
	return (a->type == 'a' || a->type == b->type) && covers_number(a->major, b->major) &&
	       covers_number(a->minor, b->minor);
}

static bool meet(const struct cgroup_device_rule *a, const struct cgroup_device_rule *b)
{
	return (a->type == 'a' || b->type == 'a' || a->type == b->type) &&
	       (covers_number(a->major, b->major) || covers_number(b->major, a->major)) &&
	       (covers_number(a->minor, b->minor) || covers_number(b->minor, a->minor));
}

static void add(struct exceptions *e, const struct cgroup_device_rule *rule)
{
	for (size_t i = 0; i < e->n; i++) {
		struct cgroup_device_rule *have = &e->list[i];

		if (covers(have, rule) && covers(rule, have)) {
			have->access |= rule->access;
			return;
		}
	}
	e->list = xrealloc(e->list, (e->n + 1) * sizeof(*e->list));
	e->list[e->n++] = *rule;
}

/* @rule returns to the rule for all: its exceptions go. */
static int take_back(struct exceptions *e, const struct cgroup_device_rule *rule, struct err *err)
{
	for (size_t i = 0; i < e->n; i++) {
		struct cgroup_device_rule *have = &e->list[i];

		if (covers(rule, have))
			have->access &= ~rule->access;
		else if (meet(rule, have) && have->access & rule->access)
			return err_set(err, EINVAL,
				       "device rule %c %" PRId64 ":%" PRId64
				       ": version 1 of control groups cannot %s a part of what an "
				       "earlier rule says",
				       rule->type, rule->major, rule->minor,
				       rule->allow ? "allow" : "deny");
	}
	return 0;
}

static void print_number(struct str *s, int64_t v)
{
	if (v < 0)
		str_putc(s, '*');
	else
		str_printf(s, "%" PRId64, v);
}

static void print_exception(const struct cgroup_device_rule *r, char type, struct strv *out)
{
	struct str s = STR_INIT;

	str_printf(&s, "%c ", type);
	print_number(&s, r->major);
	str_putc(&s, ':');
	print_number(&s, r->minor);
	str_printf(&s, " %s%s%s", r->access & CGROUP_DEVICE_READ ? "r" : "",
		   r->access & CGROUP_DEVICE_WRITE ? "w" : "",
		   r->access & CGROUP_DEVICE_MKNOD ? "m" : "");
	strv_take(out, str_take(&s));
}

int device_exceptions(const struct cgroup_device_rule *rules, size_t n, bool *allow_all,
		      struct strv *exceptions, struct err *err)
{
	struct exceptions e = { .n = 0 };
	int r = 0;

	*allow_all = false;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (is_total(&rules[i])) {
			*allow_all = rules[i].allow;
			e.n = 0;
		} else if (rules[i].allow == *allow_all) {
			r = take_back(&e, &rules[i], err);
		} else {
			add(&e, &rules[i]);
		}
	}
	for (size_t i = 0; r == 0 && i < e.n; i++) {
		const struct cgroup_device_rule *x = &e.list[i];

		if (x->access == 0)
			continue;
		/* To the kernel "a" is everything, whatever stands behind it. */
		if (x->type != 'b')
			print_exception(x, 'c', exceptions);
		if (x->type != 'c')
			print_exception(x, 'b', exceptions);
	}
	free(e.list);
	return r;
}
