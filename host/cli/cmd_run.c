/* SPDX-License-Identifier: Apache-2.0 */
/* run: a sandbox with one container, from its start to its last trace. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/cli/attach.h"
#include "host/cli/cli.h"
#include "host/cli/shim_start.h"
#include "host/cli/task_client.h"
#include "host/config/annotations.h"
#include "host/config/config.h"
#include "host/sandbox/state.h"
#include "oci/spec.h"

#define CONNECT_LIMIT_MS 5000
#define START_LIMIT_MS	 60000
#define DELETE_LIMIT_MS	 30000
#define END_LIMIT_MS	 15000 /* the shim's own limit for ending the sandbox is 10 s */
#define ABORT_LIMIT_MS	 2000  /* after a signal: then the hard way */
#define CREATE_MARGIN_MS 30000 /* on top of what the configuration grants */

/* As shells and engines know them. */
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND      127

static struct {
	const char *bundle;
	const char *pid_file;
} opt = { .bundle = "." };

static const struct flag flags[] = {
	{ "bundle", "b", FLAG_STRING, &opt.bundle, "DIR", "the bundle (default: this directory)" },
	{ "pid-file", NULL, FLAG_STRING, &opt.pid_file, "FILE",
	  "write the container's process ID to FILE" },
	{ 0 },
};

struct run {
	const struct cli *cli;
	const char *id;
	char *bundle;
	struct config *config;
	Grpc__Spec *spec;
	struct loop *loop;
	struct attach attach;
	int owner; /* while it is open the shim keeps the sandbox */
	struct task *task;
	pid_t shim_pid; /* 0 until it is known */
};

static int annotate(struct config *config, const Grpc__Spec *spec, struct err *err)
{
	auto_strv struct strv annotations = { NULL, 0 };

	oci_spec_annotations(spec, &annotations);
	return config_annotate(config, &annotations, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), err);
}

/* What is wrong and can be seen before anything is started. */
static int prepare(struct run *run, struct err *err)
{
	struct sandbox_state *taken = NULL;
	int r = state_check_id(run->id, err);

	if (r < 0)
		return r;
	run->bundle = path_real(opt.bundle, err);
	if (!run->bundle)
		return err_wrap(err, "cannot find the bundle");
	run->config = config_load(run->cli->config, err);
	if (!run->config)
		return err->code;
	r = oci_spec_load(run->bundle, &run->spec, err);
	if (r == 0)
		r = annotate(run->config, run->spec, err);
	if (r < 0)
		return r;
	if (!run->cli->debug)
		log_set_level(config_log_level(run->config));
	for (size_t i = 0; i < run->config->warnings.n; i++)
		log_warn("%s", run->config->warnings.v[i]);
	/* Its input would never end, and nobody could type. */
	if (run->spec->process->terminal && !isatty(STDIN_FILENO) && !isatty(STDOUT_FILENO) &&
	    !isatty(STDERR_FILENO))
		return err_set(err, ENOTTY, "process.terminal is set, but there is no terminal");
	r = state_load(run->cli->root, run->id, &taken, err);
	state_free(taken);
	if (r != -ENOENT)
		return r < 0 ? r : err_set(err, EEXIST, "container %s already exists", run->id);
	err_clear(err);
	run->loop = loop_new();
	if (!run->loop)
		return err_sys(err, errno, "cannot make an event loop");
	r = attach_begin(&run->attach, run->loop);
	return r < 0 ? err_sys(err, r, "cannot take over the signals") : 0;
}

static int start_shim(struct run *run, struct err *err)
{
	auto_free char *address = NULL;
	auto_close int reader = -1;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot make a pipe");
	reader = pipe_fds[0];
	run->owner = pipe_fds[1];
	r = shim_start(run->loop,
		       &(const struct shim_options){ .id = run->id,
						     .bundle = run->bundle,
						     .root = run->cli->root,
						     .config = run->config->path,
						     .log = run->cli->log,
						     .log_json = run->cli->log_json,
						     .debug = run->cli->debug,
						     .owner_fd = reader,
						     .stop = &run->attach.stop },
		       &address, err);
	if (r < 0)
		return r;
	run->task = task_connect(run->loop, address, run->id, err);
	if (!run->task)
		return err_wrap(err, "cannot reach the sandbox process");
	task_set_stop(run->task, &run->attach.stop);
	return task_shim_pid(run->task, &run->shim_pid, CONNECT_LIMIT_MS, err);
}

static int write_pid_file(pid_t pid, struct err *err)
{
	auto_free char *text = xasprintf("%d", (int)pid);

	return opt.pid_file ? file_replace(opt.pid_file, text, strlen(text), 0644, err) : 0;
}

/* Create and start the container, and wait for its end. */
static int run_container(struct run *run, int *status, struct err *err)
{
	static const int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	const struct config *config = run->config;
	bool terminal = run->spec->process->terminal;
	int64_t limit = config->runtime.create_container_timeout * 1000 +
			config->agent.dial_timeout_ms + CREATE_MARGIN_MS;
	pid_t pid = 0;
	int r = task_create(run->task, run->bundle, terminal, stdio, limit, err);

	if (r < 0)
		return r;
	if (terminal)
		attach_resize(run->task); /* so that the first look at it is right */
	r = task_start(run->task, &pid, START_LIMIT_MS, err);
	if (r < 0)
		return r;
	log_info("container %s runs, process %d", run->id, (int)pid);
	attach_to(&run->attach, run->task, terminal);
	r = write_pid_file(pid, err);
	if (r == 0)
		r = task_wait(run->task, status, err);
	attach_end(&run->attach);
	return r;
}

static bool has_state(const struct run *run)
{
	struct sandbox_state *st = NULL;
	struct err err = ERR_INIT;
	bool has = state_load(run->cli->root, run->id, &st, &err) == 0;

	state_free(st);
	return has;
}

/* Run the loop until the shim has gone, or @ms are over. */
static void wait_for_shim(struct run *run, int64_t ms)
{
	int64_t end = loop_now_ms() + ms;

	/* One that was not connected yet has gone when its state has. */
	while (run->task ? !task_lost(run->task) : has_state(run)) {
		if (loop_now_ms() >= end || loop_step(run->loop, 20) < 0)
			break;
	}
}

/* Whatever is there of our own sandbox still. 0, or the first thing that could not be removed. */
static int clear_rest(const struct run *run, struct err *err)
{
	struct sandbox_state *st = NULL;
	bool ours = false;
	int r = state_load(run->cli->root, run->id, &st, err);

	if (r < 0) {
		err_clear(err);
		return 0; /* nothing left, or nothing that can be understood */
	}
	for (size_t i = 0; i < st->n_processes; i++)
		if (st->processes[i].pid == run->shim_pid &&
		    strcmp(st->processes[i].name, "shim") == 0)
			ours = true;
	if (ours) {
		log_warn("container %s: the shim left something; clearing up", run->id);
		r = state_clear(st, true, err);
	}
	state_free(st);
	return r;
}

/* The container has ended: let the shim end in order. */
static void finish(struct run *run)
{
	struct err err = ERR_INIT;

	task_set_stop(run->task, NULL);
	/*
	 * Somebody else's `delete` may have come first. What else is wrong is news
	 * to the user: that the machine under the container has ended, and why.
	 */
	if (task_delete(run->task, DELETE_LIMIT_MS, &err) < 0 && err.code != -ENOENT)
		cli_error(&err);
	/* That the machine ended by itself is told here: for the tasks it is a kill. */
	if (task_shutdown(run->task, END_LIMIT_MS, &err) < 0)
		cli_error(&err);
	wait_for_shim(run, END_LIMIT_MS);
}

/* Closing the pipe is the order to the shim to tear all down, whatever it does. */
static void give_up(struct run *run, int code)
{
	attach_end(&run->attach);
	close_fd(&run->owner);
	if (code == -EEXIST && !run->task)
		return; /* what is there is somebody else's */
	wait_for_shim(run, run->attach.stop ? ABORT_LIMIT_MS : END_LIMIT_MS);
}

/* The exit status for the failure @why, with a better @why where there is one. */
static int failure_status(const struct run *run, struct err *why)
{
	int signo = run->attach.stop;

	if (signo) {
		err_set(why, EINTR, "container %s: given up by SIG%s", run->id,
			sigabbrev_np(signo));
		return 128 + signo;
	}
	if (why->code == -ECONNRESET && run->shim_pid)
		err_set(why, ECONNRESET,
			"container %s: the sandbox process (containerd-shim-kata-v2, pid %d) has "
			"died",
			run->id, (int)run->shim_pid);
	/* What the agent says of a program, which other failures do not have in them. */
	if (strstr(err_msg(why), "exec: \"")) {
		if (why->code == -ENOENT)
			return STATUS_NOT_FOUND;
		if (why->code == -EACCES)
			return STATUS_NOT_EXECUTABLE;
	}
	return 1;
}

static int attend(struct run *run, struct err *err)
{
	struct err late = ERR_INIT;
	int status = 0, r = prepare(run, err);

	if (r < 0)
		return r; /* nothing was started */
	r = start_shim(run, err);
	if (r == 0)
		r = run_container(run, &status, err);
	if (r == 0) {
		finish(run);
	} else {
		give_up(run, r);
		status = failure_status(run, err);
		cli_error(err);
	}
	if (r != -EEXIST && clear_rest(run, &late) < 0) {
		cli_error(&late);
		status = status ? status : 1;
	}
	return status;
}

static int run_command(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct run run = { .cli = cli, .id = argv[0], .owner = -1 };
	int r;

	(void)argc;
	r = attend(&run, err);
	task_free(run.task);
	loop_free(run.loop);
	close_fd(&run.owner);
	if (run.spec)
		grpc__spec__free_unpacked(run.spec, NULL);
	config_free(run.config);
	free(run.bundle);
	return r;
}

const struct command cmd_run = {
	.name = "run",
	.args = "[options] ID",
	.help = "run a container in a virtual machine of its own and wait for its end",
	.more = "The exit status is the container's own; 127 or 126 when its command cannot be found\n"
		"or executed; 128 + signal when a signal ends the start; 1 when anything else fails.",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run_command,
};
