/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/sandbox/kind.h"
#include "host/sandbox/state.h"
#include "host/shim/actions.h"
#include "host/shim/bootstrap.h"
#include "host/shim/traces.h"
#include "oci/spec.h"

/* Below kata-runtime's and containerd's own patience. */
#define READY_LIMIT_MS 5000

/* What is on the way to a server. */
struct starting {
	const struct bootstrap *boot;
	const struct cmdline *cl; /* boot's */
	struct shim_options opt;
	int listener;
	int ready[2]; /* a pipe: the server says "ok", or what is wrong */
	bool fifo;    /* the log is containerd's */
	struct proc server;
};

/*
 * containerd reads the FIFO `log` of the bundle. It is opened for reading too,
 * so that neither opening nor writing waits for containerd, which may be
 * started anew meanwhile.
 */
static int open_log(struct starting *st, struct err *err)
{
	auto_free char *fifo = path_join(st->opt.bundle, "log");
	auto_free char *file = xasprintf("%s/%s/%s", st->opt.root, st->opt.id, SANDBOX_LOG);
	const char *path = st->cl->log && *st->cl->log ? st->cl->log : file;
	struct stat sb;
	int fd;

	st->fifo = path == file && lstat(fifo, &sb) == 0 && S_ISFIFO(sb.st_mode);
	if (st->fifo)
		fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	else
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
			  0640);
	return fd < 0 ? err_sys(err, errno, "%s: cannot open the log", path) : fd;
}

static void add_flag(struct strv *argv, const char *name, const char *value)
{
	if (value && *value)
		strv_addf(argv, "-%s=%s", name, value);
}

static int make_argv(const struct starting *st, struct strv *argv, struct err *err)
{
	const struct cmdline *cl = st->cl;
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_sys(err, errno, "/proc/self/exe");
	self[n] = '\0';
	strv_add(argv, self);
	add_flag(argv, "namespace", cl->namespace);
	add_flag(argv, "address", cl->address);
	add_flag(argv, "publish-binary", cl->publish_binary);
	add_flag(argv, "id", cl->id);
	add_flag(argv, "bundle", st->opt.bundle);
	add_flag(argv, "root", cl->root);
	add_flag(argv, "config", cl->config);
	if (cl->debug)
		strv_add(argv, "-debug");
	if (cl->log_json)
		strv_add(argv, "-log-json");
	if (st->fifo)
		strv_add(argv, "-log-fields");
	if (cl->owner_fd >= 0)
		strv_addf(argv, "-owner-fd=%d", cl->owner_fd);
	strv_addf(argv, "-listen-fd=%d", st->listener);
	strv_addf(argv, "-ready-fd=%d", st->ready[1]);
	return 0;
}

static int spawn_server(struct starting *st, struct err *err)
{
	auto_close int log_fd = open_log(st, err);
	auto_strv struct strv argv = { 0 };
	int keep[] = { st->listener, st->ready[1], st->cl->owner_fd };
	struct proc_spec spec = {
		.stdio = { -1, log_fd, log_fd },
		.keep = keep,
		.nkeep = st->cl->owner_fd >= 0 ? 3 : 2,
		.cwd = st->opt.bundle,
		.new_session = true,
	};
	int r;

	if (log_fd < 0)
		return log_fd;
	r = make_argv(st, &argv, err);
	if (r < 0)
		return r;
	spec.argv = (const char *const *)argv.v;
	return proc_spawn(&spec, &st->server, err);
}

/* Wait for the server's word. */
static int await_ready(struct starting *st, struct err *err)
{
	char word[ERR_MSG_MAX];
	size_t len = 0;
	ssize_t n = 1;

	close_fd(&st->ready[1]);
	while (n > 0 && len < sizeof(word) - 1) {
		int r = fd_poll(st->ready[0], POLLIN, READY_LIMIT_MS);

		if (r <= 0)
			return err_set(err, r ? r : ETIMEDOUT, "the shim does not begin to serve");
		n = read(st->ready[0], word + len, sizeof(word) - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	word[len] = '\0';
	if (!strcmp(word, "ok"))
		return 0;
	return err_set(err, EIO, "%s", len ? word : "the shim died before it served");
}

/* It is as dear as its caller, and a little less: as containerd's own shims. */
static void adjust_oom_score(pid_t pid)
{
	auto_free char *mine = xasprintf("/proc/%d/oom_score_adj", (int)getppid());
	auto_free char *its = xasprintf("/proc/%d/oom_score_adj", (int)pid);
	auto_str struct str text = STR_INIT;
	auto_free char *score = NULL;
	long v;

	if (file_read(mine, 64, &text, NULL) < 0)
		return;
	v = strtol(str_text(&text), NULL, 10) + 1;
	score = xasprintf("%ld", v > 1000 ? 1000 : v);
	/* Without CAP_SYS_RESOURCE a lower score than before is refused: then it stays. */
	(void)file_write_knob(its, score, strlen(score), NULL);
}

static void kill_server(struct starting *st)
{
	if (st->server.pid <= 0)
		return;
	kill(st->server.pid, SIGKILL);
	waitpid(st->server.pid, NULL, 0);
}

static int start_server(struct starting *st, struct err *err)
{
	struct err ignored = ERR_INIT;
	int r = traces_claim(&st->opt, &st->listener, err);

	if (r < 0)
		return r;
	if (pipe2(st->ready, O_CLOEXEC) < 0)
		r = err_sys(err, errno, "cannot make a pipe");
	if (r == 0)
		r = spawn_server(st, err);
	if (r == 0)
		r = await_ready(st, err);
	if (r == 0) {
		adjust_oom_score(st->server.pid);
		if (st->cl->owner_fd < 0)
			traces_write_address(&st->opt, st->server.pid);
		r = bootstrap_answer(st->boot, st->opt.address, err);
	}
	if (r < 0) {
		kill_server(st);
		(void)traces_remove(&st->opt, &ignored); /* @err tells what went wrong first */
	}
	return r;
}

/* The sandbox of a pod serves all of the pod's containers. */
static int print_sandbox_address(const struct bootstrap *boot, const char *sandbox, struct err *err)
{
	const struct cmdline *cl = &boot->cl;
	struct sandbox_state *st = NULL;
	int r = state_load(cl->root, sandbox, &st, err);

	if (r < 0)
		return err_wrap(err, "container %s: its pod's sandbox", cl->id);
	if (!state_shim_alive(st) || !st->address)
		r = err_set(err, ESRCH, "container %s: its pod's sandbox %s has ended", cl->id,
			    sandbox);
	else
		r = bootstrap_answer(boot, st->address, err);
	state_free(st);
	return r;
}

/*
 * What the bundle holds. Without a specification it is a pod's whose sandbox comes by the
 * Sandbox service, if the caller knows of that.
 */
static int look(const struct bootstrap *boot, const char *bundle, enum kind *kind, char **sandbox,
		struct err *err)
{
	auto_free char *path = path_join(bundle, "config.json");
	Grpc__Spec *spec = NULL;
	const char *id = NULL;
	int r;

	*kind = KIND_SANDBOX;
	if (boot->sandboxes && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = oci_spec_load(bundle, &spec, err);
	if (r < 0)
		return r;
	r = kind_of(spec, kind, &id, err);
	*sandbox = xstrdup(id);
	grpc__spec__free_unpacked(spec, NULL);
	return r;
}

static int start(const struct bootstrap *boot, struct err *err)
{
	const struct cmdline *cl = &boot->cl;
	struct starting st = {
		.boot = boot, .cl = cl, .listener = -1, .ready = { -1, -1 }, .server = { 0, -1 }
	};
	auto_free char *address =
		xasprintf("unix://%s/%s/%s", cl->root, cl->id ? cl->id : "", SANDBOX_SOCKET);
	auto_free char *bundle = NULL, *sandbox = NULL;
	enum kind kind;
	int r = action_check(cl, err);

	if (r < 0)
		return r;
	bundle = action_bundle(cl, err);
	if (!bundle)
		return err->code;
	st.opt = (struct shim_options){
		.id = cl->id, .root = cl->root, .bundle = bundle, .address = address
	};
	r = look(boot, bundle, &kind, &sandbox, err);
	if (r == 0 && kind == KIND_CONTAINER)
		r = print_sandbox_address(boot, sandbox, err);
	else if (r == 0)
		r = start_server(&st, err);
	close_fd(&st.listener);
	close_fd(&st.ready[0]);
	close_fd(&st.ready[1]);
	close_fd(&st.server.pidfd);
	return r;
}

int action_start(const struct cmdline *cl, struct err *err)
{
	struct bootstrap boot;
	int r;

	bootstrap_read(cl, STDIN_FILENO, &boot);
	if (boot.config)
		boot.cl.config = boot.config;
	r = start(&boot, err);
	bootstrap_free(&boot);
	return r;
}
