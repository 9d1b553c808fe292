/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef CGROUP_INTERNAL_H
#define CGROUP_INTERNAL_H

#include "base/str.h"
#include "cgroup/cgroup.h"

struct hierarchy {
	char *mount; /* its mount point */
	char *name;  /* as cgroup_hierarchy_name() */
	bool v2;
};

struct cgroup {
	char *path;	    /* "/a/b" */
	int device_program; /* attached to the group by cgroup_devices(), or -1; owned */
};

/* All hierarchies; *@n of them. */
const struct hierarchy *hierarchies(size_t *n);

/*
 * Parse the text of a /proc/PID/mountinfo into @out, which has room for @max.
 * Returns the number; the caller frees the strings. Pure.
 */
size_t hierarchies_parse(const char *mountinfo, struct hierarchy *out, size_t max);

/*
 * The directory of @cg where @controller is in effect, with "/" and @file
 * appended, or NULL when no hierarchy has the controller. *@v2 tells the
 * dialect of its files. The caller frees.
 */
char *controller_file(const struct cgroup *cg, const char *controller, const char *file, bool *v2);

/* The directory of @cg in @h. The caller frees. */
char *group_dir(const struct hierarchy *h, const struct cgroup *cg);

/*
 * Call @fn for the group @dir and all groups below it, children first: @name in
 * the directory @parent. @fn returns 0 or -errno; the first failure is returned
 * after all calls. A group that is gone is no failure.
 */
typedef int (*walk_fn)(int parent, const char *name, void *arg);
int walk_groups(const char *dir, walk_fn fn, void *arg);

/* The path of @file of such a group, good as long as the call. The caller frees. */
char *walk_file(int parent, const char *name, const char *file);

/* Write @text to @file of @controller; -ENOENT where the host lacks the controller. */
int knob_set(struct cgroup *cg, const char *controller, const char *file, const char *text,
	     struct err *err);

/* The same for a number; -1 is written as @unlimited. */
int knob_set_number(struct cgroup *cg, const char *controller, const char *file, int64_t v,
		    const char *unlimited, struct err *err);

/*
 * The group that freezes a process whose /proc/PID/cgroup is @text: that of the freezer of
 * version 1, or else that of version 2. NULL without either; the caller frees. Pure.
 */
char *freezer_path(const char *text);

/* Whether the group has @file of @controller. */
bool knob_exists(struct cgroup *cg, const char *controller, const char *file);

/* Whether @controller speaks version 2; version 1 where it is missing. */
bool controller_is_v2(struct cgroup *cg, const char *controller);

/* The parts of cgroup_limit() that have a file of their own. */
int limit_io(struct cgroup *cg, const struct cgroup_limits *l, struct err *err);
int limit_named(struct cgroup *cg, const struct cgroup_limits *l, struct err *err);

/* blkio.weight (10..1000) → io.weight (1..10000), as the OCI runtimes map it. */
uint64_t blkio_to_io_weight(uint64_t weight);

/* cpu.shares (2..262144) → cpu.weight (1..10000), as the OCI runtimes map it. */
uint64_t shares_to_weight(uint64_t shares);

/*
 * memory.swap.max for the specification's sum of memory and swap: -1 is no
 * limit. -EINVAL when swap is limited below the memory or without it.
 */
int swap_of_sum(int64_t memory, int64_t sum, int64_t *swap);

/* The number behind "KEY " at a line's start of @text; 0 without one. */
uint64_t keyed_value(const char *text, const char *key);

#endif
