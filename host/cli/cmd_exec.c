/* SPDX-License-Identifier: Apache-2.0 */
/* exec: one more process in a container that runs. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/cli/attach.h"
#include "host/cli/console.h"
#include "host/cli/debug_console.h"
#include "host/cli/exec_process.h"
#include "host/cli/newlines.h"
#include "host/cli/opened.h"
#include "host/cli/pid_file.h"
#include "host/cli/standin.h"

#define ASK_LIMIT_MS   10000
#define START_LIMIT_MS 60000
#define STANDIN_END_MS 2000
#define LINES_END_MS   2000
#define PAUSED_LOOK_MS 100

/* As engines and runc know them. */
#define STATUS_KILLED 137
#define STATUS_FAILED 255

static struct exec_options process_opt;
static struct {
	bool detach, ignore_paused, no_subreaper;
	const char *pid_file, *console_socket, *preserve_fds, *debug_port, *cgroup;
} opt = { .debug_port = "1026" };

static const struct flag flags[] = {
	{ "process", "p", FLAG_STRING, &process_opt.process, "FILE",
	  "the process as JSON; - is standard input" },
	{ "detach", "d", FLAG_BOOL, &opt.detach, NULL, "return when the process runs" },
	{ "tty", "t", FLAG_BOOL, &process_opt.tty, NULL, "give it a terminal" },
	{ "user", "u", FLAG_STRING, &process_opt.user, "UID[:GID]", "whose process it is" },
	{ "additional-gids", "g", FLAG_LIST, &process_opt.gids, "GID", "one more group" },
	{ "cwd", NULL, FLAG_STRING, &process_opt.cwd, "DIR", "where it starts" },
	{ "env", "e", FLAG_LIST, &process_opt.env, "NAME=VALUE", "one more variable" },
	{ "cap", "c", FLAG_LIST, &process_opt.caps, "CAPABILITY", "one more capability" },
	{ "no-new-privs", NULL, FLAG_BOOL, &process_opt.no_new_privs, NULL,
	  "no program gives it more rights" },
	{ "apparmor", NULL, FLAG_STRING, &process_opt.apparmor, "PROFILE", "AppArmor's profile" },
	{ "process-label", NULL, FLAG_STRING, &process_opt.label, "LABEL", "SELinux's label" },
	{ "cgroup", NULL, FLAG_STRING, &opt.cgroup, "PATH",
	  "only /: the process is in the container's control group in the guest" },
	{ "pid-file", NULL, FLAG_STRING, &opt.pid_file, "FILE", "write its process ID to FILE" },
	{ "console-socket", NULL, FLAG_STRING, &opt.console_socket, "SOCKET",
	  "send its terminal to SOCKET" },
	{ "preserve-fds", NULL, FLAG_STRING, &opt.preserve_fds, "N",
	  "only 0: descriptors cannot go into a machine" },
	{ "ignore-paused", NULL, FLAG_BOOL, &opt.ignore_paused, NULL,
	  "in a paused container: start it when the container goes on" },
	{ "no-subreaper", NULL, FLAG_BOOL, &opt.no_subreaper, NULL,
	  "accepted; nothing here is a subreaper" },
	{ "kata-debug-port", NULL, FLAG_STRING, &opt.debug_port, "PORT",
	  "without a command: where the guest's debug console is (1026)" },
	{ 0 },
};

struct exec {
	const struct cli *cli;
	const char *id;
	char exec_id[33];
	struct opened o;
	struct attach attach;
	Grpc__Process *process;
	struct standin standin;
	pid_t container;       /* what stands for the container */
	int console;	       /* the caller's socket; -1: none */
	int terminal;	       /* what the process gets of it; -1: none */
	struct newlines lines; /* where its terminal leads to none */
	struct pid_file pid_file;
	bool ended;
	int status;
};

/* ---- before anything is started --------------------------------------------- */

static int check_options(int argc, struct err *err)
{
	long long n;

	if (process_opt.process && argc > 1)
		return err_set(err, EINVAL,
			       "flag --process: the command is in the file; there must "
			       "be none behind the ID");
	if (opt.preserve_fds && str_to_ll(opt.preserve_fds, 0, 1 << 20, &n) < 0)
		return err_set(err, EINVAL, "flag --preserve-fds takes a number, not \"%s\"",
			       opt.preserve_fds);
	if (opt.preserve_fds && n > 0)
		return err_set(err, EOPNOTSUPP,
			       "flag --preserve-fds: descriptors cannot go into a virtual machine; "
			       "only 0 is possible");
	if (opt.cgroup && strcmp(opt.cgroup, "/") != 0)
		return err_set(err, EOPNOTSUPP,
			       "flag --cgroup: \"%s\": groups below the container's own cannot be "
			       "entered from outside the virtual machine; only / is possible",
			       opt.cgroup);
	return 0;
}

static int check_terminal(struct exec *e, struct err *err)
{
	bool terminal = e->process->terminal;

	if (opt.console_socket && (!opt.detach || !terminal))
		return err_set(err, EINVAL,
			       "flag --console-socket: the process is not detached, or "
			       "has no terminal");
	if (opt.detach && terminal && !opt.console_socket)
		return err_set(err, EINVAL,
			       "a detached process with a terminal needs "
			       "--console-socket");
	/* Its input would never end, and nobody could type. */
	if (!opt.detach && terminal && !attach_has_terminal())
		return err_set(err, ENOTTY, "a terminal is wanted, but there is none");
	if (!opt.console_socket)
		return 0;
	e->console = console_connect(opt.console_socket, err);
	return e->console < 0 ? e->console : 0;
}

/* A paused container goes on some time, or not: a signal ends the wait. */
static int wait_while_paused(struct exec *e, const char **status, struct err *err)
{
	int r = 0;

	while (r == 0 && *status && strcmp(*status, "paused") == 0) {
		int64_t end = loop_now_ms() + PAUSED_LOOK_MS;

		while (loop_now_ms() < end)
			loop_step(e->o.loop, PAUSED_LOOK_MS);
		r = task_state(e->o.task, status, &e->container, ASK_LIMIT_MS, err);
	}
	return r;
}

static int check_state(struct exec *e, struct err *err)
{
	const char *status = NULL;
	int r = task_state(e->o.task, &status, &e->container, ASK_LIMIT_MS, err);

	if (r == 0 && opt.ignore_paused)
		r = wait_while_paused(e, &status, err);
	if (r < 0)
		return r;
	if (!status || strcmp(status, "running") == 0 || strcmp(status, "created") == 0)
		return 0;
	if (strcmp(status, "paused") == 0)
		return err_set(err, EBUSY,
			       "cannot exec in a paused container: %s (--ignore-paused waits)",
			       e->id);
	return err_set(err, EBUSY, "container %s is stopped", e->id);
}

/* Nobody else's, whatever processes there are. */
static int name_process(struct exec *e, struct err *err)
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return err_sys(err, errno, "getrandom");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(e->exec_id + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int prepare(struct exec *e, int argc, char **argv, struct err *err)
{
	struct state_container *c;
	int r = check_options(argc, err);

	if (r == 0)
		r = pid_file_check(&e->pid_file, err);
	if (r == 0)
		r = opened_open(&e->o, e->cli, e->id, err);
	if (r < 0)
		return r;
	r = attach_begin(&e->attach, e->o.loop);
	if (r < 0)
		return err_sys(err, r, "cannot take over the signals");
	task_set_stop(e->o.task, &e->attach.stop);
	c = state_find_container(e->o.st, e->id);
	r = exec_process(&process_opt, c && c->bundle ? c->bundle : e->o.st->bundle, argc - 1,
			 argv + 1, &e->process, err);
	if (r == 0)
		r = check_terminal(e, err);
	if (r == 0)
		r = check_state(e, err);
	return r < 0 ? r : name_process(e, err);
}

/* ---- the process ------------------------------------------------------------ */

static int start_standin(struct exec *e, struct err *err)
{
	const Grpc__Box *size = e->process->consolesize;
	auto_strv struct strv list = { 0 };

	if (e->console >= 0) {
		e->terminal = console_send(e->console, size ? size->height : 0,
					   size ? size->width : 0, err);
		if (e->terminal < 0)
			return e->terminal;
	}
	standin_for_exec(e->container, &list);
	return standin_start(e->id, &list, e->terminal, &e->standin, err);
}

static int start(struct exec *e, struct err *err)
{
	int stdio[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	pid_t pid = 0;
	int r = start_standin(e, err);

	if (r < 0)
		return r;
	for (int i = 0; i < 3 && e->terminal >= 0; i++)
		stdio[i] = e->terminal;
	if (e->process->terminal && !opt.detach && !isatty(STDOUT_FILENO)) {
		r = newlines_begin(&e->lines, e->o.loop, err);
		if (r < 0)
			return r;
		stdio[STDOUT_FILENO] = e->lines.to;
	}
	task_set_exec(e->o.task, e->exec_id);
	r = task_exec(e->o.task, e->process, stdio, &e->standin, ASK_LIMIT_MS, err);
	close_fd(&e->standin.shim);
	close_fd(&e->terminal);
	close_fd(&e->lines.to);
	if (r == 0 && e->process->terminal && !opt.detach)
		attach_resize(e->o.task); /* so that the first look at it is right */
	if (r == 0)
		r = pid_file_write(&e->pid_file, e->standin.pid, err);
	if (r == 0)
		r = task_start(e->o.task, &pid, START_LIMIT_MS, err);
	if (r == 0)
		log_info("process %s of container %s runs, process %d", e->exec_id, e->id,
			 (int)pid);
	return r;
}

static void on_child(pid_t pid, int status, void *arg)
{
	struct exec *e = arg;

	(void)pid;
	e->ended = true;
	e->standin.pid = 0;
	e->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What stands for the process ends when it does, and as it does. */
static int wait_for_end(struct exec *e, struct err *err)
{
	if (!loop_add_child(e->o.loop, e->standin.pid, take_fd(&e->standin.pidfd), on_child, e))
		return err_sys(err, errno, "cannot wait for the process");
	attach_to(&e->attach, e->o.task, e->process->terminal);
	while (!e->ended && loop_step(e->o.loop, -1) == 0)
		;
	attach_end(&e->attach);
	/* What the stand-in then ends with is the status of what was killed. */
	loop_step(e->o.loop, 0);
	if (e->status == STATUS_KILLED && task_lost(e->o.task))
		return err_set(
			err, ECONNRESET,
			"container %s: the sandbox process (containerd-shim-kata-v2) has died",
			e->id);
	return 0;
}

static int failure_status(const struct exec *e, struct err *err)
{
	int signo = e->attach.stop;

	if (signo) {
		err_set(err, EINTR, "given up by SIG%s", sigabbrev_np(signo));
		return 128 + signo;
	}
	if (e->ended)
		return e->status;
	if (err->code == -ECONNRESET)
		err_set(err, ECONNRESET,
			"container %s: the sandbox process (containerd-shim-kata-v2) has died",
			e->id);
	return STATUS_FAILED;
}

static int attend(struct exec *e, int argc, char **argv, struct err *err)
{
	int r = prepare(e, argc, argv, err), status;

	if (r == 0)
		r = start(e, err);
	if (r == 0 && opt.detach) {
		r = standin_release(&e->standin);
		if (r < 0)
			err_sys(err, r, "what stands for the process on the host has died");
	}
	if (r == 0 && !opt.detach)
		r = wait_for_end(e, err);
	if (r == 0)
		return e->status;
	attach_end(&e->attach);
	pid_file_remove(&e->pid_file);
	status = failure_status(e, err);
	err_wrap(err, "exec failed");
	cli_error(err);
	return status;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct exec e = {
		.cli = cli,
		.id = argv[0],
		.standin = STANDIN_NONE,
		.console = -1,
		.terminal = -1,
		.lines = NEWLINES_NONE,
		.pid_file = { .path = opt.pid_file },
	};
	int r;

	if (argc == 1 && !process_opt.process)
		return debug_console(cli, argv[0], opt.debug_port, err);
	r = attend(&e, argc, argv, err);
	/* One that was not released ends, and the process with it. */
	standin_close(&e.standin, opt.detach && r == 0 ? 0 : STANDIN_END_MS);
	close_fd(&e.console);
	close_fd(&e.terminal);
	if (e.process)
		grpc__process__free_unpacked(e.process, NULL);
	newlines_end(&e.lines, LINES_END_MS);
	opened_close(&e.o);
	return r;
}

const struct command cmd_exec = {
	.name = "exec",
	.args = "[options] ID [COMMAND [ARGUMENT...]]",
	.help = "run one more process in a container",
	.more = "The exit status is the process's own, or 255 when it could not be started. Without a command it opens the debug\n"
		"console of the guest that ID, a sandbox, runs in.",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
