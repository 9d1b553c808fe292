/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake driver, for tests: the agent is a process of this host in namespaces
 * of its own (confine.h), without a machine and without its isolation. The key
 * `path` names the agent's program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "cgroup/cgroup.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/fake/confine.h"

#define RETRY_MS 2

/* How long the guard may take to clear up after vm_stop(). */
#define GUARD_MS 1500

struct fake {
	struct vm *vm;
	struct child *guard;
	struct confine confine;
	int owner; /* our end of the pipe by whose closing the guard ends all */
	char *group_path, *agent_path;
	struct loop_source *retry, *limit;
	bool stopping;
	struct err why;
};

/* Best effort, again and again: the kernel needs a moment after the last process. */
static void clear_groups(struct fake *f)
{
	for (int i = 0; confine_clear(&f->confine) == -EBUSY && i < 100; i++)
		usleep(1000);
	cgroup_free(take_ptr(f->confine.group));
}

static void on_end(struct child *child, void *arg)
{
	struct fake *f = arg;

	if (!f->stopping)
		child_error(child, &f->why);
	loop_remove(&f->retry);
	loop_remove(&f->limit);
	/* Nothing to do where the guard did it; it may have been killed. */
	clear_groups(f);
	vm_emit(f->vm, VM_EXITED, &f->why);
}

static int make_groups(struct fake *f, struct err *err)
{
	const char *id = f->vm->spec->id;
	int r;

	if (cgroup_layout() == CGROUP_NONE)
		return 0;
	f->group_path = xasprintf("/kata-fake-%s", id);
	r = cgroup_create(f->group_path, &f->confine.group, err);
	f->confine.group_path = f->group_path;
	return r;
}

static int spawn(struct fake *f, int owner_rd, struct err *err)
{
	const struct vm_spec *s = f->vm->spec;
	auto_free char *addr = xasprintf("KATA_AGENT_SERVER_ADDR=unix://%s", f->agent_path);
	const char *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			       addr,
			       s->config->agent.enable_debug ? "KATA_AGENT_LOG_LEVEL=debug" : NULL,
			       NULL };
	struct proc_spec spec = {
		.argv = (const char *const[]){ s->config->hypervisor.path, NULL },
		.envp = envp,
		.keep = &owner_rd,
		.nkeep = 1,
		.before_exec = confine_enter,
		.before_exec_arg = &f->confine,
	};

	f->confine.owner = owner_rd;
	f->guard = child_start(f->vm, "agent", &spec, true, on_end, f, err);
	return f->guard ? 0 : err->code;
}

static int fake_start(struct vm *vm, struct err *err)
{
	struct fake *f = vm->driver;
	int p[2], r = make_groups(f, err);

	if (r == 0 && pipe2(p, O_CLOEXEC) < 0)
		r = err_sys(err, errno, "pipe");
	if (r == 0) {
		f->owner = p[1];
		r = spawn(f, p[0], err);
		close(p[0]);
	}
	if (r < 0) {
		close_fd(&f->owner);
		clear_groups(f);
		return r;
	}
	vm_emit(vm, VM_STARTED, NULL);
	return 0;
}

/* The agent makes its socket when it is ready. */
static void try_connect(void *arg)
{
	struct fake *f = arg;
	int fd = unix_connect(f->agent_path, true, NULL);

	f->retry = NULL;
	if (fd < 0) {
		f->retry = loop_add_timer(f->vm->loop, RETRY_MS, try_connect, f);
		return;
	}
	close_fd(&f->vm->agent_fd);
	f->vm->agent_fd = fd;
	vm_emit(f->vm, VM_AGENT, NULL);
}

static int fake_connect(struct vm *vm, struct err *err)
{
	struct fake *f = vm->driver;

	if (!f->guard)
		return err_set(err, EPIPE, "the agent was not started");
	/* An agent that has ended already says why by VM_EXITED, which is on its way. */
	if (child_pid(f->guard) > 0 && !f->retry)
		f->retry = loop_defer(vm->loop, try_connect, f);
	return 0;
}

static void on_limit(void *arg)
{
	struct fake *f = arg;

	f->limit = NULL;
	child_kill(f->guard);
}

static void fake_stop(struct vm *vm)
{
	struct fake *f = vm->driver;

	f->stopping = true;
	close_fd(&f->owner);
	if (child_pid(f->guard) <= 0)
		vm_emit(vm, VM_EXITED, &f->why);
	else if (!f->limit)
		f->limit = loop_add_timer(vm->loop, GUARD_MS, on_limit, f);
}

static int fake_init(struct vm *vm, struct err *err)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	(void)err;
	f->vm = vm;
	f->owner = -1;
	f->agent_path = path_join(vm->spec->run_dir, "agent.sock");
	f->confine.run_dir = vm->spec->run_dir;
	f->confine.share_dir = vm->spec->share_dir;
	vm->driver = f;
	return 0;
}

static void fake_free(struct vm *vm)
{
	struct fake *f = vm->driver;

	loop_remove(&f->retry);
	loop_remove(&f->limit);
	child_free(f->guard);
	close_fd(&f->owner);
	clear_groups(f);
	free(f->group_path);
	free(f->agent_path);
	free(f);
}

static pid_t fake_pid(const struct vm *vm)
{
	const struct fake *f = vm->driver;

	return child_pid(f->guard);
}

static int fake_check(const struct config *config, struct err *err)
{
	const char *path = config->hypervisor.path;

	if (str_starts(path, "/run/"))
		return err_set(err, EINVAL,
			       "hypervisor.fake.path %s: lies in /run, which the agent sees empty",
			       path);
	return asset_check_program("hypervisor.fake.path", path, err);
}

const struct hypervisor_ops hypervisor_fake = {
	.name = "fake",
	.caps = HV_CAP_LOCAL | HV_CAP_FS_SHARE,
	.check = fake_check,
	.init = fake_init,
	.start = fake_start,
	.connect = fake_connect,
	.stop = fake_stop,
	.free = fake_free,
	.pid = fake_pid,
};
