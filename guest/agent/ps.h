/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ps(1) shows of the processes of a container, without ps: few images have one, and
 * the guest has none. Processes have the guest's numbers; users are shown as numbers, but
 * for root, because the guest knows no other names.
 */
#ifndef AGENT_PS_H
#define AGENT_PS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Append an array of numbers. */
void ps_json(const pid_t *pids, size_t n, struct str *out);

/*
 * Append a table as `ps @args` prints it, which is `ps -ef` without arguments. All of
 * @pids are shown; those that have gone are left out. Known are -e, -A, -a, -x, -d, -w
 * (which change nothing), -f, -o FORMAT, --format FORMAT, and a, x, w, u, o FORMAT without
 * a dash. -EINVAL for others. @proc: where proc(5) is.
 */
int ps_table(const char *proc, const pid_t *pids, size_t n, char *const *args, size_t n_args,
	     struct str *out, struct err *err);

/* ---- between ps.c and ps_columns.c ------------------------------------------- */

/* One process: proc_pid_stat(5) and others. */
struct ps_process {
	pid_t pid, ppid, pgrp, session, tpgid;
	char state;
	int tty;
	uint64_t ticks; /* of processor time */
	uint64_t start; /* ticks since boot */
	long nice, threads, priority;
	uint64_t vsize, rss; /* bytes */
	uid_t uid;
	gid_t gid;
	char *comm;
	char *command; /* with its arguments; "[comm]" for one that has none */
};

/* What is the same for all. */
struct ps_system {
	uint64_t hz, uptime, memory; /* ticks per second, ticks, bytes */
	int64_t now;		     /* seconds since 1970 */
};

struct ps_column {
	const char *names; /* of -o, each with a blank behind it */
	const char *header;
	bool left; /* not aligned to the right */
	void (*print)(const struct ps_process *p, const struct ps_system *s, struct str *out);
};

/* The column with the name of @len bytes, NULL if there is none. */
const struct ps_column *ps_column(const char *name, size_t len);

#endif
