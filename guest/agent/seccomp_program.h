/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about system calls, sorted out, and the program made of them. Pure. */
#ifndef AGENT_SECCOMP_PROGRAM_H
#define AGENT_SECCOMP_PROGRAM_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/agent/syscalls.h"

enum seccomp_op { OP_NE, OP_LT, OP_LE, OP_EQ, OP_GE, OP_GT, OP_MASKED_EQ };

struct seccomp_cond {
	unsigned index; /* of the argument, 0..5 */
	enum seccomp_op op;
	uint64_t value, second; /* MASKED_EQ: (argument & value) == second */
};

/* When all conditions hold for a call of @number, then @action. */
struct seccomp_rule {
	uint32_t number;
	uint32_t action;		  /* SECCOMP_RET_* with its data */
	size_t order;			  /* those of one number are tried by it */
	const struct seccomp_cond *conds; /* borrowed */
	size_t n;			  /* 0: it decides alone */
};

/* What holds for one interface. */
struct seccomp_rules {
	bool filtered; /* otherwise its calls get the action for foreigners */
	struct seccomp_rule *list;
	size_t n;
	uint32_t last; /* the highest number that the profile names */
	bool named;    /* @last is valid */
};

struct seccomp_plan {
	uint32_t otherwise, newer, foreign; /* actions */
	struct seccomp_rules abi[SYSCALL_ABIS_MAX];
};

/*
 * The program for @plan, whose lists it sorts. Returns its length, which may be
 * beyond BPF_MAXINSNS (then *@code is NULL); the caller frees *@code.
 */
size_t seccomp_program(struct seccomp_plan *plan, struct sock_filter **code);

#endif
