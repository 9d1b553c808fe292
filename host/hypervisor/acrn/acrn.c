/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACRN driver. The hypervisor is below this system, which is its service machine;
 * acrn-dm asks it for a machine by /dev/acrn_hsm and stands for that.
 *
 *	acrn-dm lives on for a while		VM_STARTED: it says nothing
 *	a connection over vhost-vsock		VM_AGENT
 *	acrn-dm ends				VM_EXITED
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/acrn/args.h"
#include "host/hypervisor/acrn/hsm.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/life.h"

#define TABLE "hypervisor.acrn."

/* How long acrn-dm gets to find out that it cannot make the machine. */
#define STARTED_MS 200

/* How long acrnctl may take. */
#define FILL_MS 5000

#define CPUS_MAX    64
#define CPUINFO_MAX (4 << 20)

struct acrn {
	struct life life;
	struct loop_source *started;
	/* A disk on its way; ctl is NULL when there is none. */
	struct child *ctl;
	struct loop_source *limit;
	bool slow;
	vm_plug_done done;
	void *done_arg;
	unsigned filled; /* how many of the empty disks have been used */
};

/* ---- disks ------------------------------------------------------------------------- */

/* Tell how it went, once. */
static void settle(struct acrn *a, const struct err *err)
{
	vm_plug_done done = a->done;
	struct vm_place place;

	loop_remove(&a->limit);
	a->done = NULL;
	if (!done)
		return;
	acrn_fill_place(a->life.vm->spec, a->filled, &place);
	if (!err)
		a->filled++;
	done(err, err ? NULL : &place, a->done_arg);
}

/* acrnctl ends with status 0 whatever happens; when all is well it says nothing. */
static void on_filled(struct child *child, void *arg)
{
	struct acrn *a = arg;
	auto_str struct str said = STR_INIT;
	struct err err = ERR_INIT;

	child_output(child, &said);
	if (a->slow)
		err_set(&err, ETIMEDOUT, "acrnctl (%s) did not end within %d ms",
			a->life.vm->spec->config->hypervisor.ctlpath, FILL_MS);
	else if (!child_succeeded(child))
		child_error(child, &err);
	else if (said.len)
		err_set(&err, EIO, "acrnctl (%s): %s", a->life.vm->spec->config->hypervisor.ctlpath,
			str_text(&said));
	settle(a, err.code ? &err : NULL);
}

static void on_fill_limit(void *arg)
{
	struct acrn *a = arg;

	a->limit = NULL;
	a->slow = true;
	child_kill(a->ctl);
}

static int begin_fill(struct acrn *a, const struct vm_dev *dev, struct err *err)
{
	const struct vm_spec *spec = a->life.vm->spec;
	auto_strv struct strv argv = { 0 };
	struct proc_spec proc = { 0 };

	if (!a->life.started || a->life.ended)
		return err_set(err, EPIPE, "the machine does not run");
	if (a->done)
		return err_set(err, EBUSY, "another disk is being plugged in");
	if (a->filled == ACRN_DISKS)
		return err_set(err, ENOSPC,
			       "all %d places for disks are used up: ACRN empties none again",
			       ACRN_DISKS);
	if (acrn_path_check("disk", dev->disk.path, err) < 0)
		return err->code;
	acrn_fill_args(spec, a->filled, dev, &argv);
	proc.argv = (const char *const *)argv.v;
	child_free(take_ptr(a->ctl));
	a->slow = false;
	a->ctl = child_start(a->life.vm, "acrnctl", &proc, false, on_filled, a, err);
	if (!a->ctl)
		return err->code;
	a->limit = loop_add_timer(a->life.vm->loop, FILL_MS, on_fill_limit, a);
	return 0;
}

static void acrn_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct acrn *a = vm->driver;
	struct err err = ERR_INIT;

	if (begin_fill(a, dev, &err) == 0) {
		a->done = done;
		a->done_arg = arg;
		return;
	}
	vm_refuse_plug(vm, &err, done, arg);
}

/* ---- the start ------------------------------------------------------------------- */

static void on_end(const struct err *why, void *arg)
{
	struct acrn *a = arg;
	struct err err = *why;

	loop_remove(&a->started);
	child_free(take_ptr(a->ctl));
	if (err.code == 0)
		err_set(&err, EPIPE, "the machine does not run");
	settle(a, &err);
}

static void on_started(void *arg)
{
	struct acrn *a = arg;

	a->started = NULL;
	life_started(&a->life);
}

static bool is_allowed(unsigned cpu, void *arg)
{
	return cpu < CPU_SETSIZE && CPU_ISSET(cpu, (cpu_set_t *)arg);
}

/* The processors of the machine: @ids begins with as many as it has. */
static int choose_cpus(const struct vm_spec *spec, unsigned *ids, size_t *n, struct err *err)
{
	auto_str struct str cpuinfo = STR_INIT;
	unsigned all[CPUS_MAX];
	size_t found, first;
	cpu_set_t set;
	int r = file_read("/proc/cpuinfo", CPUINFO_MAX, &cpuinfo, err);

	if (r < 0)
		return r;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return err_sys(err, errno, "sched_getaffinity");
	found = acrn_apic_ids(str_text(&cpuinfo), is_allowed, &set, all, CPUS_MAX);
	*n = spec->size.vcpus;
	if (*n > found)
		return err_set(err, ERANGE,
			       "a machine of %zu processors is too large for this host, of which "
			       "%zu can be used",
			       *n, found);
	/* Not all machines on the same ones. */
	first = (size_t)getpid() % found;
	for (size_t i = 0; i < *n; i++)
		ids[i] = all[(first + i) % found];
	return 0;
}

static void reset(struct acrn *a)
{
	loop_remove(&a->started);
	loop_remove(&a->limit);
	child_free(take_ptr(a->ctl));
	life_reset(&a->life);
}

static int acrn_start(struct vm *vm, struct err *err)
{
	const struct vm_spec *spec = vm->spec;
	unsigned ids[CPUS_MAX];
	struct acrn_facts f = { .apic_ids = ids,
				.vhost_net = access("/dev/vhost-net", R_OK | W_OK) == 0 };
	auto_strv struct strv argv = { 0 };
	struct proc_spec proc = { .argv = NULL };
	struct acrn *a = vm->driver;
	int fd, r = acrn_hsm_check(err);

	if (r == 0)
		r = acrn_spec_check(spec, err);
	if (r == 0)
		r = choose_cpus(spec, ids, &f.n_apic_ids, err);
	if (r < 0)
		return r;
	/* acrn-dm takes the ID by itself, so it is free again, and then taken. */
	fd = vsock_open(&f.cid, err);
	if (fd < 0)
		return fd;
	close(fd);
	a->life.cid = f.cid;
	acrn_args(spec, &f, &argv);
	proc.argv = (const char *const *)argv.v;
	r = life_launch(&a->life, &proc, err);
	if (r < 0) {
		reset(a);
		return r;
	}
	a->started = loop_add_timer(vm->loop, STARTED_MS, on_started, a);
	return 0;
}

/* ---- the rest of the table ---------------------------------------------------------- */

static int acrn_connect(struct vm *vm, struct err *err)
{
	struct acrn *a = vm->driver;

	return life_connect(&a->life, err);
}

/* It gives the machine back to the hypervisor when it is asked to end; the kernel does else. */
static void acrn_stop(struct vm *vm)
{
	struct acrn *a = vm->driver;
	pid_t pid = life_pid(&a->life);

	life_stop(&a->life, pid > 0 && kill(pid, SIGINT) == 0);
}

static int acrn_init(struct vm *vm, struct err *err)
{
	struct acrn *a = xcalloc(1, sizeof(*a));

	(void)err;
	life_init(&a->life, vm, xstrdup(vm->spec->config->hypervisor.path), NULL, on_end, a);
	vm->driver = a;
	return 0;
}

static void acrn_free(struct vm *vm)
{
	struct acrn *a = vm->driver;

	reset(a);
	life_free(&a->life);
	free(a);
}

static pid_t acrn_pid(const struct vm *vm)
{
	return life_pid(&((const struct acrn *)vm->driver)->life);
}

static void acrn_console(const struct vm *vm, struct str *out)
{
	life_console(&((const struct acrn *)vm->driver)->life, out);
}

static void acrn_address(const struct vm *vm, struct str *out)
{
	life_address(&((const struct acrn *)vm->driver)->life, out);
}

static int acrn_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = asset_check_program(TABLE "path", h->path, err);

	if (r == 0)
		r = asset_check_program(TABLE "ctlpath", h->ctlpath, err);
	if (r == 0)
		r = acrn_keys_check(config, err);
	if (r == 0)
		r = asset_check_kernel(TABLE "kernel", h->kernel, err);
	if (r == 0 && !*h->image)
		r = err_set(err, EINVAL,
			    "hypervisor.acrn: image is not set, the guest has no root file system");
	return r == 0 ? asset_check_image(TABLE "image", h->image, err) : r;
}

static const struct hypervisor_facts facts = {
	.title = "ACRN",
	.file = "acrn",
	.type = 1,
	.written_in = "C",
	.architectures = "x86_64",
	.good_for = "embedded and industrial devices that already run ACRN",
	.version_option = "-v",
	/* Of acrn-dm 3.3 no more than its arguments was tried: no machine has run yet. */
	.tried_from = { 0, 0 },
	.tried_to = { 0, 0 },
};

const struct hypervisor_ops hypervisor_acrn = {
	.name = "acrn",
	.facts = &facts,
	.caps = HV_CAP_BLOCK | HV_CAP_BLOCK_HOTPLUG | HV_CAP_NET | HV_CAP_TAP_BY_NAME,
	.check = acrn_check,
	.host_check = acrn_hsm_check,
	.init = acrn_init,
	.start = acrn_start,
	.connect = acrn_connect,
	.stop = acrn_stop,
	.free = acrn_free,
	.pid = acrn_pid,
	.console = acrn_console,
	.address = acrn_address,
	.plug = acrn_plug,
	.disk_place = acrn_disk_place,
};
