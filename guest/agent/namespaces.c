/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *type; /* in the specification */
	const char *file; /* in /proc/PID/ns */
	unsigned long flag;
} kinds[NS_KINDS] = {
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
	[NS_MNT] = { "mount", "mnt", CLONE_NEWNS },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_NET] = { "network", "net", CLONE_NEWNET },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
};

/* In the order of kinds[]; -1 where the kernel has no such namespace. */
static int own[NS_KINDS] = { -1, -1, -1, -1, -1, -1, -1, -1 };

unsigned long ns_flag(enum ns_kind kind)
{
	return kinds[kind].flag;
}

int ns_of_pid(int pid, enum ns_kind kind)
{
	auto_free char *path = xasprintf("/proc/%d/ns/%s", pid, kinds[kind].file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int ns_open_own(struct err *err)
{
	for (int k = 0; k < NS_KINDS; k++) {
		int fd = ns_of_pid(getpid(), (enum ns_kind)k);

		if (fd < 0 && fd != -ENOENT)
			return err_sys(err, fd, "/proc/self/ns/%s", kinds[k].file);
		own[k] = fd < 0 ? -1 : fd;
	}
	return 0;
}

void ns_plan_done(struct ns_plan *plan)
{
	for (int k = 0; k < NS_KINDS; k++)
		close_fd(&plan->join[k]);
}

static int join_fd(struct ns_plan *plan, enum ns_kind kind, int fd, struct err *err)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return err_sys(err, errno, "namespace %s", kinds[kind].type);
	close_fd(&plan->join[kind]);
	plan->join[kind] = copy;
	plan->create &= ~kinds[kind].flag;
	return 0;
}

/* @seen: the kinds that came before, as bits. */
static int plan_one(const Grpc__LinuxNamespace *ns, unsigned *seen, struct ns_plan *plan,
		    struct err *err)
{
	int kind = 0, fd;

	/* The Rust runtime sends the kernel's names, the Go one those of the specification. */
	while (kind < NS_KINDS && strcmp(ns->type, kinds[kind].type) &&
	       strcmp(ns->type, kinds[kind].file))
		kind++;
	if (kind == NS_KINDS)
		return err_set(err, EINVAL, "unknown namespace type \"%s\"", ns->type);
	if (*seen & 1U << kind)
		return err_set(err, EINVAL, "namespace %s is there twice", ns->type);
	*seen |= 1U << kind;
	if (!*ns->path) {
		/* The guest's network is the sandbox's: there is no other to share. */
		if (kind != NS_NET)
			plan->create |= kinds[kind].flag;
		return 0;
	}
	fd = open(ns->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "namespace %s: %s", ns->type, ns->path);
	plan->join[kind] = fd;
	return 0;
}

int ns_plan(const Grpc__Linux *spec, const struct ns_shared *shared, struct ns_plan *plan,
	    struct err *err)
{
	bool ipc = false, uts = false;
	unsigned seen = 0;
	int r = 0;

	plan->create = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP;
	for (int k = 0; k < NS_KINDS; k++)
		plan->join[k] = -1;
	for (size_t i = 0; r == 0 && spec && i < spec->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->namespaces[i];

		ipc = ipc || !strcmp(ns->type, "ipc");
		uts = uts || !strcmp(ns->type, "uts");
		r = plan_one(ns, &seen, plan, err);
	}
	if (r == 0 && spec && spec->n_timeoffsets > 0 && !(plan->create & CLONE_NEWTIME))
		r = err_set(err, EINVAL,
			    "timeOffsets: want a time namespace of the container's own");
	/*
	 * The sandbox's ipc namespace belongs to the guest's user namespace: who is root in
	 * another one could not mount its message queues.
	 */
	if (r == 0 && ipc && shared->ipc >= 0 && !(plan->create & CLONE_NEWUSER))
		r = join_fd(plan, NS_IPC, shared->ipc, err);
	if (r == 0 && uts && shared->uts >= 0)
		r = join_fd(plan, NS_UTS, shared->uts, err);
	if (r == 0 && shared->pid >= 0)
		r = join_fd(plan, NS_PID, shared->pid, err);
	for (int k = 0; k < NS_KINDS; k++)
		if (plan->join[k] >= 0)
			plan->create &= ~kinds[k].flag;
	if (r < 0)
		ns_plan_done(plan);
	return r;
}

static bool agent_enters(int kind)
{
	return kind != NS_USER && kind != NS_MNT;
}

void ns_return(const struct ns_plan *plan)
{
	for (int k = 0; k < NS_KINDS; k++) {
		if (plan->join[k] < 0 || !agent_enters(k) || own[k] < 0)
			continue;
		if (setns(own[k], (int)kinds[k].flag) < 0) {
			log_error("cannot return to the namespace %s: %s", kinds[k].type,
				  strerror(errno));
			abort();
		}
	}
}

int ns_enter(const struct ns_plan *plan, struct err *err)
{
	for (int k = 0; k < NS_KINDS; k++) {
		if (plan->join[k] < 0 || !agent_enters(k))
			continue;
		if (setns(plan->join[k], (int)kinds[k].flag) < 0) {
			err_sys(err, errno, "enter the namespace %s", kinds[k].type);
			ns_return(plan);
			return err->code;
		}
	}
	return 0;
}

int ns_make_shared(const char *hostname, int *ipc, int *uts, struct err *err)
{
	struct ns_plan both = { .join = { -1, -1, -1, own[NS_IPC], own[NS_UTS], -1, -1, -1 } };
	auto_close int i = -1, u = -1;
	int r = 0;

	if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return err_sys(err, errno, "make the sandbox's namespaces");
	if (*hostname && sethostname(hostname, strlen(hostname)) < 0)
		r = err_sys(err, errno, "hostname \"%s\"", hostname);
	i = ns_of_pid(getpid(), NS_IPC);
	u = ns_of_pid(getpid(), NS_UTS);
	if (r == 0 && (i < 0 || u < 0))
		r = err_sys(err, i < 0 ? i : u, "the sandbox's namespaces");
	ns_return(&both);
	if (r < 0)
		return r;
	*ipc = take_fd(&i);
	*uts = take_fd(&u);
	return 0;
}

int ns_make_time(const Grpc__Linux *spec, struct err *err)
{
	auto_str struct str text = STR_INIT;
	auto_close int ns = -1;

	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(err, errno, "make a time namespace");
	for (size_t i = 0; i < spec->n_timeoffsets; i++) {
		const Grpc__LinuxTimeOffset *o = spec->timeoffsets[i]->value;
		const char *clock = spec->timeoffsets[i]->key;

		if (strcmp(clock, "monotonic") && strcmp(clock, "boottime"))
			return err_set(err, EINVAL, "timeOffsets: unknown clock \"%s\"", clock);
		str_printf(&text, "%s %" PRId64 " %" PRIu32 "\n", clock, o ? o->secs : 0,
			   o ? o->nanosecs : 0);
	}
	if (text.len > 0 &&
	    file_write_knob("/proc/self/timens_offsets", text.data, text.len, err) < 0)
		return err_wrap(err, "timeOffsets");
	/* So far it is for children only. */
	ns = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWTIME) < 0)
		return err_sys(err, errno, "enter the time namespace");
	return 0;
}
