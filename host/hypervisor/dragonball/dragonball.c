/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of the built-in monitor, kata-vmm: what happens in the life of its machine.
 *
 *	"event started"			VM_STARTED
 *	a handshake on the hybrid vsock	VM_AGENT
 *	"event ended WORD", or its end	virtiofsd is ended, then VM_EXITED
 *
 * Of the requests of vmm/protocol.h pause, resume and stop are used. What the machine takes
 * is known by its process and the sandbox's control group, not by asking it ("stats"), and
 * nobody decides what a guest should give back ("balloon"): those are for who drives a
 * monitor by hand.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/console.h"
#include "host/hypervisor/dragonball/args.h"
#include "host/hypervisor/dragonball/control.h"
#include "host/hypervisor/dragonball/handover.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/hvsock.h"
#include "host/hypervisor/tail.h"
#include "host/hypervisor/virtiofsd.h"
#include "host/hypervisor/vsock.h"

/* How long the monitor may take to run the guest's first instruction. */
#define START_MS 20000

/* How long it may take to end by itself when it was asked to, and after it said so. */
#define STOP_MS 500

/* How long a monitor that lost virtiofsd gets to say that it is the guilty one. */
#define GRACE_MS 1000

/* How long the agent may take to offer its log. */
#define LOG_MS	 2000
#define LOG_PORT 1025

/* Who asked the monitor something. */
struct question {
	vm_done done;
	void *arg;
};

struct dragonball {
	struct vm *vm;
	char *path; /* of the program */
	char *socket;
	struct child *child;
	struct virtiofsd *fs;
	struct monitor *monitor;
	struct tail *console, *log;
	struct hvsock_dial *dial, *log_dial;
	struct question asked[MONITOR_ASKED_MAX]; /* in the order of the answers to come */
	unsigned n_asked;
	struct loop_source *limit; /* of what is waited for: start, stop, grace */
	bool ended;		   /* the monitor, or it never was */
	bool started;
	bool stopping; /* by vm_stop() */
	bool agent_seen;
	bool told;	      /* by the monitor, how it ended */
	struct err why;	      /* what ended the machine, unless it was vm_stop() */
	struct err suspicion; /* what it was if nothing better is heard until `limit` */
};

/* ---- ends ------------------------------------------------------------------- */

static void kill_all(struct dragonball *d)
{
	child_kill(d->child);
	virtiofsd_kill(d->fs);
}

/* The first failure counts. */
static void note(struct dragonball *d, const struct err *why)
{
	if (!d->stopping && !d->why.code)
		d->why = *why;
}

static void fail(struct dragonball *d, const struct err *why)
{
	note(d, why);
	kill_all(d);
}

static void check_exited(struct dragonball *d)
{
	if (!d->ended || !virtiofsd_ended(d->fs))
		return;
	loop_remove(&d->limit);
	vm_emit(d->vm, VM_EXITED, &d->why);
}

static void on_limit(void *arg)
{
	struct dragonball *d = arg;

	d->limit = NULL;
	fail(d, &d->suspicion);
}

/* End all after @ms for the reason in d->suspicion, unless something else comes first. */
static void set_limit(struct dragonball *d, int ms)
{
	loop_remove(&d->limit);
	d->limit = loop_add_timer(d->vm->loop, ms, on_limit, d);
}

/*
 * What the guest said last, for the error of one that never came up. A driver for the console
 * may be a module of its initrd: then only a debug session sees why that was not found.
 */
static void add_last_words(struct dragonball *d, struct err *why)
{
	bool debug = d->vm->spec->config->hypervisor.enable_debug;
	auto_str struct str words = STR_INIT;
	auto_free char *first = xstrdup(why->msg);

	if (d->agent_seen)
		return;
	console_words(d->console, &words);
	if (words.len)
		err_set(why, why->code, "%s; the guest's last words: %s", first, str_text(&words));
	else if (d->started)
		err_set(why, why->code, "%s without a word on its console; %s", first,
			debug ? "its first words are in the log" :
				"hypervisor.dragonball.enable_debug shows its first words");
}

/* The first question that waits has its answer. */
static void answer(struct dragonball *d, const struct err *err)
{
	struct question q = d->asked[0];

	d->n_asked--;
	memmove(&d->asked[0], &d->asked[1], d->n_asked * sizeof(d->asked[0]));
	q.done(err, q.arg);
}

static void on_child_end(struct child *child, void *arg)
{
	struct dragonball *d = arg;
	struct err why = ERR_INIT, gone = ERR_INIT;

	d->ended = true;
	/* It may have said how just before. */
	while (d->monitor && monitor_read(d->monitor))
		;
	monitor_free(take_ptr(d->monitor));
	hvsock_dial_free(take_ptr(d->dial));
	hvsock_dial_free(take_ptr(d->log_dial));
	loop_remove(&d->limit);
	err_set(&gone, EPIPE, "the monitor has ended");
	while (d->n_asked)
		answer(d, &gone);
	if (!d->why.code) {
		child_error(child, &why);
		add_last_words(d, &why);
		note(d, &why);
	}
	/* It has nothing to serve any more. */
	virtiofsd_kill(d->fs);
	check_exited(d);
}

/*
 * virtiofsd may learn of the monitor's end before we do, and then ends well: the monitor
 * gets a moment to say why. Any other end is virtiofsd's own fault.
 */
static void on_fs_end(const struct err *why, void *arg)
{
	struct dragonball *d = arg;

	if (virtiofsd_failed(d->fs)) {
		fail(d, why);
	} else if (!d->ended && !d->told && !d->stopping) {
		d->suspicion = *why;
		set_limit(d, GRACE_MS);
	}
	check_exited(d);
}

/* ---- what the monitor says ---------------------------------------------------- */

static void on_started(void *arg)
{
	struct dragonball *d = arg;

	if (d->started || d->stopping)
		return;
	d->started = true;
	loop_remove(&d->limit);
	vm_emit(d->vm, VM_STARTED, NULL);
}

/* In words for people who know of machines. */
static void describe(struct dragonball *d, enum vmm_end end, const char *text, struct err *why)
{
	const char *colon = *text ? ": " : "";

	switch (end) {
	case VMM_END_POWEROFF:
		err_set(why, EPIPE, "the guest has ended (poweroff)");
		break;
	case VMM_END_RESET:
		err_set(why, EPIPE, "the guest has ended (reset)");
		break;
	case VMM_END_PANIC:
		err_set(why, EPIPE, "the guest's kernel panicked%s%s", colon, text);
		break;
	case VMM_END_TRIPLE_FAULT:
		err_set(why, EPIPE, "the guest has ended (triple fault)%s%s", colon, text);
		break;
	case VMM_END_STOPPED:
		err_set(why, EPIPE, VMM_PROGRAM " (%s) was stopped by somebody else", d->path);
		break;
	case VMM_END_FAILED:
		err_set(why, EPIPE, VMM_PROGRAM " (%s) failed%s%s", d->path, colon, text);
		break;
	}
}

static void on_ended(enum vmm_end end, const char *text, void *arg)
{
	struct dragonball *d = arg;
	struct err why = ERR_INIT;

	/* It is the last message; another one would only win time. */
	if (d->told)
		return;
	log_debug(VMM_PROGRAM ": ended: %s %s", vmm_end_word(end), text);
	d->told = true;
	describe(d, end, text, &why);
	add_last_words(d, &why);
	note(d, &why);
	d->suspicion = why;
	set_limit(d, STOP_MS);
}

static void on_closed(const struct err *err, void *arg)
{
	struct dragonball *d = arg;
	struct err why = *err;

	monitor_free(take_ptr(d->monitor));
	if (why.code) {
		err_wrap(&why, VMM_PROGRAM " (%s)", d->path);
		fail(d, &why);
	} else if (!d->told) {
		/* It is ending; its status says more. */
		err_set(&d->suspicion, EPIPE, VMM_PROGRAM " (%s) closed its control connection",
			d->path);
		set_limit(d, STOP_MS);
	}
}

static const struct monitor_handler handler = { on_started, on_ended, on_closed };

/* ---- the agent ------------------------------------------------------------------ */

static void on_log(int fd, void *arg)
{
	struct dragonball *d = arg;
	struct err err = ERR_INIT;

	if (fd < 0) {
		log_debug("the agent offers no log on port %d", LOG_PORT);
		return;
	}
	tail_free(d->log);
	d->log = tail_new(d->vm->loop, fd, "agent", LOG_LEVEL_INFO, NULL, NULL, &err);
	if (!d->log)
		log_warn("the agent's log: %s", err_msg(&err));
}

static void on_agent(int fd, void *arg)
{
	struct dragonball *d = arg;

	close_fd(&d->vm->agent_fd);
	d->vm->agent_fd = fd;
	d->vm->agent_serial = false;
	if (!d->agent_seen)
		d->log_dial = hvsock_dial(d->vm->loop, d->socket, LOG_PORT, LOG_MS, on_log, d);
	d->agent_seen = true;
	vm_emit(d->vm, VM_AGENT, NULL);
}

static int dragonball_connect(struct vm *vm, struct err *err)
{
	struct dragonball *d = vm->driver;

	if (!d->child)
		return err_set(err, EPIPE, VMM_PROGRAM " was not started");
	/* A machine that has ended already says why by VM_EXITED, which is on its way. */
	if (d->ended)
		return 0;
	hvsock_dial_free(d->dial);
	d->dial = hvsock_dial(vm->loop, d->socket, VSOCK_AGENT_PORT, 0, on_agent, d);
	return 0;
}

/* ---- the start ------------------------------------------------------------------- */

static int open_channels(struct dragonball *d, struct dragonball_facts *f, struct err *err)
{
	struct vm *vm = d->vm;
	bool debug = vm->spec->config->hypervisor.enable_debug;
	auto_close int control = -1, console = -1;
	int r = handover_channels(f, d->socket, &control, &console, err);

	if (r < 0)
		return r;
	d->console = tail_new(vm->loop, take_fd(&console), "guest",
			      debug ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, NULL, NULL, err);
	if (!d->console)
		return err->code;
	d->monitor = monitor_new(vm->loop, take_fd(&control), &handler, d, err);
	return d->monitor ? 0 : err->code;
}

static int launch(struct dragonball *d, const struct dragonball_facts *f, struct err *err)
{
	d->child = handover_launch(f, d->vm, on_child_end, d, err);
	if (!d->child)
		return err->code;
	d->ended = false;
	return 0;
}

/* Nothing runs and nothing is open afterwards. */
static void reset(struct dragonball *d)
{
	monitor_free(take_ptr(d->monitor));
	hvsock_dial_free(take_ptr(d->dial));
	hvsock_dial_free(take_ptr(d->log_dial));
	loop_remove(&d->limit);
	child_free(take_ptr(d->child));
	virtiofsd_free(take_ptr(d->fs));
	tail_free(take_ptr(d->console));
	tail_free(take_ptr(d->log));
	d->ended = true;
}

static int dragonball_start(struct vm *vm, struct err *err)
{
	const struct vm_spec *spec = vm->spec;
	struct dragonball *d = vm->driver;
	struct dragonball_facts f;
	int r, limit = START_MS;

	handover_init(&f, spec, d->path);
	r = handover_open(&f, spec, err);
	if (r == 0)
		r = open_channels(d, &f, err);
	if (r == 0 && spec->share_dir) {
		d->fs = virtiofsd_start(vm, &f.fs_fd, on_fs_end, d, err);
		r = d->fs ? 0 : err->code;
	}
	if (r == 0)
		r = launch(d, &f, err);
	handover_free(&f);
	if (r < 0) {
		reset(d);
		return r;
	}
	/* Who waits no longer than that for the agent is told what was the matter. */
	if (spec->config->agent.dial_timeout_ms < limit)
		limit = (int)spec->config->agent.dial_timeout_ms;
	err_set(&d->suspicion, ETIMEDOUT, VMM_PROGRAM " (%s) did not start the guest within %d ms",
		d->path, limit);
	set_limit(d, limit);
	return 0;
}

/* ---- the rest of the table ---------------------------------------------------------- */

static void dragonball_stop(struct vm *vm)
{
	struct dragonball *d = vm->driver;

	d->stopping = true;
	d->why = (struct err)ERR_INIT;
	/* One that has begun to serve a guest ends what is in flight first. */
	if (!d->ended && d->started && d->monitor &&
	    monitor_ask(d->monitor, VMM_REQUEST_STOP, NULL, NULL, NULL) == 0)
		set_limit(d, STOP_MS);
	else
		kill_all(d);
	check_exited(d);
}

static void on_asked(const struct err *err, const char *text, void *arg)
{
	(void)text;
	answer(arg, err);
}

static void ask(struct vm *vm, const char *request, vm_done done, void *arg)
{
	struct dragonball *d = vm->driver;
	struct err err = ERR_INIT;

	if (!d->started || d->ended || !d->monitor)
		err_set(&err, EPIPE, "%s: the machine does not run", request);
	else if (monitor_ask(d->monitor, request, on_asked, d, &err) == 0)
		d->asked[d->n_asked++] = (struct question){ done, arg };
	if (err.code)
		vm_refuse(vm, &err, done, arg);
}

static void dragonball_pause(struct vm *vm, vm_done done, void *arg)
{
	ask(vm, VMM_REQUEST_PAUSE, done, arg);
}

static void dragonball_resume(struct vm *vm, vm_done done, void *arg)
{
	ask(vm, VMM_REQUEST_RESUME, done, arg);
}

static int dragonball_init(struct vm *vm, struct err *err)
{
	struct dragonball *d = xcalloc(1, sizeof(*d));

	(void)err;
	d->vm = vm;
	d->ended = true;
	d->path = dragonball_program(vm->spec->config);
	d->socket = path_join(vm->spec->run_dir, HVSOCK_NAME);
	vm->driver = d;
	return 0;
}

static void dragonball_free(struct vm *vm)
{
	struct dragonball *d = vm->driver;

	reset(d);
	free(d->path);
	free(d->socket);
	free(d);
}

static pid_t dragonball_pid(const struct vm *vm)
{
	const struct dragonball *d = vm->driver;

	return child_pid(d->child);
}

static void dragonball_console(const struct vm *vm, struct str *out)
{
	const struct dragonball *d = vm->driver;

	console_words(d->console, out);
}

static void dragonball_address(const struct vm *vm, struct str *out)
{
	const struct dragonball *d = vm->driver;

	str_printf(out, "hvsock://%s", d->socket);
}

static const struct hypervisor_facts facts = {
	.title = "Built-in (Dragonball)",
	.file = "dragonball",
	.aliases = (const char *const[]){ VMM_PROGRAM, "built-in", NULL },
	.type = 2,
	.written_in = "C",
	.architectures = "x86_64",
	.good_for = "a quick start and little memory, with nothing else to install",
};

const struct hypervisor_ops hypervisor_dragonball = {
	.name = "dragonball",
	.facts = &facts,
	.caps = HV_CAP_FS_SHARE | HV_CAP_BLOCK | HV_CAP_NET | HV_CAP_NET_LIMITS | HV_CAP_PAUSE,
	.check = dragonball_check,
	.caps_for = dragonball_keys_caps,
	.init = dragonball_init,
	.start = dragonball_start,
	.connect = dragonball_connect,
	.stop = dragonball_stop,
	.free = dragonball_free,
	.pid = dragonball_pid,
	.pause = dragonball_pause,
	.resume = dragonball_resume,
	.console = dragonball_console,
	.address = dragonball_address,
	.disk_place = dragonball_place,
	.program = dragonball_program,
};
