/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of a hook: a process between the runtime and the hook that lives for
 * one purpose, so that a hook never outlives its runtime with what it started,
 * however that ends. When the owner's pipe is closed it kills the hook's process
 * group; it ends as the hook has ended.
 */
#ifndef HOST_HOOKS_GUARD_H
#define HOST_HOOKS_GUARD_H

#include <stddef.h>

struct guard {
	int owner;	 /* reading end of a pipe; its other end is the owner's alone */
	const int *ns;	 /* namespaces that the hook enters, in this order */
	size_t n_ns;	 /* all descriptors are among the child's own (proc_spec.keep) */
	int root;	 /* a directory that is then its root, or -1 */
	const char *cwd; /* its working directory; "/" when that is not there */
};

/*
 * proc_spec's before_exec, with a struct guard: forks. The caller of proc_spawn()
 * gets the guard; this returns in the hook, which leads a session of its own.
 */
int guard_enter(void *arg);

#endif
