/* SPDX-License-Identifier: Apache-2.0 */
/* Starting programs and knowing processes. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct proc_spec {
	const char *const *argv; /* NULL-terminated; argv[0] is the path, or a name found on PATH */
	const char *path;	 /* what is executed, as it is; NULL: argv[0] says it */
	const char *const *envp; /* NULL: the caller's environment */
	int stdio[3];		 /* -1: /dev/null; otherwise borrowed */
	const int *keep;	 /* descriptors that the child gets under their own numbers */
	size_t nkeep;		 /* all others above 2 are closed in it */
	const char *cwd;	 /* NULL: the caller's */
	bool die_with_parent;	 /* SIGKILL when the calling thread ends */
	bool new_session;	 /* setsid(): away from the terminal and its signals */
	bool first_pid;		 /* the first of a namespace of processes, where that is allowed */
	/* Another one, which the child has until then only; 0: none. */
	int until_exec;
	int (*before_exec)(void *arg); /* in the child; 0 or -errno; only async-signal-safe calls */
	void *before_exec_arg;
};

struct proc {
	pid_t pid;
	int pidfd; /* owned by whoever holds the struct; give it to loop_add_child() */
};

/*
 * Start a program. Signal handlers and mask are reset in it. Returns 0 when
 * exec succeeded; when it did not, no child is left and @err names the program
 * and why ("/x/qemu: No such file or directory").
 */
int proc_spawn(const struct proc_spec *spec, struct proc *proc, struct err *err);

/*
 * Run a program to its end within @timeout_ms and collect at most @max bytes
 * of its standard output and error together in @out (may be NULL). Killed past
 * the limit (-ETIMEDOUT). Blocks; not for the event loop. Returns the
 * status as of waitpid() (≥ 0) or -errno.
 */
struct str;
int proc_run(const char *const *argv, int timeout_ms, size_t max, struct str *out, struct err *err);

/*
 * The start time of @pid in clock ticks since boot (field 22 of
 * /proc/PID/stat): with the pid it names a process for good. 0 if there is none.
 */
uint64_t proc_start_time(pid_t pid);

/* True while the process @pid that started at @start is there and no zombie. */
bool proc_alive(pid_t pid, uint64_t start);

/* SIGKILL the process if it is still the same one. True if a signal was sent. */
bool proc_kill(pid_t pid, uint64_t start, int signo);

#endif
