/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hooks/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/hooks/guard.h"
#include "host/hypervisor/tail.h"

/* How much of its last line an error can carry. */
#define WORDS_MAX 400

struct hook {
	struct loop *loop;
	char *name;		     /* "hooks.prestart[0] (/path)" */
	pid_t guard;		     /* 0 once it is reaped */
	int owner;		     /* closing it is the order to kill */
	int input;		     /* -1 when all is written, or nobody reads */
	struct str text;	     /* what is still to be written */
	struct tail *says, *laments; /* standard output and error */
	struct loop_source *child, *writer, *limit;
	int64_t limit_ms;
	bool late;
	hook_done done;
	void *arg;
};

int64_t hook_limit_ms(const Grpc__Hook *spec)
{
	if (spec->timeout <= 0)
		return HOOK_LIMIT_MS;
	return spec->timeout < INT64_MAX / 1000 ? spec->timeout * 1000 : INT64_MAX / 2;
}

static void end_input(struct hook *h)
{
	loop_remove(&h->writer);
	close_fd(&h->input);
}

/* ---- the end -------------------------------------------------------------------- */

/* ": " and the last line that it wrote to its standard error; "" for none. The caller frees. */
static char *last_words(struct hook *h)
{
	auto_strv struct strv lines = { 0 };

	tail_drain(h->says);
	tail_drain(h->laments);
	tail_lines(h->laments, &lines);
	return xasprintf("%s%.*s", lines.n ? ": " : "", WORDS_MAX,
			 lines.n ? lines.v[lines.n - 1] : "");
}

static void finish(struct hook *h, int status)
{
	auto_free char *words = last_words(h);
	struct err err = ERR_INIT;

	end_input(h);
	close_fd(&h->owner);
	loop_remove(&h->limit);
	loop_remove(&h->child);
	if (h->late)
		err_set(&err, EIO, "%s: did not end within %lld s and was killed%s", h->name,
			(long long)(h->limit_ms / 1000), words);
	else if (WIFSIGNALED(status))
		err_set(&err, EIO, "%s: was killed by signal %d%s", h->name, WTERMSIG(status),
			words);
	else if (WEXITSTATUS(status) != 0)
		err_set(&err, EIO, "%s: ended with status %d%s", h->name, WEXITSTATUS(status),
			words);
	h->done(err.code ? &err : NULL, h->arg);
}

static void on_exit_status(pid_t pid, int status, void *arg)
{
	struct hook *h = arg;

	(void)pid;
	h->child = NULL;
	h->guard = 0;
	finish(h, status);
}

/* Not even SIGKILL ends it: it hangs in the kernel. */
static void on_stuck(void *arg)
{
	struct hook *h = arg;

	h->limit = NULL;
	finish(h, 0);
}

static void on_limit(void *arg)
{
	struct hook *h = arg;

	h->late = true;
	close_fd(&h->owner);
	h->limit = loop_add_timer(h->loop, HOOK_KILL_MS, on_stuck, h);
}

/* ---- its input -------------------------------------------------------------------- */

static void on_writable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct hook *h = arg;
	ssize_t n = write(fd, str_text(&h->text), h->text.len);

	(void)src;
	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		str_drop(&h->text, (size_t)n);
	/* A hook need not care for the state: who does not read is told no more. */
	if (n < 0 || h->text.len == 0)
		end_input(h);
}

/* ---- the beginning ------------------------------------------------------------------ */

static int make_pipe(int *ours, int *its, bool we_write, struct err *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	*ours = p[we_write];
	*its = p[!we_write];
	return 0;
}

static int read_output(struct hook *h, struct tail **tail, int *its, enum log_level level,
		       struct err *err)
{
	int ours = -1, r = make_pipe(&ours, its, false, err);

	if (r < 0)
		return r;
	*tail = tail_new(h->loop, ours, h->name, level, NULL, NULL, err);
	return *tail ? 0 : err->code;
}

static int write_input(struct hook *h, struct err *err)
{
	int r = fd_set_nonblock(h->input, true);

	if (r == 0) {
		h->writer = loop_add_fd(h->loop, h->input, EPOLLOUT, on_writable, h);
		r = h->writer ? 0 : -errno;
	}
	return r < 0 ? err_sys(err, r, "its input") : 0;
}

/* A NULL-terminated copy of the pointers. */
static const char **vector(char *const *v, size_t n, const char *only)
{
	const char **out = xcalloc(n + 2, sizeof(*out));

	for (size_t i = 0; i < n; i++)
		out[i] = v[i];
	if (n == 0)
		out[0] = only;
	return out;
}

static int spawn(struct hook *h, const Grpc__Hook *spec, const struct hook_place *place,
		 const int stdio[3], int owner, struct err *err)
{
	auto_free const char **args = vector(spec->args, spec->n_args, spec->path);
	auto_free const char **env = vector(spec->env, spec->n_env, NULL);
	int keep[HOOK_NS_MAX + 2] = { owner };
	struct guard guard = {
		.owner = owner,
		.ns = place->ns,
		.n_ns = place->n_ns,
		.root = place->root,
		.cwd = place->cwd,
	};
	struct proc_spec how = {
		.path = spec->path,
		.argv = args,
		/* Without one it has ours, as with other runtimes: scripts want a PATH. */
		.envp = spec->n_env > 0 ? env : NULL,
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.keep = keep,
		.nkeep = 1,
		.new_session = true,
		.before_exec = guard_enter,
		.before_exec_arg = &guard,
	};
	struct proc proc;
	int r;

	for (size_t i = 0; i < place->n_ns; i++)
		keep[how.nkeep++] = place->ns[i];
	if (place->root >= 0)
		keep[how.nkeep++] = place->root;
	r = proc_spawn(&how, &proc, err);
	if (r < 0)
		return err_sys(err, r, "cannot be run");
	h->guard = proc.pid;
	h->child = loop_add_child(h->loop, proc.pid, proc.pidfd, on_exit_status, h);
	return h->child ? 0 : err_sys(err, errno, "epoll");
}

static int begin(struct hook *h, const Grpc__Hook *spec, const struct hook_place *place,
		 struct err *err)
{
	auto_close int in = -1, out = -1, lament = -1, owner = -1;
	int r = make_pipe(&h->input, &in, true, err);

	if (r == 0)
		r = make_pipe(&h->owner, &owner, true, err);
	if (r == 0)
		r = read_output(h, &h->says, &out, LOG_LEVEL_INFO, err);
	if (r == 0)
		r = read_output(h, &h->laments, &lament, LOG_LEVEL_WARN, err);
	if (r == 0)
		r = spawn(h, spec, place, (const int[]){ in, out, lament }, owner, err);
	return r < 0 ? r : write_input(h, err);
}

struct hook *hook_start(struct loop *loop, const char *name, const Grpc__Hook *spec,
			const struct hook_place *place, const char *text, hook_done done, void *arg,
			struct err *err)
{
	struct hook *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->name = xasprintf("%s (%s)", name, spec->path);
	h->owner = h->input = -1;
	h->done = done;
	h->arg = arg;
	h->limit_ms = hook_limit_ms(spec);
	str_puts(&h->text, text);
	if (begin(h, spec, place, err) < 0) {
		err_wrap(err, "%s", h->name);
		err->code = -EIO;
		hook_free(h);
		return NULL;
	}
	h->limit = loop_add_timer(loop, h->limit_ms, on_limit, h);
	return h;
}

/* The guard kills all and ends at once, unless the hook hangs in the kernel. */
static void reap(struct hook *h)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int i = 0; h->guard > 0 && i < 1000; i++) {
		if (waitpid(h->guard, NULL, WNOHANG) != 0)
			return;
		nanosleep(&pause, NULL);
	}
	kill(h->guard, SIGKILL);
	waitpid(h->guard, NULL, 0);
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	end_input(h);
	close_fd(&h->owner);
	loop_remove(&h->limit);
	loop_remove(&h->child);
	if (h->guard > 0)
		reap(h);
	tail_free(h->says);
	tail_free(h->laments);
	str_free(&h->text);
	free(h->name);
	free(h);
}
