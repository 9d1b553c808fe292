/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of Cloud Hypervisor: its program is started without a machine, is told over
 * HTTP what the machine is, and then to boot it.
 *
 *	vmm.ping, vm.create, vm.info "Created",
 *	vm.add-net for each, vm.boot, vm.info "Running"	VM_STARTED
 *	a handshake on the hybrid vsock			VM_AGENT
 *	the event "shutdown" or "rebooting", or its end	the other is ended, then VM_EXITED
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/clh/body.h"
#include "host/hypervisor/clh/events.h"
#include "host/hypervisor/clh/jobs.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/http.h"
#include "host/hypervisor/hugepages.h"
#include "host/hypervisor/kvm_probe.h"
#include "host/hypervisor/life.h"

/* How long each step of the start may take. */
#define STEP_MS 10000

enum step { STEP_PING, STEP_CREATE, STEP_CREATED, STEP_NETS, STEP_BOOT, STEP_RUNNING };

struct clh {
	struct life life;
	struct http *http;
	struct clh_events *events;
	struct clh_jobs jobs;
	enum step step;
	size_t next_net;
	uint64_t image_size;
};

static const struct hypervisor_facts facts;

static const struct vm_spec *spec_of(const struct clh *c)
{
	return c->life.vm->spec;
}

/* ---- the start ------------------------------------------------------------------- */

static void next_step(struct clh *c);

static void start_failed(struct clh *c, const struct err *err)
{
	struct err why = *err;

	err_wrap(&why, "clh (%s)", c->life.path);
	/* If it has ended, its own last words say more. */
	if (err->code == -EPIPE)
		life_limit(&c->life, LIFE_GRACE_MS, &why);
	else
		life_fail(&c->life, &why);
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
		return json_object_get_string(v);
	return "";
}

/* Whether vm.info says that the machine is in @state. */
static int check_state(struct json_object *info, const char *state, struct err *err)
{
	const char *now = text_of(info, "state");

	if (!strcmp(now, state))
		return 0;
	return err_set(err, EPROTO, "the machine is not in the state \"%s\" but \"%.40s\"", state,
		       now);
}

/* What an answer has to say for the next step to come. */
static int check_answer(struct clh *c, struct json_object *answer, struct err *err)
{
	const char *version = text_of(answer, "version");

	switch (c->step) {
	case STEP_PING:
		if (!*version)
			return err_set(err, EPROTO, "vmm.ping does not say its version");
		version_note(&facts, c->life.path, version);
		return 0;
	case STEP_CREATED:
		return check_state(answer, "Created", err);
	case STEP_RUNNING:
		return check_state(answer, "Running", err);
	case STEP_CREATE:
	case STEP_NETS:
	case STEP_BOOT:
		break;
	}
	return 0;
}

static void on_step(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct clh *c = arg;
	struct err why = ERR_INIT;

	(void)status;
	/* It is on its way out and says why by its end. */
	if (c->life.ended || c->life.stopping)
		return;
	if (!err && check_answer(c, answer, &why) < 0)
		err = &why;
	if (err) {
		start_failed(c, err);
		return;
	}
	if (c->step == STEP_RUNNING) {
		life_started(&c->life);
		return;
	}
	if (c->step != STEP_NETS || ++c->next_net >= spec_of(c)->n_nets)
		c->step++;
	if (c->step == STEP_NETS && spec_of(c)->n_nets == 0)
		c->step++;
	next_step(c);
}

static void next_step(struct clh *c)
{
	static const char *const paths[] = {
		[STEP_PING] = CLH_ROOT "/vmm.ping",   [STEP_CREATE] = CLH_ROOT "/vm.create",
		[STEP_CREATED] = CLH_ROOT "/vm.info", [STEP_NETS] = CLH_ROOT "/vm.add-net",
		[STEP_BOOT] = CLH_ROOT "/vm.boot",    [STEP_RUNNING] = CLH_ROOT "/vm.info",
	};
	const struct vm_spec *spec = spec_of(c);
	const int64_t dial = spec->config->agent.dial_timeout_ms;
	struct http_request r = {
		.method = "GET",
		.path = paths[c->step],
		/* Who waits no longer than that for the agent is told what was the matter. */
		.limit_ms = dial < STEP_MS ? dial : STEP_MS,
		.wait = c->step == STEP_PING,
	};

	if (c->step == STEP_CREATE || c->step == STEP_NETS || c->step == STEP_BOOT)
		r.method = "PUT";
	if (c->step == STEP_CREATE) {
		r.body = clh_body_vm(spec, c->image_size);
		log_debug("clh: %s", json_object_to_json_string(r.body));
	} else if (c->step == STEP_NETS) {
		const struct vm_dev *net = &spec->nets[c->next_net];

		r.body = clh_body_net(spec->config, net);
		r.fds = net->net.fds;
		r.n_fds = net->net.n_fds;
	}
	http_ask(c->http, &r, on_step, c);
}

static void on_event(const char *source, const char *event, void *arg)
{
	struct clh *c = arg;

	if (!strcmp(source, "guest") && !strcmp(event, "panic"))
		log_warn("clh: the guest's kernel panicked");
	/* It would boot the guest again. */
	if (!strcmp(source, "vm") && (!strcmp(event, "rebooting") || !strcmp(event, "shutdown")))
		life_guest_ended(&c->life, !strcmp(event, "rebooting") ? "reset" : "poweroff");
}

static void on_life_end(const struct err *why, void *arg)
{
	struct clh *c = arg;

	http_fail(c->http, why);
	clh_jobs_fail(&c->jobs, why);
}

static int launch(struct clh *c, struct err *err)
{
	const struct vm_spec *spec = spec_of(c);
	auto_strv struct strv argv = { 0 };
	auto_close int theirs = -1;
	struct proc_spec proc = {
		.keep = &theirs,
		.nkeep = 1,
		.cwd = spec->run_dir,
	};
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	theirs = p[1];
	c->events = clh_events_new(c->life.vm->loop, p[0], on_event, c, err);
	if (!c->events)
		return err->code;
	clh_args(spec->config, theirs, &argv);
	proc.argv = (const char *const *)argv.v;
	return life_launch(&c->life, &proc, err);
}

static void reset(struct clh *c)
{
	http_free(take_ptr(c->http));
	clh_jobs_free(&c->jobs);
	clh_events_free(take_ptr(c->events));
	life_reset(&c->life);
}

static int clh_start(struct vm *vm, struct err *err)
{
	const struct config_hypervisor *h = &vm->spec->config->hypervisor;
	auto_free char *api = path_join(vm->spec->run_dir, CLH_API_SOCKET);
	auto_free char *fs = path_join(vm->spec->run_dir, CLH_FS_SOCKET);
	struct clh *c = vm->driver;
	auto_close int kvm = kvm_open(err);
	struct stat st;
	int r = kvm < 0 ? kvm : 0;

	if (r == 0 && h->enable_hugepages)
		r = hugepages_check("hypervisor.clh.enable_hugepages", vm->spec->size.memory, err);
	if (*h->image && stat(h->image, &st) == 0)
		c->image_size = (uint64_t)st.st_size;
	if (r == 0)
		r = life_share(&c->life, fs, err);
	if (r == 0)
		r = launch(c, err);
	if (r < 0) {
		reset(c);
		return r;
	}
	c->http = http_new(vm->loop, api);
	c->step = STEP_PING;
	next_step(c);
	return 0;
}

/* ---- the rest of the table --------------------------------------------------------- */

static void clh_pause(struct vm *vm, vm_done done, void *arg)
{
	struct clh *c = vm->driver;

	clh_jobs_rest(&c->jobs, true, done, arg);
}

static void clh_resume(struct vm *vm, vm_done done, void *arg)
{
	struct clh *c = vm->driver;

	clh_jobs_rest(&c->jobs, false, done, arg);
}

static void clh_stop(struct vm *vm)
{
	struct clh *c = vm->driver;
	bool ask = c->life.started && !c->life.ended;

	life_stop(&c->life, ask);
	/* It ends what is in flight first. */
	if (ask)
		http_ask(c->http,
			 &(struct http_request){ .method = "PUT",
						 .path = CLH_ROOT "/vmm.shutdown",
						 .limit_ms = LIFE_STOP_MS },
			 NULL, NULL);
}

static int clh_connect(struct vm *vm, struct err *err)
{
	struct clh *c = vm->driver;

	return life_connect(&c->life, err);
}

static int clh_init(struct vm *vm, struct err *err)
{
	struct clh *c = xcalloc(1, sizeof(*c));

	(void)err;
	life_init(&c->life, vm, xstrdup(vm->spec->config->hypervisor.path),
		  path_join(vm->spec->run_dir, CLH_VSOCK_SOCKET), on_life_end, c);
	clh_jobs_init(&c->jobs, vm, &c->http);
	vm->driver = c;
	return 0;
}

static void clh_free(struct vm *vm)
{
	struct clh *c = vm->driver;

	reset(c);
	life_free(&c->life);
	free(c);
}

static pid_t clh_pid(const struct vm *vm)
{
	const struct clh *c = vm->driver;

	return life_pid(&c->life);
}

static void clh_console(const struct vm *vm, struct str *out)
{
	const struct clh *c = vm->driver;

	life_console(&c->life, out);
}

static void clh_address(const struct vm *vm, struct str *out)
{
	const struct clh *c = vm->driver;

	life_address(&c->life, out);
}

static void clh_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct clh *c = vm->driver;

	clh_jobs_plug(&c->jobs, dev, done, arg);
}

static void clh_unplug(struct vm *vm, const char *id, vm_done done, void *arg)
{
	struct clh *c = vm->driver;

	clh_jobs_unplug(&c->jobs, id, done, arg);
}

static void clh_resize(struct vm *vm, unsigned vcpus, uint64_t memory, vm_resize_done done,
		       void *arg)
{
	struct clh *c = vm->driver;

	clh_jobs_resize(&c->jobs, vcpus, memory, done, arg);
}

static int clh_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = asset_check_program("hypervisor.clh.path", h->path, err);

	if (r == 0)
		r = clh_keys_check(config, err);
	if (r == 0)
		r = asset_check_kernel("hypervisor.clh.kernel", h->kernel, err);
	if (r == 0 && !*h->image && !*h->initrd)
		r = err_set(err, EINVAL,
			    "hypervisor.clh: neither image nor initrd is set, the guest has no "
			    "root file system");
	if (r == 0)
		r = *h->image ? asset_check_image("hypervisor.clh.image", h->image, err) :
				asset_check_file("hypervisor.clh.initrd", h->initrd, err);
	if (r == 0 && !strcmp(h->shared_fs, "virtio-fs"))
		r = asset_check_program("hypervisor.clh.virtio_fs_daemon", virtiofsd_path(config),
					err);
	return r;
}

static const struct hypervisor_facts facts = {
	.title = "Cloud Hypervisor",
	.file = "clh",
	.aliases = (const char *const[]){ "cloud-hypervisor", NULL },
	.type = 2,
	.written_in = "Rust",
	.architectures = "x86_64, aarch64",
	.good_for = "growing machines: processors, memory, disks and networks while they run",
	.version_option = "--version",
	.version_on_the_way = true, /* the answer to vmm.ping has it */
	.tried_from = { 51, 0 },
	.tried_to = { 51, 2 },
};

const struct hypervisor_ops hypervisor_clh = {
	.name = "clh",
	.facts = &facts,
	.caps = HV_CAP_FS_SHARE | HV_CAP_BLOCK_HOTPLUG | HV_CAP_NET_HOTPLUG | HV_CAP_NET |
		HV_CAP_CPU_HOTPLUG | HV_CAP_MEM_HOTPLUG | HV_CAP_PAUSE,
	.check = clh_check,
	.caps_for = clh_keys_caps,
	.init = clh_init,
	.start = clh_start,
	.connect = clh_connect,
	.stop = clh_stop,
	.free = clh_free,
	.pid = clh_pid,
	.pause = clh_pause,
	.resume = clh_resume,
	.console = clh_console,
	.address = clh_address,
	.plug = clh_plug,
	.unplug = clh_unplug,
	.resize = clh_resize,
};
