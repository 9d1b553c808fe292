/* SPDX-License-Identifier: Apache-2.0 */
/* Back to nothing: containers, machine, mounts, directories. Each step has a limit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "cgroup/cgroup.h"
#include "host/sandbox/core.h"
#include "host/sandbox/loopback.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network.h"
#include "host/storage/unmount.h"

/* The agent may take so long to end its containers well; then the machine ends anyway. */
#define DESTROY_MS 1000

/* So long may the poststop hooks of those containers take that nobody deleted. */
#define HOOKS_MS 3000

/* A driver ends its machine within 2 s; past this it is taken from it. */
#define STOP_MS 5000

struct ender {
	struct list link;
	sandbox_done done;
	void *arg;
};

static void kill_processes(struct container *c)
{
	struct list *it;

	list_for_each(it, &c->processes)
		process_exited(container_of(it, struct process, link), STATUS_KILLED);
}

void end_of_machine(struct sandbox *sb, const struct err *why)
{
	struct list *it;

	link_down(sb);
	if (why != &sb->why)
		sb->why = *why;
	if (sb->phase == PHASE_DEAD)
		err_wrap(&sb->why, "the sandbox's virtual machine has ended");
	hooking_cancel(sb, NULL, &sb->why);
	call_end_all(sb);
	root_cancel_all(sb);
	resize_end(sb);
	names_end(sb);
	loopback_end(sb);
	network_end(sb);
	disks_end(sb);
	list_for_each(it, &sb->containers)
		kill_processes(container_of(it, struct container, link));
}

/* The last one may release the sandbox. */
static void tell(void *arg)
{
	struct sandbox *sb = arg;
	bool more = !list_empty(&sb->enders);

	sb->end_step = NULL;
	while (more) {
		struct ender *e = container_of(sb->enders.next, struct ender, link);
		struct err err = sb->end_err;

		list_del(&e->link);
		more = !list_empty(&sb->enders);
		e->done(err.code ? &err : NULL, e->arg);
		free(e);
	}
}

static void keep_first(struct sandbox *sb, const struct err *err)
{
	if (sb->end_err.code == 0)
		sb->end_err = *err;
}

static void undo_dir(struct sandbox *sb, const char *dir, int failed, const struct err *err)
{
	if (failed < 0)
		keep_first(sb, err);
	else
		state_forget(&sb->st->dirs, dir);
}

/* What was not made stays out of it: the journal knows. */
static bool is_ours(const struct sandbox *sb, const char *dir)
{
	for (size_t i = 0; i < sb->st->dirs.n; i++)
		if (!strcmp(sb->st->dirs.v[i], dir))
			return true;
	return false;
}

static void finish(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	if (state_save(sb->st, &err) < 0)
		keep_first(sb, &err);
	sb->phase = PHASE_ENDED;
	sb->end_step = loop_defer(sb->loop, tell, sb);
}

static void on_group_removed(const struct err *err, void *arg)
{
	struct sandbox *sb = arg;

	if (err)
		keep_first(sb, err);
	finish(sb);
}

static int remove_with_mounts(const char *dir, struct err *err)
{
	int r = unmount_below(dir, err);

	return r < 0 ? r : tree_remove(dir, err);
}

static void undo_host(struct sandbox *sb)
{
	struct err err = ERR_INIT;

	if (network_undo(sb, &err) < 0)
		keep_first(sb, &err);
	if (sb->share && is_ours(sb, sb->share->base))
		undo_dir(sb, sb->share->base, share_undo(sb->share, &err), &err);
	if (sb->own_dir && is_ours(sb, sb->own_dir))
		undo_dir(sb, sb->own_dir, remove_with_mounts(sb->own_dir, &err), &err);
	if (sb->run_dir && is_ours(sb, sb->run_dir))
		undo_dir(sb, sb->run_dir, tree_remove(sb->run_dir, &err), &err);
	if (sb->group)
		group_remove(sb->group, sb->loop, on_group_removed, sb);
	else
		finish(sb);
}

void end_look(struct sandbox *sb)
{
	if (!sb->end_waits || !list_empty(&sb->hookings) || network_undo_runs(sb))
		return;
	sb->end_waits = false;
	loop_remove(&sb->end_limit);
	undo_host(sb);
}

static void on_hooks_limit(void *arg)
{
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;

	sb->end_limit = NULL;
	network_undo_stop(sb);
	if (list_empty(&sb->hookings)) {
		end_look(sb);
		return;
	}
	err_set(&err, ETIMEDOUT, "sandbox %s ends: hooks that did not end within %d ms are killed",
		sb->st->id, HOOKS_MS);
	log_warn("%s", err_msg(&err));
	hooking_cancel_all(sb, &err);
}

static void on_poststopped(const struct err *err, void *arg)
{
	struct sandbox *sb = arg;

	if (err)
		log_warn("sandbox %s: %s", sb->st->id, err_msg(err));
}

/* Nobody deleted them, and nobody will. */
static void end_containers(struct sandbox *sb)
{
	struct list *it;

	list_for_each(it, &sb->containers) {
		struct container *c = container_of(it, struct container, link);

		if (c->busy)
			continue;
		c->busy = true; /* its hooks are to live until they have run */
		hooking_run(c, HOOK_POSTSTOP, on_poststopped, sb);
	}
	sb->end_waits = true;
	sb->end_limit = loop_add_timer(sb->loop, HOOKS_MS, on_hooks_limit, sb);
	end_look(sb);
}

void end_machine_gone(struct sandbox *sb)
{
	loop_remove(&sb->end_limit);
	end_of_machine(sb, &sb->why);
	end_containers(sb);
}

static void on_stop_limit(void *arg)
{
	struct sandbox *sb = arg;

	sb->end_limit = NULL;
	log_warn("sandbox %s: the machine does not end, it is killed", sb->st->id);
	vm_free(take_ptr(sb->vm));
	end_machine_gone(sb);
}

/* What somebody else has frozen would neither answer nor die. */
static void thaw_processes(const struct sandbox_state *st)
{
	for (size_t i = 0; i < st->n_processes; i++)
		if (proc_alive(st->processes[i].pid, st->processes[i].start))
			cgroup_thaw_process(st->processes[i].pid);
}

static void end_machine(struct sandbox *sb)
{
	link_down(sb);
	if (!sb->vm) {
		end_machine_gone(sb);
		return;
	}
	sb->end_limit = loop_add_timer(sb->loop, STOP_MS, on_stop_limit, sb);
	vm_stop(sb->vm);
	network_undo_begin(sb);
}

static void on_destroyed(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;

	/* The machine's end takes all of it along. */
	if (!rsp)
		log_info("sandbox %s: %s", sb->st->id, err_msg(err));
	end_machine(sb);
}

void end_begin(struct sandbox *sb, bool ask, sandbox_done done, void *arg)
{
	Grpc__DestroySandboxRequest req = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct ender *e = xmalloc(sizeof(*e));

	e->done = done;
	e->arg = arg;
	list_add_tail(&sb->enders, &e->link);
	if (sb->phase == PHASE_ENDED && !sb->end_step)
		sb->end_step = loop_defer(sb->loop, tell, sb);
	if (sb->phase >= PHASE_ENDING)
		return;
	sb->phase = PHASE_ENDING;
	thaw_processes(sb->st);
	loop_remove(&sb->boot_limit);
	loop_remove(&sb->link_retry);
	loop_remove(&sb->link_limit);
	if (sb->why.code == 0)
		err_set(&sb->why, ECANCELED,
			"the sandbox's virtual machine has ended: it was stopped");
	if (ask && sb->agent)
		agent_call(sb->agent, "DestroySandbox", &req.base, DESTROY_MS, on_destroyed, sb);
	else
		end_machine(sb);
}

void sandbox_stop(struct sandbox *sb, sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;
	bool ask = sb->phase == PHASE_RUNNING;

	err_set(&err, ECANCELED, "sandbox %s was stopped during its boot", sb->st->id);
	boot_fail(sb, &err);
	end_begin(sb, ask, done, arg);
}
