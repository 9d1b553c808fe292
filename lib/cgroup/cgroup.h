/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, on both sides and in the three layouts of a Linux host:
 * legacy (version 1 only), hybrid (version 1, and a version 2 tree beside it)
 * and unified (version 2 only). A struct cgroup is one path in all hierarchies.
 *
 * What the kernel's files mean: Documentation/admin-guide/cgroup-v2.rst and
 * cgroup-v1/. What the limits mean: OCI runtime-spec config-linux.md.
 *
 * Nothing here waits: what takes the kernel time (a process that dies, a group
 * that freezes) is asked for here and looked at again by the caller.
 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum cgroup_layout { CGROUP_NONE, CGROUP_LEGACY, CGROUP_HYBRID, CGROUP_UNIFIED };

struct cgroup;

/* A block device and a number: bytes or operations a second, or a weight. */
struct cgroup_io_limit {
	int64_t major, minor;
	uint64_t value;
};

struct cgroup_io_limits {
	const struct cgroup_io_limit *v; /* borrowed */
	size_t n;
};

/* A name and a value: of a huge page size, a device, an interface, a file. */
struct cgroup_named {
	const char *name, *value;
};

struct cgroup_nameds {
	const struct cgroup_named *v; /* borrowed */
	size_t n;
};

/*
 * Limits as the OCI specification words them. 0 or NULL leaves a setting
 * alone; -1 takes a limit of memory, swap, pids or the CPU quota away.
 */
struct cgroup_limits {
	uint64_t cpu_shares; /* 2..262144 */
	int64_t cpu_quota;   /* microseconds per period */
	uint64_t cpu_period; /* microseconds */
	uint64_t cpu_burst;  /* microseconds */
	int64_t cpu_rt_runtime;
	uint64_t cpu_rt_period; /* microseconds; version 1 alone has them */
	bool has_cpu_idle;
	int64_t cpu_idle;
	const char *cpus; /* "0-3,7" */
	const char *mems;
	int64_t memory;		    /* bytes */
	int64_t memory_reservation; /* bytes */
	int64_t memory_swap;	    /* bytes of memory and swap together */
	int64_t memory_tcp;	    /* bytes; version 1 */
	bool memory_check;	    /* refuse a limit below what is used already */
	uint64_t swappiness;	    /* 0..100; version 1, left out elsewhere */
	bool oom_killer_off;	    /* the same */
	int64_t pids;
	uint32_t io_weight, io_leaf_weight; /* 10..1000 */
	struct cgroup_io_limits io_weights, io_leaf_weights;
	struct cgroup_io_limits io_read_bps, io_write_bps, io_read_iops, io_write_iops;
	struct cgroup_nameds hugetlb;	     /* "2MB": bytes */
	struct cgroup_nameds rdma;	     /* "mlx5_0": "hca_handle=2 hca_object=max" */
	uint32_t net_class;		     /* version 1, left out elsewhere */
	struct cgroup_nameds net_priorities; /* "eth0": a number; the same */
	struct cgroup_nameds unified;	     /* files of version 2, written last */
};

#define CGROUP_DEVICE_MKNOD 1u
#define CGROUP_DEVICE_READ  2u
#define CGROUP_DEVICE_WRITE 4u
#define CGROUP_DEVICE_ALL   7u

struct cgroup_device_rule {
	bool allow;
	char type;	      /* 'b', 'c', or 'a' for both */
	int64_t major, minor; /* -1: any */
	unsigned access;      /* CGROUP_DEVICE_* */
};

struct cgroup_stats {
	uint64_t cpu_usage, cpu_user, cpu_system;	     /* nanoseconds */
	uint64_t periods, throttled_periods, throttled_time; /* throttled_time: nanoseconds */
	uint64_t memory, memory_max, memory_failures, memory_limit; /* bytes */
	uint64_t memory_cache, swap, swap_limit; /* bytes; a limit of UINT64_MAX is none */
	uint64_t pids, pids_limit;		 /* pids_limit 0: none */
};

/* What this process sees mounted; looked up once. */
enum cgroup_layout cgroup_layout(void);

/*
 * The hierarchies, for who mounts them in a container: the number of them, and
 * of each its name ("memory", "cpu,cpuacct", "name=systemd"; "" for version 2)
 * and its mount point.
 */
size_t cgroup_hierarchies(void);
const char *cgroup_hierarchy_name(size_t i);
const char *cgroup_hierarchy_mount(size_t i);

/*
 * The path below the hierarchies' roots that the specification's cgroupsPath
 * means: "/a/b" and "a/b" as they are, the systemd form "slice:prefix:name" as
 * "/slice/prefix-name", an empty one as "/@fallback". -EINVAL when it has ".."
 * or would be the root itself. The caller frees *@path.
 */
int cgroup_path(const char *spec, const char *fallback, char **path, struct err *err);

/*
 * The same on a host, where the systemd form means the directory of a unit as systemd
 * itself would make it: "a-b.slice:prefix:name" is "/a.slice/a-b.slice/prefix-name.scope",
 * an empty slice "system.slice", a name that ends with ".slice" a slice. -EINVAL, too, for
 * what no file system could hold.
 */
int cgroup_host_path(const char *spec, char **path, struct err *err);

/*
 * Make the group @path (of cgroup_path()) in all hierarchies, with the parents
 * that it lacks; a group that is there already is used as it is. On failure
 * nothing that was made is left.
 */
int cgroup_create(const char *path, struct cgroup **cg, struct err *err);

/* Name a group that exists without making it. Never fails. */
struct cgroup *cgroup_open(const char *path);

/* Forget; the group stays. NULL is allowed. */
void cgroup_free(struct cgroup *cg);

/*
 * rmdir the group with its children, and those parents that this process made
 * and that are empty by now. A group that is gone is success. -EBUSY while
 * processes live in it.
 */
int cgroup_remove(struct cgroup *cg, struct err *err);

int cgroup_attach(struct cgroup *cg, pid_t pid, struct err *err);

/*
 * For a process that enters by itself, between fork and exec: append to @files what it is
 * to write "0" to, a file of each hierarchy.
 */
struct strv;
void cgroup_doors(const struct cgroup *cg, struct strv *files);

/*
 * How many processes live in the group or below, in any hierarchy; also those of
 * other pid namespaces, which cgroup_signal() cannot reach. 0 when it does not exist.
 */
size_t cgroup_count(const struct cgroup *cg);

/*
 * Processors have come online: version 1 gives them to the root alone. Let the
 * group have them too, or those of the list @own if that is not NULL, and its
 * parents. Version 2 does that by itself.
 */
int cgroup_cpus_came(const struct cgroup *cg, const char *own, struct err *err);

/* Set what @limits names. A limit whose controller the host lacks is an error. */
int cgroup_limit(struct cgroup *cg, const struct cgroup_limits *limits, struct err *err);

/*
 * Let the group use only the devices that the rules allow: of those that match
 * the last decides, and without any nothing is allowed. Replaces what was set
 * before. Version 1 cannot express all lists: -EINVAL then.
 */
int cgroup_devices(struct cgroup *cg, const struct cgroup_device_rule *rules, size_t n,
		   struct err *err);

/* Ask for (un)freezing; cgroup_frozen() tells when it is done. */
int cgroup_freeze(struct cgroup *cg, bool frozen, struct err *err);
bool cgroup_frozen(struct cgroup *cg);

/*
 * Thaw the group that @pid lives in, whoever froze it: a process that is to end does not, as
 * long as it is frozen (version 1). Nothing happens when that is not possible.
 */
void cgroup_thaw_process(pid_t pid);

/* Send @signo to all processes in the group and below. A process may fork meanwhile:
 * to kill for sure, repeat until cgroup_populated() is false. SIGKILL ends frozen ones, too. */
void cgroup_signal(struct cgroup *cg, int signo);

/* The processes in the group and below, in ascending order; the caller frees *@pids. */
size_t cgroup_processes(struct cgroup *cg, pid_t **pids);

/* True while a process (or a zombie that nobody waited for) is in the group or below. */
bool cgroup_populated(struct cgroup *cg);

/* What could be read; the rest is 0. */
void cgroup_read_stats(struct cgroup *cg, struct cgroup_stats *stats);

/*
 * Append the text of the group's @file of @controller to @text; *@v2 tells the
 * dialect. For version 1's "blkio" ask for "blkio", for version 2's for "io".
 * -ENOENT when there is no such controller or file.
 */
struct str;
int cgroup_read(struct cgroup *cg, const char *controller, const char *file, bool *v2,
		struct str *text);

/*
 * A descriptor that polls as *@events when the group's memory ran out, and how
 * often the kernel killed for it so far. Call cgroup_oom_count() after each
 * event: it also re-arms. -ENOENT without a memory controller.
 */
struct cgroup_oom {
	int fd;
	uint32_t events;
	bool v2;
	bool gone; /* the group is; @fd polls for ever then */
	uint64_t count;
};
int cgroup_oom_open(struct cgroup *cg, struct cgroup_oom *oom, struct err *err);
/* The number of kills since the last call. */
uint64_t cgroup_oom_count(struct cgroup_oom *oom);
void cgroup_oom_close(struct cgroup_oom *oom);

#endif
