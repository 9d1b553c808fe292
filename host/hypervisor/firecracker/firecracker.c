/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of Firecracker, in its jailer's jail or not. It boots from a configuration file;
 * what comes later is told over its API.
 *
 *	the directory, the file, FIFOs, the program
 *	GET / until "Running"			VM_STARTED
 *	a handshake on the hybrid vsock		VM_AGENT
 *	its end					VM_EXITED
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/firecracker/body.h"
#include "host/hypervisor/firecracker/drives.h"
#include "host/hypervisor/firecracker/jail.h"
#include "host/hypervisor/firecracker/metrics.h"
#include "host/hypervisor/http.h"
#include "host/hypervisor/hugepages.h"
#include "host/hypervisor/kvm_probe.h"
#include "host/hypervisor/life.h"

/* How long it may take until the guest runs, and how often to look. */
#define START_MS 10000
#define LOOK_MS	 10

/* How much of its log an error carries. */
#define WORDS_MAX 300

struct firecracker {
	struct life life;
	char *root; /* its directory, on the host */
	struct http *http;
	struct fc_drives drives;
	struct tail *logs;
	struct fc_metrics *metrics;
	struct loop_source *look;
	int64_t deadline;
	bool asked; /* its version */
};

static const struct hypervisor_facts facts;

/* ---- the start ------------------------------------------------------------------- */

static void start_failed(struct firecracker *f, const struct err *err)
{
	struct err why = *err;

	err_wrap(&why, "firecracker (%s)", f->life.path);
	/* If it has ended, its own last words say more. */
	if (err->code == -EPIPE)
		life_limit(&f->life, LIFE_GRACE_MS, &why);
	else
		life_fail(&f->life, &why);
}

static const char *text_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string))
		return json_object_get_string(v);
	return "";
}

static void look(void *arg);

static int check_instance(struct firecracker *f, struct json_object *answer, bool *running,
			  struct err *err)
{
	const char *state = text_of(answer, "state"), *version = text_of(answer, "vmm_version");

	if (!f->asked && *version)
		version_note(&facts, f->life.path, version);
	f->asked = true;
	*running = !strcmp(state, "Running");
	if (*running || !strcmp(state, "Not started"))
		return loop_now_ms() < f->deadline || *running ?
			       0 :
			       err_set(err, ETIMEDOUT, "the machine was not started in time");
	return err_set(err, EPROTO, "GET /: the machine is in the state \"%.40s\"", state);
}

static void on_instance(const struct err *err, int status, struct json_object *answer, void *arg)
{
	struct firecracker *f = arg;
	struct err why = ERR_INIT;
	bool running = false;

	(void)status;
	/* It is on its way out and says why by its end. */
	if (f->life.ended || f->life.stopping)
		return;
	if (!err && check_instance(f, answer, &running, &why) < 0)
		err = &why;
	if (err)
		start_failed(f, err);
	else if (running)
		life_started(&f->life);
	else
		f->look = loop_add_timer(f->life.vm->loop, LOOK_MS, look, f);
}

static void look(void *arg)
{
	struct firecracker *f = arg;
	int64_t left = f->deadline - loop_now_ms();

	f->look = NULL;
	http_ask(f->http,
		 &(struct http_request){ .method = "GET",
					 .path = "/",
					 .limit_ms = left > LOOK_MS ? left : LOOK_MS,
					 .wait = true },
		 on_instance, f);
}

/* What its log says at last, when it said nothing on its standard error. */
static void on_life_end(const struct err *why, void *arg)
{
	struct firecracker *f = arg;
	auto_str struct str words = STR_INIT;

	loop_remove(&f->look);
	tail_drain(f->logs);
	tail_text(f->logs, WORDS_MAX, &words);
	if (!f->life.started && !f->life.stopping && words.len) {
		auto_free char *first = xstrdup(err_msg(&f->life.why));

		err_set(&f->life.why, f->life.why.code, "%s; its log: %s", first, str_text(&words));
	}
	if (!f->life.started && !f->life.stopping && fc_is_jailed(f->life.vm->spec->config) &&
	    jail_lacks_libraries(f->life.path)) {
		auto_free char *first = xstrdup(err_msg(&f->life.why));

		err_set(&f->life.why, f->life.why.code,
			"%s; %s is linked to libraries, which the jail does not have", first,
			f->life.path);
	}
	http_fail(f->http, why);
}

static int launch(struct firecracker *f, struct err *err)
{
	const struct vm_spec *spec = f->life.vm->spec;
	auto_free char *base = jail_base(spec);
	auto_strv struct strv argv = { 0 };
	struct proc_spec proc = {
		.cwd = f->root,
	};

	fc_args(spec, base, &argv);
	proc.argv = (const char *const *)argv.v;
	return life_launch(&f->life, &proc, err);
}

static int listen_to(struct firecracker *f, int logs, int metrics, struct err *err)
{
	bool debug = f->life.vm->spec->config->hypervisor.enable_debug;
	struct loop *loop = f->life.vm->loop;

	f->logs = tail_new(loop, logs, "firecracker", debug ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, NULL,
			   NULL, err);
	f->metrics = fc_metrics_new(loop, metrics, err);
	return f->logs && f->metrics ? 0 : err->code;
}

static void reset(struct firecracker *f)
{
	loop_remove(&f->look);
	http_free(take_ptr(f->http));
	fc_drives_free(&f->drives);
	life_reset(&f->life);
	tail_free(take_ptr(f->logs));
	fc_metrics_free(take_ptr(f->metrics));
}

static int firecracker_start(struct vm *vm, struct err *err)
{
	const struct config_hypervisor *h = &vm->spec->config->hypervisor;
	const int64_t dial = vm->spec->config->agent.dial_timeout_ms;
	struct firecracker *f = vm->driver;
	auto_free char *api = path_join(f->root, FC_API_SOCKET);
	auto_close int kvm = kvm_open(err);
	int r = kvm < 0 ? kvm : fc_check_devices(vm->spec, err), logs = -1, metrics = -1;

	if (r == 0 && h->enable_hugepages)
		r = hugepages_check("hypervisor.firecracker.enable_hugepages",
				    vm->spec->size.memory, err);
	if (r == 0)
		r = jail_make(vm->spec, f->root, &logs, &metrics, err);
	if (r == 0)
		r = listen_to(f, logs, metrics, err);
	if (r == 0)
		r = launch(f, err);
	if (r < 0) {
		reset(f);
		return r;
	}
	f->http = http_new(vm->loop, api);
	/* Who waits no longer than that for the agent is told what was the matter. */
	f->deadline = loop_now_ms() + (dial < START_MS ? dial : START_MS);
	look(f);
	return 0;
}

/* ---- the rest of the table --------------------------------------------------------- */

static void firecracker_stop(struct vm *vm)
{
	struct firecracker *f = vm->driver;

	life_stop(&f->life, false);
}

static int firecracker_connect(struct vm *vm, struct err *err)
{
	struct firecracker *f = vm->driver;

	return life_connect(&f->life, err);
}

static int firecracker_init(struct vm *vm, struct err *err)
{
	struct firecracker *f = xcalloc(1, sizeof(*f));

	(void)err;
	f->root = jail_root(vm->spec);
	life_init(&f->life, vm, xstrdup(vm->spec->config->hypervisor.path),
		  path_join(f->root, HVSOCK_NAME), on_life_end, f);
	fc_drives_init(&f->drives, vm, &f->http, f->root);
	vm->driver = f;
	return 0;
}

static void firecracker_free(struct vm *vm)
{
	struct firecracker *f = vm->driver;

	reset(f);
	life_free(&f->life);
	free(f->root);
	free(f);
}

static pid_t firecracker_pid(const struct vm *vm)
{
	const struct firecracker *f = vm->driver;

	return life_pid(&f->life);
}

static void firecracker_console(const struct vm *vm, struct str *out)
{
	const struct firecracker *f = vm->driver;

	life_console(&f->life, out);
}

static void firecracker_address(const struct vm *vm, struct str *out)
{
	const struct firecracker *f = vm->driver;

	life_address(&f->life, out);
}

static void firecracker_metrics(const struct vm *vm, struct str *out)
{
	const struct firecracker *f = vm->driver;

	if (f->metrics)
		fc_metrics_write(f->metrics, out);
}

static void firecracker_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	struct firecracker *f = vm->driver;

	fc_drives_plug(&f->drives, dev, done, arg);
}

static void firecracker_unplug(struct vm *vm, const char *id, vm_done done, void *arg)
{
	struct firecracker *f = vm->driver;

	fc_drives_unplug(&f->drives, id, done, arg);
}

static void firecracker_pause(struct vm *vm, vm_done done, void *arg)
{
	struct firecracker *f = vm->driver;

	fc_drives_rest(&f->drives, true, done, arg);
}

static void firecracker_resume(struct vm *vm, vm_done done, void *arg)
{
	struct firecracker *f = vm->driver;

	fc_drives_rest(&f->drives, false, done, arg);
}

static int firecracker_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = asset_check_program("hypervisor.firecracker.path", h->path, err);

	if (r == 0 && fc_is_jailed(config))
		r = asset_check_program("hypervisor.firecracker.jailer_path", h->jailer_path, err);
	if (r == 0)
		r = fc_keys_check(config, err);
	if (r == 0)
		r = asset_check_vmlinux("hypervisor.firecracker.kernel", h->kernel, err);
	if (r == 0 && !*h->image && !*h->initrd)
		r = err_set(err, EINVAL,
			    "hypervisor.firecracker: neither image nor initrd is set, the guest "
			    "has no root file system");
	if (r == 0)
		r = *h->image ? asset_check_image("hypervisor.firecracker.image", h->image, err) :
				asset_check_file("hypervisor.firecracker.initrd", h->initrd, err);
	return r;
}

static const struct hypervisor_facts facts = {
	.title = "Firecracker",
	.file = "fc",
	.type = 2,
	.written_in = "Rust",
	.architectures = "x86_64, aarch64",
	.good_for = "many small machines: a quick start, few devices and a jail",
	.version_option = "--version",
	.version_on_the_way = true, /* the answer to GET / has it */
	.tried_from = { 1, 16 },
	.tried_to = { 1, 16 },
};

const struct hypervisor_ops hypervisor_firecracker = {
	.name = "firecracker",
	.facts = &facts,
	.caps = HV_CAP_BLOCK | HV_CAP_BLOCK_HOTPLUG | HV_CAP_PAUSE | HV_CAP_NET |
		HV_CAP_TAP_BY_NAME | HV_CAP_NET_LIMITS,
	.check = firecracker_check,
	.init = firecracker_init,
	.start = firecracker_start,
	.connect = firecracker_connect,
	.stop = firecracker_stop,
	.free = firecracker_free,
	.pid = firecracker_pid,
	.pause = firecracker_pause,
	.resume = firecracker_resume,
	.console = firecracker_console,
	.address = firecracker_address,
	.metrics = firecracker_metrics,
	.plug = firecracker_plug,
	.unplug = firecracker_unplug,
	.disk_place = fc_disk_place,
	.own_dir = jail_own_dir,
};
