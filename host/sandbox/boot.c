/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From nothing to a sandbox: driver check, journal, directories, machine,
 * agent, SetPolicy if there is one, CreateSandbox. What a later command would have to clear up is in the
 * journal before it is made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/core.h"
#include "host/sandbox/load.h"
#include "host/sandbox/network.h"

#define DNS_MAX 65536

/* What a machine needs at least, besides what its containers use, in bytes. */
#define MACHINE_ROOM (UINT64_C(128) << 20)

/* The control group of those machines that their pods' have no room for, as Kata names it. */
#define OUTSIDE "/kata_overhead/"

/* A directory that must not be there yet: two roots of states may have the same ID. */
static int make_own_dir(struct sandbox *sb, const char *parent, const char *dir, struct err *err)
{
	int r = dir_make(parent, 0700, err);

	if (r < 0)
		return r;
	state_note(&sb->st->dirs, dir);
	r = state_save(sb->st, err);
	if (r < 0 || mkdir(dir, 0700) == 0)
		return r;
	r = -errno;
	/* Somebody else's, to be left alone. */
	state_forget(&sb->st->dirs, dir);
	return err_sys(err, r, "%s: cannot make the directory for sandbox %s", dir, sb->st->id);
}

static int add_sandbox_mounts(struct sandbox *sb, struct err *err)
{
	const struct strv *mounts = &sb->config->runtime.sandbox_bind_mounts;
	int r = 0;

	if (mounts->n > 0 && !sb->share)
		return err_set(err, EOPNOTSUPP,
			       "runtime.sandbox_bind_mounts: nothing is shared with the guest");
	for (size_t i = 0; r == 0 && i < mounts->n; i++)
		r = share_add_sandbox(sb->share, mounts->v[i], err);
	return r < 0 ? err_wrap(err, "runtime.sandbox_bind_mounts") : 0;
}

/* What the driver needs besides; its parent stays, as that of the run directories does. */
static int make_drivers_dir(struct sandbox *sb, struct err *err)
{
	auto_free char *dir = hypervisor_own_dir(sb->ops, &sb->vm_spec), *parent = xstrdup(dir);
	char *slash = dir ? strrchr(parent, '/') : NULL;

	if (!slash)
		return 0;
	*slash = '\0';
	sb->own_dir = take_ptr(dir);
	return make_own_dir(sb, parent, sb->own_dir, err);
}

static int make_dirs(struct sandbox *sb, struct err *err)
{
	auto_free char *base = path_join(SANDBOX_SHARE, sb->st->id);
	int r;

	sb->run_dir = path_join(SANDBOX_VM_DIR, sb->st->id);
	r = make_own_dir(sb, SANDBOX_VM_DIR, sb->run_dir, err);
	if (r < 0)
		return r;
	if (!(sb->caps & HV_CAP_FS_SHARE))
		return add_sandbox_mounts(sb, err);
	r = make_own_dir(sb, SANDBOX_SHARE, base, err);
	if (r < 0)
		return r;
	sb->share = share_new(base);
	if (sb->runtime.n_ns > 0)
		share_look_from(sb->share,
				&(struct source_place){ sb->runtime.ns[0], sb->runtime.root });
	r = share_make(sb->share, err);
	return r < 0 ? r : add_sandbox_mounts(sb, err);
}

/* The size of the first container's shared memory; the file system knows that of a bind mount. */
static uint64_t shm_size(const Grpc__Spec *spec)
{
	const char *source;
	uint64_t size = plan_shm_size(spec, &source);
	struct statvfs st;

	if (source && statvfs(source, &st) == 0 && st.f_blocks > 0)
		size = (uint64_t)st.f_blocks * st.f_frsize;
	return size;
}

static bool is_ascii(const char *s)
{
	while (*s && !(*s & 0x80))
		s++;
	return !*s;
}

/*
 * The guest itself asks its names as the pod does: the lines of the first container's
 * /etc/resolv.conf, which reaches the containers as the mount that it is.
 */
static void read_dns(const struct sandbox *sb, const Grpc__Spec *spec)
{
	Grpc__CreateSandboxRequest *req = sb->create;
	const char *source = NULL;
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	char *line, *rest;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, "/etc/resolv.conf"))
			source = spec->mounts[i]->source;
	if (!source || !*source)
		return;
	if (file_read(source, DNS_MAX, &text, &err) < 0) {
		log_warn("sandbox %s: the guest's own DNS: %s", sb->st->id, err_msg(&err));
		return;
	}
	for (rest = text.data; (line = strsep(&rest, "\n"));) {
		/* A comment in some other encoding than what the protocol takes. */
		if (!is_ascii(line))
			continue;
		req->dns = xrealloc(req->dns, (req->n_dns + 1) * sizeof(*req->dns));
		req->dns[req->n_dns++] = xstrdup(line);
	}
	/* What is behind the last end of a line is no line. */
	if (req->n_dns > 0 && !*req->dns[req->n_dns - 1])
		free(req->dns[--req->n_dns]);
}

/* In the host's UTS namespace a container is called as the host is. */
static void take_hostname(struct sandbox *sb, const Grpc__Spec *spec)
{
	struct utsname host;

	if (*spec->hostname || uname(&host) < 0)
		return;
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		if (!strcmp(spec->linux->namespaces[i]->type, "uts"))
			return;
	plan_set(&sb->create->hostname, host.nodename);
}

static void plan(struct sandbox *sb, const Grpc__Spec *spec)
{
	struct size_host host = size_host();
	struct size_load load;

	sb->guest = (struct plan_guest){
		.config = sb->config,
		.sandbox_id = sb->st->id,
		.share_dir = sb->share ? sb->share->shared : NULL,
		.local = sb->ops->caps & HV_CAP_LOCAL,
		.shm_size = shm_size(spec),
	};
	sb->create = plan_sandbox(&sb->guest, spec);
	take_hostname(sb, spec);
	read_dns(sb, spec);
	load = load_of_sandbox(spec);
	sb->vm_spec = (struct vm_spec){
		.id = sb->st->id,
		.run_dir = sb->run_dir,
		.config = sb->config,
		.size = size_boot(sb->config, &host, &load, sb->caps & HV_CAP_CPU_HOTPLUG,
				  sb->caps & HV_CAP_MEM_HOTPLUG),
		.share_dir = sb->guest.share_dir,
		.share_tag = SHARE_TAG,
		.netns = -1,
		.enter = sb->group ? group_enter : NULL,
		.enter_arg = sb->group,
	};
	sb->vcpus = sb->vm_spec.size.vcpus;
	sb->memory = sb->vm_spec.size.memory;
}

static void machine_exited(struct sandbox *sb, const struct err *err)
{
	struct err why = *err;

	vm_free(take_ptr(sb->vm));
	if (why.code == 0)
		err_set(&why, EPIPE, "it was stopped");
	if (sb->phase == PHASE_BOOTING) {
		boot_fail(sb, &why);
	} else if (sb->phase == PHASE_ENDING) {
		end_machine_gone(sb);
	} else {
		if (err->code == 0 && sb->link_why.code)
			why = sb->link_why;
		sb->phase = PHASE_DEAD;
		end_of_machine(sb, &why);
		sb->died(&sb->why, sb->died_arg);
	}
}

static void on_event(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	bool alive = sb->phase == PHASE_BOOTING || sb->phase == PHASE_RUNNING;
	struct err why = ERR_INIT;

	switch (event) {
	case VM_STARTED:
		sb->started = true;
		if (sb->phase == PHASE_BOOTING && vm_connect(vm, &why) < 0)
			boot_fail(sb, &why);
		break;
	case VM_AGENT:
		if (alive)
			link_up(sb);
		break;
	case VM_EXITED:
		machine_exited(sb, err);
		break;
	}
}

static int on_process(struct vm *vm, const char *name, pid_t pid, void *arg)
{
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;
	int r;

	(void)vm;
	state_add_process(sb->st, name, pid);
	group_add(sb->group, pid);
	r = state_save(sb->st, &err);
	if (r < 0)
		log_error("sandbox %s: %s", sb->st->id, err_msg(&err));
	return r;
}

static void on_limit(void *arg)
{
	struct sandbox *sb = arg;
	struct err err = ERR_INIT;

	sb->boot_limit = NULL;
	err_set(&err, ETIMEDOUT, "%s within %lld ms",
		sb->started ? "the agent did not answer" : "the machine did not start",
		(long long)sb->config->agent.dial_timeout_ms);
	boot_fail(sb, &err);
}

/*
 * Where the processes live: in the pod's control group. If that has no room for them, since
 * nobody counted a machine (RuntimeClass.overhead), and the configuration does not insist, they
 * live outside of it, as the original's do by default: the machine would be killed.
 */
static char *group_path(const struct sandbox *sb, const Grpc__Spec *spec)
{
	const char *path = spec->linux ? spec->linux->cgroupspath : "";
	uint64_t room = group_room(path), load = load_of_sandbox(spec).memory;

	if (sb->caps & HV_CAP_LOCAL || room == UINT64_MAX || room >= load + MACHINE_ROOM)
		return xstrdup(path);
	log_warn("sandbox %s: its control group may have %llu MiB, of which its containers may "
		 "use %llu: that is too little for a virtual machine%s",
		 sb->st->id, (unsigned long long)room >> 20, (unsigned long long)load >> 20,
		 sb->config->runtime.sandbox_cgroup_only ?
			 "" :
			 ", which lives outside of it (see sandbox_cgroup_only)");
	return sb->config->runtime.sandbox_cgroup_only ? xstrdup(path) :
							 xasprintf(OUTSIDE "%s", sb->st->id);
}

/* With what belongs to the sandbox already: the first container's stand-in. */
static int make_group(struct sandbox *sb, const Grpc__Spec *spec, struct err *err)
{
	auto_free char *path = group_path(sb, spec);
	int r = group_make(sb->st, path, &sb->group, err);

	for (size_t i = 0; r == 0 && i < sb->st->n_processes; i++)
		if (strcmp(sb->st->processes[i].name, "shim"))
			group_add(sb->group, sb->st->processes[i].pid);
	return r;
}

/* What a machine needs before it is made. */
static int prepare(struct sandbox *sb, const Grpc__Spec *spec, struct err *err)
{
	int r;

	sb->ops = hypervisor_for(sb->config, err);
	if (!sb->ops)
		return err->code;
	sb->caps = hypervisor_caps(sb->ops, sb->config);
	free(sb->st->hypervisor);
	sb->st->hypervisor = xstrdup(sb->ops->name);
	free(sb->st->config_path);
	sb->st->config_path = xstrdup(sb->config->path);
	r = make_group(sb, spec, err);
	if (r == 0)
		r = make_dirs(sb, err);
	if (r < 0)
		return r;
	plan(sb, spec);
	r = network_prepare(sb, spec, err);
	if (r < 0)
		return err_wrap(err, "network");
	if (!(sb->caps & (HV_CAP_FS_SHARE | HV_CAP_LOCAL))) {
		const struct source_place place = root_place(sb);

		r = volumes_check(&place, spec, err);
	}
	return r;
}

static int begin(struct sandbox *sb, const Grpc__Spec *spec, struct err *err)
{
	int64_t limit = sb->config->agent.dial_timeout_ms;
	int r = make_drivers_dir(sb, err);

	if (r == 0)
		r = disks_at_boot(sb, spec, err);
	if (r < 0)
		return r;
	sb->vm = vm_new(sb->ops, &sb->vm_spec, sb->loop, on_event, on_process, sb, err);
	if (!sb->vm)
		return err->code;
	disks_placed(sb);
	r = network_start(sb, err);
	if (r < 0) {
		vm_free(take_ptr(sb->vm));
		return r;
	}
	sb->boot_deadline = loop_now_ms() + limit;
	sb->boot_limit = loop_add_timer(sb->loop, limit, on_limit, sb);
	return 0;
}

struct booting {
	struct sandbox *sb;
	Grpc__Spec *spec;
};

static struct booting *booting_new(struct sandbox *sb, const Grpc__Spec *spec)
{
	struct booting *b = xmalloc(sizeof(*b));

	*b = (struct booting){ .sb = sb, .spec = plan_copy(spec) };
	return b;
}

static void on_rooted(const struct err *why, void *arg)
{
	struct booting *b = arg;
	struct sandbox *sb = b->sb;
	struct err err = ERR_INIT;

	/* It may have been stopped meanwhile. */
	if (sb->phase == PHASE_BOOTING && why)
		boot_fail(sb, why);
	else if (sb->phase == PHASE_BOOTING && begin(sb, b->spec, &err) < 0)
		boot_fail(sb, &err);
	grpc__spec__free_unpacked(b->spec, NULL);
	free(b);
}

void sandbox_boot(struct sandbox *sb, struct config *config, const Grpc__Spec *spec,
		  sandbox_done done, void *arg)
{
	struct err err = ERR_INIT;

	if (sb->phase != PHASE_NEW) {
		config_free(config);
		err_set(&err, EBUSY, "sandbox %s was booted already", sb->st->id);
		call_done(sb, &err, done, arg);
		return;
	}
	sb->config = config;
	sb->boot_done = done;
	sb->boot_arg = arg;
	sb->phase = PHASE_BOOTING;
	if (prepare(sb, spec, &err) < 0)
		boot_fail(sb, &err);
	else if (root_is_due_at_boot(sb))
		root_prepare(sb, NULL, sb->boot_rootfs, sb->own_boot_rootfs,
			     !(spec->root && spec->root->readonly), on_rooted,
			     booting_new(sb, spec));
	else if (begin(sb, spec, &err) < 0)
		boot_fail(sb, &err);
}

static void on_network(const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	sandbox_done done = sb->boot_done;

	/* It may have been stopped meanwhile. */
	if (sb->phase != PHASE_BOOTING)
		return;
	if (err) {
		boot_fail(sb, err);
		return;
	}
	sb->phase = PHASE_RUNNING;
	sb->boot_done = NULL;
	done(NULL, sb->boot_arg);
}

static void on_created(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;

	if (!rsp) {
		boot_fail(sb, err);
		return;
	}
	network_sync(sb, on_network, sb);
}

static void create(struct sandbox *sb)
{
	Grpc__CreateSandboxRequest *req = take_ptr(sb->create);

	call_agent(sb, "CreateSandbox", &req->base, AGENT_CALL_MS, on_created, sb);
	grpc__create_sandbox_request__free_unpacked(req, NULL);
}

static void on_policy(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	if (rsp)
		create(arg);
	else
		boot_fail(arg, err);
}

void boot_agent_answers(struct sandbox *sb)
{
	Grpc__SetPolicyRequest req = GRPC__SET_POLICY_REQUEST__INIT;

	loop_remove(&sb->boot_limit);
	log_debug("sandbox %s: its agent answers", sb->st->id);
	if (sb->asked) {
		/* The connection was lost after the request: nobody knows what became of it. */
		call_end_lost(sb);
		return;
	}
	sb->asked = true;
	req.policy = sb->config->agent.policy;
	if (req.policy)
		call_agent(sb, "SetPolicy", &req.base, AGENT_CALL_MS, on_policy, sb);
	else
		create(sb);
}

static void on_undone(const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	sandbox_done done = sb->boot_done;
	struct err why = sb->why;

	if (err)
		log_error("sandbox %s: %s", sb->st->id, err_msg(err));
	sb->boot_done = NULL;
	done(&why, sb->boot_arg);
}

void boot_fail(struct sandbox *sb, const struct err *err)
{
	auto_str struct str console = STR_INIT;

	if (sb->phase != PHASE_BOOTING)
		return;
	sb->why = *err;
	/* Of a silent agent nobody knows more than the guest's last words. */
	if (sb->vm && sb->create && !sb->asked) {
		vm_console(sb->vm, &console);
		if (console.len > 0)
			err_set(&sb->why, err->code, "%s; the guest's console: %s", err_msg(err),
				str_text(&console));
	}
	end_begin(sb, false, on_undone, sb);
}
