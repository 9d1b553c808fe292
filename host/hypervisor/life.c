/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/life.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/console.h"
#include "host/hypervisor/vsock.h"

/* The port on which the agent has its log for whoever connects, and how long it may take. */
#define LOG_PORT 1025
#define LOG_MS	 2000

void life_init(struct life *l, struct vm *vm, char *path, char *socket,
	       void (*on_end)(const struct err *why, void *arg), void *arg)
{
	*l = (struct life){ .vm = vm,
			    .path = path,
			    .socket = socket,
			    .ended = true,
			    .on_end = on_end,
			    .arg = arg };
}

/* ---- ends ------------------------------------------------------------------------ */

static void kill_all(struct life *l)
{
	child_kill(l->child);
	virtiofsd_kill(l->fs);
}

static void note(struct life *l, const struct err *why)
{
	if (!l->stopping && !l->why.code)
		l->why = *why;
}

void life_fail(struct life *l, const struct err *why)
{
	note(l, why);
	kill_all(l);
}

static void check_exited(struct life *l)
{
	if (!l->ended || !virtiofsd_ended(l->fs))
		return;
	loop_remove(&l->limit);
	vm_emit(l->vm, VM_EXITED, &l->why);
}

static void on_limit(void *arg)
{
	struct life *l = arg;

	l->limit = NULL;
	life_fail(l, &l->suspicion);
}

void life_limit(struct life *l, int64_t ms, const struct err *suspicion)
{
	loop_remove(&l->limit);
	if (suspicion)
		l->suspicion = *suspicion;
	l->limit = loop_add_timer(l->vm->loop, ms, on_limit, l);
}

static void add_last_words(struct life *l, struct err *why)
{
	auto_str struct str words = STR_INIT;
	auto_free char *first = xstrdup(why->msg);

	if (l->agent_seen)
		return;
	console_words(l->console, &words);
	if (words.len)
		err_set(why, why->code, "%s; the guest's last words: %s", first, str_text(&words));
}

void life_guest_ended(struct life *l, const char *how)
{
	struct err why = ERR_INIT;

	if (l->ended || l->stopping)
		return;
	err_set(&why, EPIPE, "the guest has ended (%s)", how);
	add_last_words(l, &why);
	note(l, &why);
	life_limit(l, LIFE_GRACE_MS, &why);
}

static void free_dials(struct life *l)
{
	hvsock_dial_free(take_ptr(l->dial));
	hvsock_dial_free(take_ptr(l->log_dial));
	vsock_dial_free(take_ptr(l->vdial));
	vsock_dial_free(take_ptr(l->log_vdial));
	loop_remove(&l->log_limit);
}

static void on_child_end(struct child *child, void *arg)
{
	struct life *l = arg;
	struct err why = ERR_INIT;

	l->ended = true;
	free_dials(l);
	loop_remove(&l->limit);
	if (!l->why.code) {
		/* A monitor that ends well does so because its guest has. */
		if (l->started && child_succeeded(child))
			err_set(&why, EPIPE, "the guest has ended");
		else
			child_error(child, &why);
		add_last_words(l, &why);
		note(l, &why);
	}
	if (!why.code)
		why = l->why;
	/* It has nothing to serve any more. */
	virtiofsd_kill(l->fs);
	l->on_end(&why, l->arg);
	check_exited(l);
}

/*
 * virtiofsd may learn of the monitor's end before we do, and then ends well: the monitor
 * gets a moment to say why. Any other end is virtiofsd's own fault.
 */
static void on_fs_end(const struct err *why, void *arg)
{
	struct life *l = arg;

	if (virtiofsd_failed(l->fs))
		life_fail(l, why);
	else if (!l->ended && !l->stopping && !l->why.code)
		life_limit(l, LIFE_GRACE_MS, why);
	check_exited(l);
}

/* ---- the start ------------------------------------------------------------------- */

int life_share(struct life *l, const char *path, struct err *err)
{
	if (!l->vm->spec->share_dir)
		return 0;
	l->fs = virtiofsd_start_at(l->vm, path, on_fs_end, l, err);
	return l->fs ? 0 : err->code;
}

int life_launch(struct life *l, struct proc_spec *spec, struct err *err)
{
	bool debug = l->vm->spec->config->hypervisor.enable_debug;
	auto_str struct str line = STR_INIT;
	auto_close int theirs = -1;
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	theirs = p[1];
	l->console = tail_new(l->vm->loop, p[0], "guest", debug ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
			      NULL, NULL, err);
	if (!l->console)
		return err->code;
	spec->stdio[1] = theirs;
	/* Not what a shell would make of it. */
	spec->path = spec->argv[0];
	l->child = child_start(l->vm, l->vm->ops->name, spec, true, on_child_end, l, err);
	if (!l->child)
		return err->code;
	l->ended = false;
	for (size_t i = 0; spec->argv[i]; i++)
		str_printf(&line, "%s%s", i ? " " : "", spec->argv[i]);
	log_info("%s: started: %s", l->vm->ops->name, str_text(&line));
	return 0;
}

void life_started(struct life *l)
{
	if (l->started || l->stopping || l->ended || l->why.code)
		return;
	l->started = true;
	loop_remove(&l->limit);
	vm_emit(l->vm, VM_STARTED, NULL);
}

/* ---- the agent ------------------------------------------------------------------- */

static void on_log(int fd, void *arg)
{
	struct life *l = arg;
	struct err err = ERR_INIT;

	loop_remove(&l->log_limit);
	if (fd < 0) {
		log_debug("the agent offers no log on port %d", LOG_PORT);
		return;
	}
	tail_free(l->log);
	l->log = tail_new(l->vm->loop, fd, "agent", LOG_LEVEL_INFO, NULL, NULL, &err);
	if (!l->log)
		log_warn("the agent's log: %s", err_msg(&err));
}

static void on_no_log(void *arg)
{
	struct life *l = arg;

	l->log_limit = NULL;
	vsock_dial_free(take_ptr(l->log_vdial));
	on_log(-1, l);
}

static void dial_log(struct life *l)
{
	if (l->socket) {
		l->log_dial = hvsock_dial(l->vm->loop, l->socket, LOG_PORT, LOG_MS, on_log, l);
		return;
	}
	l->log_vdial = vsock_dial(l->vm->loop, l->cid, LOG_PORT, on_log, l);
	l->log_limit = loop_add_timer(l->vm->loop, LOG_MS, on_no_log, l);
}

static void on_agent(int fd, void *arg)
{
	struct life *l = arg;

	close_fd(&l->vm->agent_fd);
	l->vm->agent_fd = fd;
	l->vm->agent_serial = false;
	if (!l->agent_seen)
		dial_log(l);
	l->agent_seen = true;
	vm_emit(l->vm, VM_AGENT, NULL);
}

int life_connect(struct life *l, struct err *err)
{
	if (!l->child)
		return err_set(err, EPIPE, "%s was not started", l->vm->ops->name);
	/* A machine that has ended already says why by VM_EXITED, which is on its way. */
	if (l->ended)
		return 0;
	hvsock_dial_free(take_ptr(l->dial));
	vsock_dial_free(take_ptr(l->vdial));
	if (l->socket)
		l->dial = hvsock_dial(l->vm->loop, l->socket, VSOCK_AGENT_PORT, 0, on_agent, l);
	else
		l->vdial = vsock_dial(l->vm->loop, l->cid, VSOCK_AGENT_PORT, on_agent, l);
	return 0;
}

/* ---- the rest -------------------------------------------------------------------- */

void life_stop(struct life *l, bool asked)
{
	l->stopping = true;
	l->why = (struct err)ERR_INIT;
	if (asked && !l->ended)
		life_limit(l, LIFE_STOP_MS, NULL);
	else
		kill_all(l);
	check_exited(l);
}

pid_t life_pid(const struct life *l)
{
	return child_pid(l->child);
}

void life_console(const struct life *l, struct str *out)
{
	console_words(l->console, out);
}

void life_address(const struct life *l, struct str *out)
{
	if (l->socket)
		str_printf(out, "hvsock://%s", l->socket);
	else if (l->cid)
		str_printf(out, "vsock://%u", l->cid);
}

void life_reset(struct life *l)
{
	free_dials(l);
	loop_remove(&l->limit);
	child_free(take_ptr(l->child));
	virtiofsd_free(take_ptr(l->fs));
	tail_free(take_ptr(l->console));
	tail_free(take_ptr(l->log));
	l->ended = true;
}

void life_free(struct life *l)
{
	life_reset(l);
	free(l->path);
	free(l->socket);
}
