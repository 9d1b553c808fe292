/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The QEMU driver: virtiofsd and QEMU are started side by side and find each
 * other through a socket that both inherit; after that everything is an event.
 *
 *	QMP is up			VM_STARTED
 *	the guest opens its port	VM_AGENT (or a vsock connection succeeds)
 *	one of the programs ends	the other is ended, then VM_EXITED
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/huge_file.h"
#include "base/log.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/console.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/hugepages.h"
#include "host/hypervisor/kvm_probe.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/qemu/jobs.h"
#include "host/hypervisor/qemu/link.h"
#include "host/hypervisor/qemu/tsc.h"
#include "host/hypervisor/qmp.h"
#include "host/hypervisor/tail.h"
#include "host/hypervisor/version.h"
#include "host/hypervisor/virtiofsd.h"

/* How long virtiofsd gets to end by itself after QEMU, so that the guilty one is told. */
#define GRACE_MS 200

/* How long QEMU may live on after it closed a connection. */
#define CLOSED_MS 1000

#define QEMU_MAJOR_MIN 6

struct qemu {
	struct vm *vm;
	struct child *child;
	struct virtiofsd *fs;
	struct qmp *qmp;
	struct jobs jobs;
	struct tail *console, *log;
	struct qemu_link link;
	struct loop_source *grace;
	bool ended;	      /* QEMU, or it never was */
	bool stopping;	      /* by vm_stop() */
	char *guest_ended;    /* why the guest says it has ended */
	struct err why;	      /* what ended the machine, unless it was vm_stop() */
	struct err suspicion; /* what it was if nothing better is heard until `grace` */
};

static void kill_all(struct qemu *q)
{
	child_kill(q->child);
	virtiofsd_kill(q->fs);
}

/* The first failure counts. */
static void fail(struct qemu *q, const struct err *why)
{
	if (!q->stopping && !q->why.code)
		q->why = *why;
	kill_all(q);
}

static void check_exited(struct qemu *q)
{
	if (!q->ended || !virtiofsd_ended(q->fs))
		return;
	loop_remove(&q->grace);
	vm_emit(q->vm, VM_EXITED, &q->why);
}

static void on_grace(void *arg)
{
	struct qemu *q = arg;

	q->grace = NULL;
	if (!q->ended)
		fail(q, &q->suspicion);
	kill_all(q);
}

/* End what is left after @ms. @suspicion (may be NULL) is told if QEMU never says more. */
static void wait_grace(struct qemu *q, int ms, const struct err *suspicion)
{
	if (q->grace)
		return;
	if (suspicion)
		q->suspicion = *suspicion;
	q->grace = loop_add_timer(q->vm->loop, ms, on_grace, q);
}

static void on_no_link(const struct err *err, void *arg)
{
	fail(arg, err);
}

static void describe_end(struct qemu *q, struct err *why)
{
	auto_str struct str words = STR_INIT;

	if (q->guest_ended)
		err_set(why, EPIPE, "the guest has ended (%s)", q->guest_ended);
	else
		child_error(q->child, why);
	if (q->link.seen)
		return;
	console_words(q->console, &words);
	if (words.len) {
		auto_free char *first = xstrdup(why->msg);

		err_set(why, why->code, "%s; the guest's last words: %s", first, str_text(&words));
	}
}

static void on_qemu_end(struct child *child, void *arg)
{
	struct qemu *q = arg;
	struct err why = ERR_INIT;

	(void)child;
	q->ended = true;
	qmp_free(take_ptr(q->qmp));
	link_close(&q->link);
	loop_remove(&q->grace);
	describe_end(q, &why);
	if (!q->stopping && !q->why.code)
		q->why = why;
	jobs_fail(&q->jobs, &q->why);
	/* virtiofsd ends when QEMU has. If it was the first to fail it says so now. */
	if (!virtiofsd_ended(q->fs))
		wait_grace(q, GRACE_MS, NULL);
	check_exited(q);
}

/*
 * virtiofsd may learn of QEMU's end before we do, and then ends well: QEMU gets
 * a moment to say why. Any other end is virtiofsd's own fault.
 */
static void on_fs_end(const struct err *why, void *arg)
{
	struct qemu *q = arg;

	if (virtiofsd_failed(q->fs)) {
		if (!q->stopping)
			q->why = *why;
		kill_all(q);
	} else if (!q->ended) {
		wait_grace(q, CLOSED_MS, why);
	}
	check_exited(q);
}

static bool member_true(struct json_object *data, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(data, key, &v) && json_object_get_boolean(v);
}

static void on_qmp_ready(void *arg)
{
	struct qemu *q = arg;

	vm_emit(q->vm, VM_STARTED, NULL);
}

static const struct hypervisor_facts facts = {
	.title = "QEMU",
	.file = "qemu",
	.type = 2,
	.written_in = "C",
	.architectures = "x86_64, aarch64, ppc64le, s390x",
	.good_for = "every host, also without KVM; everything that can be plugged in",
	.version_option = "--version",
	.version_on_the_way = true, /* the greeting of QMP has it */
	.tried_from = { 7, 2 },
	.tried_to = { 7, 2 },
};

/* Older ones lack options that are used here (memory-backend of -machine, on and off for sockets). */
static int on_qmp_version(int major, int minor, struct err *err, void *arg)
{
	struct qemu *q = arg;
	auto_free char *text = xasprintf("%d.%d", major, minor);

	if (major >= QEMU_MAJOR_MIN) {
		version_note(&facts, q->vm->spec->config->hypervisor.path, text);
		return 0;
	}
	return err_set(err, ENOTSUP, "version %d.%d is too old, at least %d.0 is needed", major,
		       minor, QEMU_MAJOR_MIN);
}

static void on_qmp_event(const char *name, struct json_object *data, void *arg)
{
	struct qemu *q = arg;
	const char *reason = qmp_text(data, "reason");

	log_debug("qemu: event %s %s", name, data ? json_object_to_json_string(data) : "");
	link_event(&q->link, name, data);
	if (!strcmp(name, "SHUTDOWN") && member_true(data, "guest")) {
		free(q->guest_ended);
		q->guest_ended = xstrdup(reason ? reason : "");
	} else if (!strcmp(name, "GUEST_PANICKED")) {
		log_warn("qemu: the guest's kernel panicked");
	}
	jobs_event(&q->jobs, name, data);
}

static void on_qmp_closed(const struct err *err, void *arg)
{
	struct qemu *q = arg;
	const char *path = q->vm->spec->config->hypervisor.path;
	struct err why = *err;

	qmp_free(take_ptr(q->qmp));
	if (why.code) {
		err_wrap(&why, "qemu (%s)", path);
		fail(q, &why);
	} else {
		/* It is ending; its status says more. */
		err_set(&why, EPIPE, "qemu (%s) closed its control connection", path);
		wait_grace(q, CLOSED_MS, &why);
	}
}

static const struct qmp_handler qmp_handler = {
	.ready = on_qmp_ready,
	.version = on_qmp_version,
	.event = on_qmp_event,
	.closed = on_qmp_closed,
};

static int make_pair(int *ours, int *theirs, struct err *err)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(err, errno, "socketpair");
	*ours = sv[0];
	*theirs = sv[1];
	return 0;
}

static int open_tail(struct qemu *q, struct tail **tail, int *theirs, const char *name,
		     enum log_level level, struct err *err)
{
	int ours = -1, r = make_pair(&ours, theirs, err);

	if (r < 0)
		return r;
	*tail = tail_new(q->vm->loop, ours, name, level, NULL, NULL, err);
	return *tail ? 0 : err->code;
}

static int open_channels(struct qemu *q, struct qemu_facts *f, struct err *err)
{
	bool debug = q->vm->spec->config->hypervisor.enable_debug;
	int ours = -1, r;

	r = open_tail(q, &q->console, &f->console_fd, "guest",
		      debug ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, err);
	if (r == 0)
		r = open_tail(q, &q->log, &f->log_fd, "agent", LOG_LEVEL_INFO, err);
	if (r == 0)
		r = make_pair(&ours, &f->qmp_fd, err);
	if (r < 0)
		return r;
	q->qmp = qmp_new(q->vm->loop, ours, &qmp_handler, q);

	return link_open(&q->link, f, err);
}

static void measure(struct qemu *q, struct qemu_facts *f)
{
	int forced = qemu_forced_kvm(q->vm->spec->config);
	const struct config_hypervisor *h = &q->vm->spec->config->hypervisor;
	const char *image = h->image;
	struct kvm_probe probe;
	struct stat st;

	f->kvm = forced > 0;
	if (forced < 0) {
		kvm_probe(&probe, false);
		f->kvm = probe.usable;
		if (!probe.usable)
			log_info("qemu: software emulation is used: %s", probe.reason);
	}
	if (!f->kvm)
		f->tsc_khz = tsc_khz();
	if (*image && stat(image, &st) == 0)
		f->image_size = (uint64_t)st.st_size;
	/* Memory of its own is in huge pages anyway; emulation has no use for them. */
	if (f->kvm && f->fs_fd >= 0 && !h->enable_hugepages && !*h->file_mem_backend)
		f->memory_fd = huge_file();
}

static int launch(struct qemu *q, const struct qemu_facts *f, struct err *err)
{
	const int fds[] = { f->qmp_fd, f->console_fd, f->log_fd,   f->agent_fd,
			    f->fs_fd,  f->vsock_fd,   f->memory_fd };
	auto_free int *keep =
		xcalloc(ARRAY_SIZE(fds) + args_net_fds(q->vm->spec, NULL), sizeof(*keep));
	struct proc_spec spec = { .keep = keep };
	auto_strv struct strv argv = { 0 };
	auto_str struct str line = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			keep[spec.nkeep++] = fds[i];
	spec.nkeep += args_net_fds(q->vm->spec, keep + spec.nkeep);
	qemu_args(q->vm->spec, f, &argv);
	if (qemu_args_fit(q->vm->spec, &argv, err) < 0)
		return err->code;
	spec.argv = (const char *const *)argv.v;
	q->child = child_start(q->vm, "qemu", &spec, true, on_qemu_end, q, err);
	if (!q->child)
		return err->code;
	q->ended = false;
	qemu_args_quote(&argv, &line);
	log_info("qemu: started: %s", str_text(&line));
	return 0;
}

/* Nothing runs and nothing is open afterwards. */
static void reset(struct qemu *q)
{
	qmp_free(take_ptr(q->qmp));
	jobs_free(&q->jobs);
	link_close(&q->link);
	loop_remove(&q->grace);
	child_free(take_ptr(q->child));
	virtiofsd_free(take_ptr(q->fs));
	tail_free(take_ptr(q->console));
	tail_free(take_ptr(q->log));
	q->ended = true;
}

static int qemu_start(struct vm *vm, struct err *err)
{
	struct qemu_facts f = { .qmp_fd = -1,
				.console_fd = -1,
				.log_fd = -1,
				.agent_fd = -1,
				.fs_fd = -1,
				.vsock_fd = -1,
				.memory_fd = -1 };
	struct qemu *q = vm->driver;
	int r = 0;

	if (vm->spec->config->hypervisor.enable_hugepages)
		r = hugepages_check("hypervisor.qemu.enable_hugepages", vm->spec->size.memory, err);
	if (r == 0)
		r = open_channels(q, &f, err);
	if (r == 0 && vm->spec->share_dir) {
		q->fs = virtiofsd_start(vm, &f.fs_fd, on_fs_end, q, err);
		r = q->fs ? 0 : err->code;
	}
	if (r == 0) {
		measure(q, &f);
		r = launch(q, &f, err);
	}
	close_fd(&f.qmp_fd);
	close_fd(&f.console_fd);
	close_fd(&f.log_fd);
	close_fd(&f.agent_fd);
	close_fd(&f.fs_fd);
	close_fd(&f.vsock_fd);
	close_fd(&f.memory_fd);
	if (r < 0)
		reset(q);
	return r;
}

static int qemu_connect(struct vm *vm, struct err *err)
{
	struct qemu *q = vm->driver;

	if (!q->child)
		return err_set(err, EPIPE, "qemu was not started");
	/* A machine that has ended already says why by VM_EXITED, which is on its way. */
	if (q->ended)
		return 0;
	link_connect(&q->link);
	return 0;
}

static void qemu_stop(struct vm *vm)
{
	struct qemu *q = vm->driver;

	q->stopping = true;
	kill_all(q);
	check_exited(q);
}

static int qemu_init(struct vm *vm, struct err *err)
{
	struct qemu *q = xcalloc(1, sizeof(*q));

	(void)err;
	q->vm = vm;
	q->ended = true;
	link_init(&q->link, vm, on_no_link, q);
	jobs_init(&q->jobs, vm, &q->qmp);
	vm->driver = q;
	return 0;
}

static void qemu_free(struct vm *vm)
{
	struct qemu *q = vm->driver;

	reset(q);
	link_free(&q->link);
	free(q->guest_ended);
	free(q);
}

static pid_t qemu_pid(const struct vm *vm)
{
	const struct qemu *q = vm->driver;

	return child_pid(q->child);
}

static void qemu_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct qemu *q = vm->driver;

	if (dev->type == VM_DEV_NET)
		jobs_plug_net(&q->jobs, dev, done, arg);
	else
		jobs_plug(&q->jobs, dev, done, arg);
}

static void qemu_unplug(struct vm *vm, const char *id, vm_done done, void *arg)
{
	struct qemu *q = vm->driver;

	if (!jobs_unplug_net(&q->jobs, id, done, arg))
		jobs_unplug(&q->jobs, id, done, arg);
}

static void qemu_resize(struct vm *vm, unsigned vcpus, uint64_t memory, vm_resize_done done,
			void *arg)
{
	struct qemu *q = vm->driver;

	jobs_resize(&q->jobs, vcpus, memory, done, arg);
}

static void qemu_console(const struct vm *vm, struct str *out)
{
	const struct qemu *q = vm->driver;

	console_words(q->console, out);
}

static void qemu_address(const struct vm *vm, struct str *out)
{
	const struct qemu *q = vm->driver;

	link_address(&q->link, out);
}

const struct hypervisor_ops hypervisor_qemu = {
	.name = "qemu",
	.facts = &facts,
	.caps = HV_CAP_FS_SHARE | HV_CAP_BLOCK_HOTPLUG | HV_CAP_CPU_HOTPLUG | HV_CAP_MEM_HOTPLUG |
		HV_CAP_EMULATE | HV_CAP_NET | HV_CAP_NET_HOTPLUG | HV_CAP_VHOST_NET |
		HV_CAP_NET_DEVICE,
	.check = qemu_check,
	.caps_for = qemu_keys_caps,
	.init = qemu_init,
	.start = qemu_start,
	.connect = qemu_connect,
	.stop = qemu_stop,
	.free = qemu_free,
	.pid = qemu_pid,
	.console = qemu_console,
	.address = qemu_address,
	.plug = qemu_plug,
	.unplug = qemu_unplug,
	.resize = qemu_resize,
};
