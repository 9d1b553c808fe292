/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/cli/console.h"
#include "host/cli/hook_time.h"
#include "host/cli/host_ns.h"
#include "host/cli/join.h"
#include "host/cli/renew.h"
#include "host/cli/shim_start.h"
#include "host/config/annotations.h"
#include "host/hypervisor/hypervisor.h"
#include "host/sandbox/poststop.h"
#include "host/sandbox/state.h"
#include "oci/spec.h"

#define CONNECT_LIMIT_MS 5000
#define START_LIMIT_MS	 60000
#define END_LIMIT_MS	 15000 /* the shim's own limit for ending the sandbox is 10 s */
#define ABORT_LIMIT_MS	 2000  /* after a signal: then the hard way */
#define CREATE_MARGIN_MS 30000 /* on top of what the configuration grants */
#define STANDIN_END_MS	 2000
#define LINES_END_MS	 2000

/* As shells and engines know them. */
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND      127

/* The byte by which the owner leaves a shim alone: SHIM_KEEP of host/shim/shim.h. */
#define KEEP 'k'

/* ---- before anything is started ------------------------------------------------- */

static int check_terminal(struct launch *l, struct err *err)
{
	bool terminal = l->spec->process->terminal;

	if (l->opt->console_socket && (!l->detach || !terminal))
		return err_set(err, EINVAL,
			       "cannot use console socket if the container is not detached or has "
			       "no terminal");
	if (l->detach && terminal && !l->opt->console_socket)
		return err_set(err, EINVAL,
			       "cannot allocate a terminal for a detached container without "
			       "--console-socket");
	/* Its input would never end, and nobody could type. */
	if (!l->detach && terminal && !attach_has_terminal())
		return err_set(err, ENOTTY, "process.terminal is set, but there is no terminal");
	if (!l->opt->console_socket)
		return 0;
	l->console = console_connect(l->opt->console_socket, err);
	return l->console < 0 ? l->console : 0;
}

static int check_preserve_fds(const struct launch *l, struct err *err)
{
	long long n;

	if (!l->opt->preserve_fds)
		return 0;
	if (str_to_ll(l->opt->preserve_fds, 0, 1 << 20, &n) < 0)
		return err_set(err, EINVAL, "flag --preserve-fds takes a number, not \"%s\"",
			       l->opt->preserve_fds);
	if (n > 0)
		return err_set(err, EOPNOTSUPP,
			       "flag --preserve-fds: descriptors cannot go into a virtual machine; "
			       "only 0 is possible");
	return 0;
}

static int annotate(struct config *config, const Grpc__Spec *spec, struct err *err)
{
	auto_strv struct strv annotations = { NULL, 0 };

	oci_spec_annotations(spec, &annotations);
	return config_annotate(config, &annotations, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), err);
}

/* --debug is more than the configuration can say, and an engine's log for errors alone. */
static void set_log_level(const struct launch *l)
{
	enum log_level level = config_log_level(l->config);

	if (!l->cli->debug && (!l->cli->log_json || level == LOG_LEVEL_DEBUG))
		log_set_level(level);
}

/*
 * The first @of_files are about the configuration files, which the user of a terminal
 * can mend. What detaches leaves its stderr to the container.
 */
static void tell_warnings(const struct launch *l, size_t of_files)
{
	const struct strv *warnings = &l->config->warnings;

	for (size_t i = 0; i < warnings->n; i++)
		if (i < of_files && !l->detach)
			cli_warn("%s", warnings->v[i]);
		else
			log_warn("%s", warnings->v[i]);
}

/* Who looks at the container later knows its bundle only. */
static int check_spec(const struct launch *l, struct err *err)
{
	auto_free char *own = path_join(l->bundle, "config.json");
	struct stat a, b;

	if (stat(l->opt->spec, &a) < 0)
		return err_sys(err, errno, "--config %s", l->opt->spec);
	if (stat(own, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return 0;
	return err_set(err, ENOTSUP,
		       "--config %s is another file than the bundle's own: only %s is read",
		       l->opt->spec, own);
}

static int load(struct launch *l, struct err *err)
{
	size_t of_files;
	int r;

	l->bundle = path_real(l->opt->bundle, err);
	if (!l->bundle)
		return err_wrap(err, "cannot find the bundle");
	r = l->opt->spec ? check_spec(l, err) : 0;
	if (r < 0)
		return r;
	l->config = config_load(l->cli->config, err);
	if (!l->config)
		return err->code;
	of_files = l->config->warnings.n;
	r = oci_spec_load(l->bundle, &l->spec, err);
	if (r == 0)
		r = annotate(l->config, l->spec, err);
	if (r == 0)
		r = host_ns_check(l->spec, l->config->runtime.disable_new_netns, err);
	if (r < 0)
		return r;
	set_log_level(l);
	tell_warnings(l, of_files);
	return 0;
}

static int check_free(const struct launch *l, struct err *err)
{
	struct sandbox_state *taken = NULL;
	int r = state_load(l->cli->root, l->id, &taken, err);

	if (r == 0 && renew_is_due(taken, l->id)) {
		r = renew_make_room(taken, err);
		state_free(taken);
		return r;
	}
	state_free(taken);
	if (r != -ENOENT)
		return r < 0 ? r : err_set(err, EEXIST, "container %s already exists", l->id);
	err_clear(err);
	return 0;
}

int launch_prepare(struct launch *l, struct err *err)
{
	int r = state_check_id(l->id, err);

	if (r == 0)
		r = load(l, err);
	if (r == 0)
		r = check_preserve_fds(l, err);
	if (r == 0)
		r = pid_file_check(&l->pid_file, err);
	if (r == 0)
		r = check_free(l, err);
	if (r == 0)
		r = check_terminal(l, err);
	if (r < 0)
		return r;
	l->loop = loop_new();
	if (!l->loop)
		return err_sys(err, errno, "cannot make an event loop");
	r = attach_begin(&l->attach, l->loop);
	return r < 0 ? err_sys(err, r, "cannot take over the signals") : 0;
}

/* ---- making --------------------------------------------------------------------- */

/* An engine's log is for this program's errors; the shim has its own beside the state. */
static const char *shim_log(const struct cli *cli)
{
	return cli->log_json && !cli->debug ? NULL : cli->log;
}

static int connect_to(struct launch *l, const char *address, struct err *err)
{
	int r = 0;

	l->task = task_connect(l->loop, address, l->id, err);
	if (l->task) {
		task_set_stop(l->task, &l->attach.stop);
		r = task_shim_pid(l->task, &l->shim_pid, CONNECT_LIMIT_MS, err);
	}
	if (l->task && r == 0)
		return 0;
	return err_wrap(err, "cannot reach the sandbox process (containerd-shim-kata-v2)");
}

static int start_shim(struct launch *l, struct err *err)
{
	auto_free char *address = NULL;
	auto_close int reader = -1;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	reader = pipe_fds[0];
	l->owner = pipe_fds[1];
	r = shim_start(l->loop,
		       &(const struct shim_options){ .id = l->id,
						     .bundle = l->bundle,
						     .root = l->cli->root,
						     .config = l->config->path,
						     .log = shim_log(l->cli),
						     .log_json = l->cli->log_json,
						     .debug = l->cli->debug,
						     .owner_fd = reader,
						     .stop = &l->attach.stop },
		       &address, err);
	if (r < 0)
		return r;
	return connect_to(l, address, err);
}

/* Into the sandbox of another, or one of its own. */
static int find_sandbox(struct launch *l, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = join_find(l->cli->root, l->id, l->spec, &st, err);

	if (r < 0)
		return r;
	if (!st)
		return start_shim(l, err);
	l->joined = xstrdup(st->id);
	r = connect_to(l, st->address, err);
	state_free(st);
	return r;
}

/* The machine shares no files with the host: the root file system is in its disks. */
static bool is_elsewhere(const struct launch *l)
{
	const struct hypervisor_ops *ops = hypervisor_find(l->config->hypervisor.name, NULL);

	return ops && !(hypervisor_caps(ops, l->config) & (HV_CAP_FS_SHARE | HV_CAP_LOCAL));
}

static int begin_standin(struct launch *l, struct err *err)
{
	const char *path = l->spec->root->path;
	auto_free char *rootfs = path[0] == '/' ? xstrdup(path) : path_join(l->bundle, path);
	const Grpc__Box *size = l->spec->process->consolesize;
	auto_strv struct strv flags = { 0 };

	if (l->console >= 0) {
		l->terminal = console_send(l->console, size ? size->height : 0,
					   size ? size->width : 0, err);
		if (l->terminal < 0)
			return l->terminal;
	}
	standin_for_container(l->spec, rootfs, l->opt->no_pivot, is_elsewhere(l), &flags);
	return standin_begin(l->id, &flags, l->terminal, &l->standin, err);
}

/*
 * The two processes that the container needs here. The stand-in waits for what the kernel
 * does about its namespaces while the shim starts; but whoever waits for a terminal gets it
 * when there is a sandbox for it.
 */
static int start_both(struct launch *l, struct err *err)
{
	bool early = l->console < 0;
	struct err late = ERR_INIT;
	int r = early ? begin_standin(l, err) : 0, there;

	if (r == 0)
		r = find_sandbox(l, err);
	if (r == 0 && !early)
		r = begin_standin(l, err);
	there = standin_await(l->id, &l->standin, r < 0 ? &late : err);
	return r < 0 ? r : there;
}

int launch_create(struct launch *l, struct err *err)
{
	bool terminal = l->spec->process->terminal;
	int64_t limit = l->config->runtime.create_container_timeout * 1000 +
			l->config->agent.dial_timeout_ms + CREATE_MARGIN_MS +
			hook_time_create(l->spec);
	int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	pid_t pid = 0;
	int r = start_both(l, err);

	if (r < 0)
		return r;
	for (int i = 0; i < 3 && l->terminal >= 0; i++)
		stdio[i] = l->terminal;
	if (terminal && !l->detach && !isatty(STDOUT_FILENO)) {
		r = newlines_begin(&l->lines, l->loop, err);
		if (r < 0)
			return r;
		stdio[STDOUT_FILENO] = l->lines.to;
	}
	r = task_create(l->task, l->bundle, terminal, stdio, &l->standin, limit, &pid, err);
	close_fd(&l->standin.shim);
	close_fd(&l->terminal);
	close_fd(&l->lines.to);
	if (r == 0)
		r = pid_file_write(&l->pid_file, pid, err);
	if (r < 0 && l->joined)
		err_wrap(err, "in sandbox %s", l->joined);
	return r;
}

int launch_start(struct launch *l, struct err *err)
{
	pid_t pid = 0;
	int r;

	if (l->spec->process->terminal && !l->detach)
		attach_resize(l->task); /* so that the first look at it is right */
	r = task_start(l->task, &pid, START_LIMIT_MS + hook_time_start(l->spec), err);
	if (r == 0)
		log_info("container %s runs, process %d", l->id, (int)pid);
	return r;
}

int launch_keep(struct launch *l, bool attached, struct err *err)
{
	static const char keep = KEEP;
	/* In the sandbox of another its stand-in is all that holds the container to us. */
	int r = attached && l->joined ? 0 : standin_release(&l->standin);

	if (r == 0 && !attached && l->owner >= 0)
		r = fd_write_full(l->owner, &keep, 1);
	return r < 0 ? err_sys(err, r, "container %s cannot be left alone", l->id) : 0;
}

/* ---- undoing -------------------------------------------------------------------- */

static bool has_state(const struct launch *l)
{
	struct sandbox_state *st = NULL;
	struct err err = ERR_INIT;
	bool has = state_load_container(l->cli->root, l->id, &st, &err) == 0;

	state_free(st);
	return has;
}

bool launch_has_others(const struct launch *l)
{
	const char *sandbox = l->joined ? l->joined : l->id;
	struct sandbox_state *st = NULL;
	bool others;

	if (state_load(l->cli->root, sandbox, &st, NULL) < 0)
		return false;
	others = st->n_containers > (state_find_container(st, l->id) != NULL);
	state_free(st);
	return others;
}

void launch_wait_shim(struct launch *l, int64_t ms)
{
	int64_t end = loop_now_ms() + ms;

	/* One that was not connected yet has gone when its state has. */
	while (l->task ? !task_lost(l->task) : has_state(l)) {
		if (loop_now_ms() >= end || loop_step(l->loop, 20) < 0)
			break;
	}
}

/*
 * Nothing is left; or the shim was killed before it had a state, and its socket refuses a
 * moment after the connection is lost.
 */
static int clear_unborn(const struct launch *l, struct err *err)
{
	int64_t end = loop_now_ms() + ABORT_LIMIT_MS;
	int r;

	do
		r = state_drop_abandoned(l->cli->root, l->id, -1, err);
	while (r == 0 && loop_now_ms() < end && loop_step(l->loop, 20) == 0);
	return r < 0 ? r : 0;
}

int launch_clear_rest(const struct launch *l, struct err *err)
{
	struct sandbox_state *st = NULL;
	bool ours = false;
	int r;

	/* Who joined has nothing of its own; and others may have joined. */
	if (l->joined || launch_has_others(l))
		return 0;
	r = state_load(l->cli->root, l->id, &st, err);
	if (r < 0) {
		err_clear(err);
		return r == -ENOENT ? clear_unborn(l, err) : 0;
	}
	for (size_t i = 0; i < st->n_processes; i++)
		if (st->processes[i].pid == l->shim_pid &&
		    strcmp(st->processes[i].name, "shim") == 0)
			ours = true;
	if (ours) {
		struct poststop *hooks = poststop_of(st, l->id);

		log_warn("container %s: the shim left something; clearing up", l->id);
		r = state_clear(st, true, err);
		if (r == 0)
			poststop_run(hooks);
		else
			poststop_free(hooks);
	}
	state_free(st);
	return r;
}

/* Its stand-in's end is the order to the shim to remove it; the sandbox is another's. */
static void leave(struct launch *l, int code)
{
	int64_t end = loop_now_ms() + END_LIMIT_MS;

	standin_close(&l->standin, STANDIN_END_MS);
	/* What is there is somebody else's. */
	if (code == -EEXIST)
		return;
	while (has_state(l) && loop_now_ms() < end && loop_step(l->loop, 20) == 0)
		;
}

/* Closing the pipe is the order to the shim to tear all down, whatever it does. */
static void give_up(struct launch *l, int code)
{
	attach_end(&l->attach);
	close_fd(&l->owner);
	pid_file_remove(&l->pid_file);
	if (l->joined) {
		leave(l, code);
		return;
	}
	if (code == -EEXIST && !l->task) {
		/* What else is there is somebody else's. */
		standin_close(&l->standin, STANDIN_END_MS);
		return;
	}
	launch_wait_shim(l, l->attach.stop ? ABORT_LIMIT_MS : END_LIMIT_MS);
	standin_close(&l->standin, STANDIN_END_MS);
}

static int failure_status(const struct launch *l, struct err *why)
{
	int signo = l->attach.stop;

	if (signo) {
		err_set(why, EINTR, "container %s: given up by SIG%s", l->id, sigabbrev_np(signo));
		return 128 + signo;
	}
	if (why->code == -ECONNRESET && l->shim_pid)
		err_set(why, ECONNRESET,
			"container %s: the sandbox process (containerd-shim-kata-v2, pid %d) has "
			"died",
			l->id, (int)l->shim_pid);
	/* What the agent says of a program, which other failures do not have in them. */
	if (strstr(err_msg(why), "exec: \"")) {
		if (why->code == -ENOENT)
			return STATUS_NOT_FOUND;
		if (why->code == -EACCES)
			return STATUS_NOT_EXECUTABLE;
	}
	return 1;
}

int launch_undo(struct launch *l, int code, struct err *err)
{
	struct err late = ERR_INIT;
	int status;

	give_up(l, code);
	status = failure_status(l, err);
	if (code != -EEXIST && launch_clear_rest(l, &late) < 0)
		cli_error(&late);
	return status;
}

void launch_free(struct launch *l)
{
	standin_close(&l->standin, 0);
	task_free(l->task);
	newlines_end(&l->lines, LINES_END_MS);
	loop_free(l->loop);
	close_fd(&l->owner);
	close_fd(&l->console);
	close_fd(&l->terminal);
	if (l->spec)
		grpc__spec__free_unpacked(l->spec, NULL);
	config_free(l->config);
	free(l->joined);
	free(l->bundle);
}
