/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/shim_start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/program.h"
#include "base/str.h"

#define SHIM_NAME      "containerd-shim-kata-v2"
#define START_LIMIT_MS 10000
#define OUTPUT_MAX     16384

/* `shim start` while it runs. */
struct starting {
	bool ended, timed_out;
	int status;
};

static void on_end(pid_t pid, int status, void *arg)
{
	struct starting *s = arg;

	(void)pid;
	s->ended = true;
	s->status = status;
}

static void on_limit(void *arg)
{
	struct starting *s = arg;

	s->timed_out = true;
}

/* Wait for the end of @proc, or kill it. Returns 0, -ETIMEDOUT or -EINTR. */
static int wait_for_end(struct loop *loop, struct proc *proc, const int *stop, struct starting *s)
{
	struct loop_source *child = loop_add_child(loop, proc->pid, proc->pidfd, on_end, s);
	struct loop_source *limit = loop_add_timer(loop, START_LIMIT_MS, on_limit, s);
	int r = 0;

	while (!s->ended && !s->timed_out && r == 0)
		r = *stop ? -EINTR : loop_step(loop, -1);
	if (!s->ended) {
		kill(proc->pid, SIGKILL);
		loop_remove(&child);
		waitpid(proc->pid, &s->status, 0);
		r = s->timed_out ? -ETIMEDOUT : r;
	}
	if (!s->timed_out)
		loop_remove(&limit);
	return s->ended ? 0 : r;
}

/*
 * What is in the pipe now: the shim that goes on running may hold its other
 * end, so that no end of file would come.
 */
static void drain(int fd, struct str *out)
{
	char buf[1024];
	ssize_t n;

	while (out->len < OUTPUT_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add(out, buf, (size_t)n);
	while (out->len > 0 && strchr("\r\n\t ", out->data[out->len - 1]))
		out->data[--out->len] = '\0';
}

/* The last line of @text, which is what the shim ended with. */
static const char *last_line(const struct str *text)
{
	const char *nl = strrchr(str_text(text), '\n');

	return nl ? nl + 1 : str_text(text);
}

/* Make a pipe whose reading end does not block. */
static int make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	return fd_set_nonblock(fds[0], true);
}

static int judge(const char *path, const struct starting *s, const struct str *out,
		 const struct str *errors, char **address, struct err *err)
{
	const char *said = last_line(errors);

	if (s->status != 0) {
		if (*said)
			/* EEXIST must be known apart: that sandbox is not ours. */
			return err_set(err, strstr(said, "already exists") ? EEXIST : EIO, "%s",
				       said);
		if (WIFSIGNALED(s->status))
			return err_set(err, EIO, "%s start was killed by signal %d", path,
				       WTERMSIG(s->status));
		return err_set(err, EIO, "%s start failed with status %d", path,
			       WEXITSTATUS(s->status));
	}
	if (!str_starts(str_text(out), "unix://"))
		return err_set(err, EPROTO, "%s start gave no address but \"%s\"", path,
			       str_text(out));
	*address = xstrdup(str_text(out));
	return 0;
}

static void make_arguments(const struct shim_options *opt, const char *path, struct strv *argv)
{
	const char *const flags[][2] = {
		{ "-namespace", "default" }, { "-id", opt->id },	 { "-bundle", opt->bundle },
		{ "-root", opt->root },	     { "-config", opt->config }, { "-log", opt->log },
	};

	strv_add(argv, path);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i][1]) {
			strv_add(argv, flags[i][0]);
			strv_add(argv, flags[i][1]);
		}
	}
	if (opt->debug)
		strv_add(argv, "-debug");
	if (opt->log_json)
		strv_add(argv, "-log-json");
	strv_add(argv, "-owner-fd");
	strv_addf(argv, "%d", opt->owner_fd);
	strv_add(argv, "start");
}

int shim_start(struct loop *loop, const struct shim_options *opt, char **address, struct err *err)
{
	auto_free char *path = own_program(SHIM_NAME, "../shim");
	auto_strv struct strv argv = { 0 };
	int out[2] = { -1, -1 }, errors[2] = { -1, -1 };
	auto_str struct str said = STR_INIT, failed = STR_INIT;
	struct starting s = { 0 };
	struct proc proc;
	int r;

	make_arguments(opt, path, &argv);
	r = make_pipe(out);
	if (r == 0)
		r = make_pipe(errors);
	if (r < 0) {
		err_sys(err, r, "cannot make a pipe");
	} else {
		const struct proc_spec spec = {
			.argv = (const char *const *)argv.v,
			.stdio = { -1, out[1], errors[1] },
			.keep = &opt->owner_fd,
			.nkeep = 1,
			.cwd = opt->bundle,
			.new_session = true, /* Ctrl-C is for us to handle */
		};

		r = proc_spawn(&spec, &proc, err);
	}
	close_fd(&out[1]);
	close_fd(&errors[1]);
	if (r == 0) {
		r = wait_for_end(loop, &proc, opt->stop, &s);
		drain(out[0], &said);
		drain(errors[0], &failed);
		if (r < 0)
			err_set(err, r, "%s start did not end within %d s", path,
				START_LIMIT_MS / 1000);
		else
			r = judge(path, &s, &said, &failed, address, err);
	}
	close_fd(&out[0]);
	close_fd(&errors[0]);
	return r;
}
