/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The StratoVirt driver: virtiofsd listens, StratoVirt connects to it and listens for QMP.
 *
 *	QMP is up				VM_STARTED
 *	a connection over vhost-vsock		VM_AGENT
 *	one of the programs ends		the other is ended, then VM_EXITED
 *
 * A guest that powers itself off is not noticed, because the machine has no such thing: it
 * is its agent that is missed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/hugepages.h"
#include "host/hypervisor/kvm_probe.h"
#include "host/hypervisor/life.h"
#include "host/hypervisor/qmp.h"
#include "host/hypervisor/stratovirt/args.h"
#include "host/hypervisor/stratovirt/flat.h"
#include "host/hypervisor/stratovirt/slots.h"

#define TABLE "hypervisor.stratovirt."

/* How long StratoVirt may take to answer, and how often its socket is looked for. */
#define START_MS 20000
#define RETRY_MS 5

#define HUGEPAGES_DIR "/dev/hugepages"
#define HUGETLBFS     0x958458f6

struct stratovirt {
	struct life life;
	struct qmp *qmp;
	struct slots slots;
	struct loop_source *retry; /* of connecting to QMP */
	char *qmp_path;
	char *kernel; /* the flat one, until StratoVirt has read it; NULL: it reads the file itself */
};

static void drop_kernel(struct stratovirt *s)
{
	if (s->kernel)
		unlink(s->kernel);
	free(take_ptr(s->kernel));
}

static void on_end(const struct err *why, void *arg)
{
	struct stratovirt *s = arg;

	loop_remove(&s->retry);
	qmp_free(take_ptr(s->qmp));
	slots_fail(&s->slots, why);
}

/* ---- QMP ------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
	struct stratovirt *s = arg;

	/* It answers once the machine is made. */
	drop_kernel(s);
	life_started(&s->life);
}

static void on_event(const char *name, struct json_object *data, void *arg)
{
	struct stratovirt *s = arg;

	log_debug("stratovirt: event %s %s", name, data ? json_object_to_json_string(data) : "");
	if (!strcmp(name, "SHUTDOWN"))
		life_guest_ended(&s->life, "shutdown");
}

static void on_closed(const struct err *err, void *arg)
{
	struct stratovirt *s = arg;
	const char *path = s->life.path;
	struct err why = *err;

	qmp_free(take_ptr(s->qmp));
	if (why.code) {
		err_wrap(&why, "stratovirt (%s)", path);
		life_fail(&s->life, &why);
	} else if (!s->life.why.code && !s->life.stopping) {
		/* It is ending; its status says more. */
		err_set(&why, EPIPE, "stratovirt (%s) closed its control connection", path);
		life_limit(&s->life, LIFE_GRACE_MS, &why);
	}
}

static const struct qmp_handler handler = { .ready = on_ready,
					    .event = on_event,
					    .closed = on_closed };

static void try_qmp(void *arg)
{
	struct stratovirt *s = arg;
	int fd = unix_connect(s->qmp_path, true, NULL);

	s->retry = NULL;
	if (fd >= 0)
		s->qmp = qmp_new(s->life.vm->loop, fd, &handler, s);
	else
		s->retry = loop_add_timer(s->life.vm->loop, RETRY_MS, try_qmp, s);
}

static void stratovirt_pause(struct vm *vm, vm_done done, void *arg)
{
	slots_rest(&((struct stratovirt *)vm->driver)->slots, true, done, arg);
}

static void stratovirt_resume(struct vm *vm, vm_done done, void *arg)
{
	slots_rest(&((struct stratovirt *)vm->driver)->slots, false, done, arg);
}

/* ---- the start ------------------------------------------------------------------- */

static int check_hugepages(const struct vm_spec *spec, struct err *err)
{
	struct statfs fs;

	if (!spec->config->hypervisor.enable_hugepages)
		return 0;
	if (statfs(HUGEPAGES_DIR, &fs) < 0 || fs.f_type != HUGETLBFS)
		return err_set(err, ENODEV,
			       TABLE "enable_hugepages: there is no hugetlbfs at " HUGEPAGES_DIR);
	return hugepages_check(TABLE "enable_hugepages", spec->size.memory, err);
}

/* The environment as it is, with more to say. The strings are borrowed. */
static const char **debug_environment(void)
{
	size_t n = 0;
	const char **envp;

	while (environ[n])
		n++;
	envp = xcalloc(n + 2, sizeof(*envp));
	for (size_t i = 0; i < n; i++)
		envp[i] = environ[i];
	envp[n] = "STRATOVIRT_LOG_LEVEL=info";
	return envp;
}

static int launch(struct stratovirt *s, const struct stratovirt_facts *f, struct err *err)
{
	const struct vm_spec *spec = s->life.vm->spec;
	auto_free int *keep = xcalloc(1 + spec->n_nets, sizeof(*keep));
	auto_free const char **envp = NULL;
	struct proc_spec proc = { .keep = keep };
	auto_strv struct strv argv = { 0 };

	keep[proc.nkeep++] = f->vsock_fd;
	for (size_t i = 0; i < spec->n_nets; i++)
		keep[proc.nkeep++] = spec->nets[i].net.fds[0];
	if (spec->config->hypervisor.enable_debug)
		envp = debug_environment();
	proc.envp = envp;
	stratovirt_args(spec, f, &argv);
	proc.argv = (const char *const *)argv.v;
	return life_launch(&s->life, &proc, err);
}

static void reset(struct stratovirt *s)
{
	loop_remove(&s->retry);
	qmp_free(take_ptr(s->qmp));
	life_reset(&s->life);
	drop_kernel(s);
}

/* Make it flat if it has to be. */
static int prepare_kernel(struct stratovirt *s, struct stratovirt_facts *f, struct err *err)
{
	const struct vm_spec *spec = s->life.vm->spec;
	char *out = path_join(spec->run_dir, STRATOVIRT_KERNEL);
	int r = flat_kernel(spec->config->hypervisor.kernel, out, err);

	if (r == 1) {
		f->kernel = s->kernel = out;
		return 0;
	}
	free(out);
	return r < 0 ? err_wrap(err, TABLE "kernel") : 0;
}

static int stratovirt_start(struct vm *vm, struct err *err)
{
	const struct vm_spec *spec = vm->spec;
	struct stratovirt_facts f = { .vsock_fd = -1, .share = spec->share_dir != NULL };
	auto_free char *socket = path_join(spec->run_dir, STRATOVIRT_FS_SOCKET);
	auto_close int kvm = kvm_open(err);
	struct stratovirt *s = vm->driver;
	int64_t limit = spec->config->agent.dial_timeout_ms;
	struct err slow = ERR_INIT;
	int r = kvm < 0 ? kvm : stratovirt_spec_check(spec, err);

	if (r == 0)
		r = check_hugepages(spec, err);
	if (r == 0)
		r = prepare_kernel(s, &f, err);
	if (r == 0) {
		r = f.vsock_fd = vsock_open(&f.cid, err);
		s->life.cid = f.cid;
	}
	if (r >= 0)
		r = life_share(&s->life, socket, err);
	if (r == 0)
		r = launch(s, &f, err);
	close_fd(&f.vsock_fd);
	if (r < 0) {
		reset(s);
		return r;
	}
	/* Who waits no longer than that for the agent is told what was the matter. */
	if (limit > START_MS)
		limit = START_MS;
	err_set(&slow, ETIMEDOUT, "stratovirt (%s) did not answer by QMP within %lld ms",
		s->life.path, (long long)limit);
	life_limit(&s->life, limit, &slow);
	s->retry = loop_defer(vm->loop, try_qmp, s);
	return 0;
}

/* ---- the rest of the table ---------------------------------------------------------- */

static int stratovirt_connect(struct vm *vm, struct err *err)
{
	struct stratovirt *s = vm->driver;

	return life_connect(&s->life, err);
}

static void stratovirt_stop(struct vm *vm)
{
	struct stratovirt *s = vm->driver;

	life_stop(&s->life, false);
}

static int stratovirt_init(struct vm *vm, struct err *err)
{
	struct stratovirt *s = xcalloc(1, sizeof(*s));

	(void)err;
	life_init(&s->life, vm, xstrdup(vm->spec->config->hypervisor.path), NULL, on_end, s);
	slots_init(&s->slots, vm->spec, vm->loop, &s->qmp);
	s->qmp_path = path_join(vm->spec->run_dir, STRATOVIRT_QMP_SOCKET);
	vm->driver = s;
	return 0;
}

static void stratovirt_free(struct vm *vm)
{
	struct stratovirt *s = vm->driver;

	reset(s);
	slots_free(&s->slots);
	life_free(&s->life);
	free(s->qmp_path);
	free(s);
}

static pid_t stratovirt_pid(const struct vm *vm)
{
	return life_pid(&((const struct stratovirt *)vm->driver)->life);
}

static void stratovirt_console(const struct vm *vm, struct str *out)
{
	life_console(&((const struct stratovirt *)vm->driver)->life, out);
}

static void stratovirt_address(const struct vm *vm, struct str *out)
{
	life_address(&((const struct stratovirt *)vm->driver)->life, out);
}

static void stratovirt_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	slots_plug(&((struct stratovirt *)vm->driver)->slots, dev, done, arg);
}

static void stratovirt_unplug(struct vm *vm, const char *id, vm_done done, void *arg)
{
	slots_unplug(&((struct stratovirt *)vm->driver)->slots, id, done, arg);
}

static void stratovirt_disk_place(const struct vm_spec *spec, size_t i, struct vm_place *place)
{
	stratovirt_place(stratovirt_slot(spec, i), place);
}

static int check_root(const struct config_hypervisor *h, struct err *err)
{
	if (!*h->image && !*h->initrd)
		return err_set(err, EINVAL,
			       "hypervisor.stratovirt: neither image nor initrd is set, the guest "
			       "has no root file system");
	return *h->image ? asset_check_image(TABLE "image", h->image, err) :
			   asset_check_file(TABLE "initrd", h->initrd, err);
}

/* A bzImage, or a vmlinux that can be made flat. */
static int check_kernel(const char *path, struct err *err)
{
	int r = asset_check_kernel(TABLE "kernel", path, err);

	if (r < 0)
		return r;
	return flat_kernel(path, NULL, err) < 0 ? err_wrap(err, TABLE "kernel") : 0;
}

static int stratovirt_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = asset_check_program(TABLE "path", h->path, err);

	if (r == 0)
		r = stratovirt_keys_check(config, err);
	if (r == 0)
		r = check_kernel(h->kernel, err);
	if (r == 0)
		r = check_root(h, err);
	if (r == 0 && *h->entropy_source)
		r = asset_check_access(TABLE "entropy_source", h->entropy_source, false, err);
	if (r == 0 && (stratovirt_keys_caps(config) & HV_CAP_FS_SHARE))
		r = asset_check_program(TABLE "virtio_fs_daemon", virtiofsd_path(config), err);
	return r;
}

static int stratovirt_host_check(struct err *err)
{
	auto_close int kvm = kvm_open(err), vsock = -1;
	struct err why = ERR_INIT;
	uint32_t cid;

	if (kvm < 0)
		return kvm;
	vsock = vsock_open(&cid, &why);
	return vsock < 0 ? err_set(err, ENOTSUP, "no vhost-vsock: %s", err_msg(&why)) : 0;
}

static const struct hypervisor_facts facts = {
	.title = "StratoVirt",
	.file = "stratovirt",
	.type = 2,
	.written_in = "Rust",
	.architectures = "x86_64, aarch64",
	.good_for = "small machines with shared files, as openEuler has them",
	.version_option = "-version",
	.tried_from = { 2, 4 },
	.tried_to = { 2, 4 },
};

const struct hypervisor_ops hypervisor_stratovirt = {
	.name = "stratovirt",
	.facts = &facts,
	.caps = HV_CAP_FS_SHARE | HV_CAP_BLOCK | HV_CAP_BLOCK_HOTPLUG | HV_CAP_NET | HV_CAP_PAUSE,
	.check = stratovirt_check,
	.host_check = stratovirt_host_check,
	.caps_for = stratovirt_keys_caps,
	.init = stratovirt_init,
	.start = stratovirt_start,
	.connect = stratovirt_connect,
	.stop = stratovirt_stop,
	.free = stratovirt_free,
	.pid = stratovirt_pid,
	.pause = stratovirt_pause,
	.resume = stratovirt_resume,
	.console = stratovirt_console,
	.address = stratovirt_address,
	.plug = stratovirt_plug,
	.unplug = stratovirt_unplug,
	.disk_place = stratovirt_disk_place,
};
