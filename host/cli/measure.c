/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/sandbox/state.h"

#define PLACE "/run/kata-containers"

/* Each is measured so often; the median counts. */
#define RUNS 3

/* What the original waits for an agent and a container, and then some. */
#define START_LIMIT_MS	180000
#define DELETE_LIMIT_MS 60000
/* For a start that is to end. */
#define UNDO_LIMIT_MS 30000
#define KILL_LIMIT_MS 5000

/* A guest that has just come up is still busy. */
#define SETTLE_MS 500

#define WORDS_MAX 400

static const char spec_text[] =
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},"
	"\"args\":[\"/pause\"],\"cwd\":\"/\"},\"root\":{\"path\":\"rootfs\"},"
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},"
	"{\"type\":\"uts\"},{\"type\":\"network\"}]}}";

struct measuring {
	const struct cli *cli;
	struct loop *loop;
	struct loop_source *signals[4];
	int signo; /* that asks us to end; 0: none */
	char dir[sizeof(PLACE "/measure-XXXXXX")];
	/* The child that is waited for. */
	bool ended;
	int status;
};

/* ---- children -------------------------------------------------------------------- */

static void on_child(pid_t pid, int status, void *arg)
{
	struct measuring *m = arg;

	(void)pid;
	m->ended = true;
	m->status = status;
}

/* Until the child has ended, the limit is over or, with @stoppable, a signal has come. */
static void wait_child(struct measuring *m, int64_t ms, bool stoppable)
{
	int64_t end = loop_now_ms() + ms, now;

	while (!m->ended && !(stoppable && m->signo) && (now = loop_now_ms()) < end)
		loop_step(m->loop, (int)(end - now));
}

/* This program again: @words behind its global flags. 0 or -errno; -EINTR after a signal. */
static int run_self(struct measuring *m, const char *config, const struct strv *words,
		    int64_t limit, bool stoppable, struct err *err)
{
	auto_free char *file = path_join(m->dir, "messages");
	auto_close int messages = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	auto_strv struct strv argv = { 0 };
	auto_str struct str said = STR_INIT;
	struct proc_spec spec = { .path = "/proc/self/exe",
				  .stdio = { -1, -1, messages },
				  .new_session = true,
				  .die_with_parent = true };
	struct loop_source *src;
	struct proc proc;
	int r;

	strv_add(&argv, "kata-runtime");
	strv_addf(&argv, "--config=%s", config);
	strv_addf(&argv, "--root=%s", m->cli->root);
	if (m->cli->log)
		strv_addf(&argv, "--log=%s", m->cli->log);
	for (size_t i = 0; i < words->n; i++)
		strv_add(&argv, words->v[i]);
	spec.argv = (const char *const *)argv.v;
	r = proc_spawn(&spec, &proc, err);
	if (r < 0)
		return r;
	m->ended = false;
	src = loop_add_child(m->loop, proc.pid, proc.pidfd, on_child, m);
	wait_child(m, limit, stoppable);
	if (!m->ended) {
		r = m->signo && stoppable ? -EINTR : -ETIMEDOUT;
		kill(proc.pid, SIGTERM);
		wait_child(m, UNDO_LIMIT_MS, false);
		if (!m->ended)
			kill(proc.pid, SIGKILL);
		wait_child(m, KILL_LIMIT_MS, false);
		loop_remove(&src);
		return err_set(err, -r, r == -EINTR ? "interrupted" : "no end within %d s",
			       (int)(limit / 1000));
	}
	if (WIFEXITED(m->status) && WEXITSTATUS(m->status) == 0)
		return 0;
	file_read(file, PATH_MAX, &said, NULL);
	while (said.len && said.data[said.len - 1] == '\n')
		said.data[--said.len] = '\0';
	return err_set(err, EIO, "%.*s", WORDS_MAX, said.len ? str_text(&said) : "it failed");
}

/* ---- one container ------------------------------------------------------------------ */

static long weigh(const struct measuring *m, const char *id, struct err *err)
{
	struct sandbox_state *st = NULL;
	auto_free int *pids = NULL;
	long kib;

	if (state_load(m->cli->root, id, &st, err) < 0)
		return -1;
	pids = xcalloc(st->n_processes + 1, sizeof(*pids));
	for (size_t i = 0; i < st->n_processes; i++)
		pids[i] = st->processes[i].pid;
	kib = measure_memory(pids, st->n_processes);
	state_free(st);
	if (kib < 0)
		err_set(err, EPIPE, "a process of the machine has ended");
	return kib;
}

static void settle(struct measuring *m)
{
	m->ended = false;
	wait_child(m, SETTLE_MS, true);
}

static int measure_once(struct measuring *m, const char *config, const char *id, long *ms,
			long *kib, struct err *err)
{
	auto_strv struct strv start = { 0 }, end = { 0 };
	struct err undone = ERR_INIT;
	int64_t begun = loop_now_ms();
	int r;

	strv_add(&start, "run");
	strv_add(&start, "--detach");
	strv_addf(&start, "--bundle=%s", m->dir);
	strv_add(&start, id);
	r = run_self(m, config, &start, START_LIMIT_MS, true, err);
	*ms = (long)(loop_now_ms() - begun);
	if (r == 0) {
		settle(m);
		*kib = weigh(m, id, err);
		r = *kib < 0 ? err->code : 0;
	}
	/* Also after a failure: it may have left something, and says nothing when not. */
	strv_add(&end, "delete");
	strv_add(&end, "--force");
	strv_add(&end, id);
	if (run_self(m, config, &end, DELETE_LIMIT_MS, false, &undone) < 0) {
		cli_warn("container %s: %s", id, err_msg(&undone));
		if (r == 0)
			r = err_set(err, -undone.code, "%s", undone.msg);
	}
	if (r == 0 && m->signo)
		r = err_set(err, EINTR, "interrupted");
	return r;
}

static int by_size(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

/* -EINTR when all is to end; what else goes wrong is noted. */
static int measure_choice(struct measuring *m, struct choice *c, struct err *err)
{
	auto_free char *id = xasprintf("measure-%s-%d", c->row->name, (int)getpid());
	long ms[RUNS], kib[RUNS];
	int r = 0;

	for (int i = 0; r == 0 && i < RUNS; i++) {
		fprintf(stderr, "measuring %s (%d of %d)\n", c->row->name, i + 1, RUNS);
		r = measure_once(m, c->file, id, &ms[i], &kib[i], &c->failed);
	}
	if (r == -EINTR)
		return err_set(err, EINTR, "interrupted");
	if (r == 0) {
		qsort(ms, RUNS, sizeof(*ms), by_size);
		qsort(kib, RUNS, sizeof(*kib), by_size);
		c->start_ms = ms[RUNS / 2];
		c->memory_kib = kib[RUNS / 2];
	}
	return 0;
}

/* ---- around them ------------------------------------------------------------------- */

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	struct measuring *m = arg;

	m->signo = (int)info->ssi_signo;
}

static int put_file(const char *dir, const char *name, const void *data, size_t size, mode_t mode,
		    struct err *err)
{
	auto_free char *path = path_join(dir, name);

	return file_replace(path, data, size, mode, err);
}

static int make_bundle(struct measuring *m, struct err *err)
{
	auto_free char *rootfs = NULL;
	const void *program;
	size_t size;
	int r = dir_make(PLACE, 0755, err);

	if (r < 0)
		return r;
	memcpy(m->dir, PLACE "/measure-XXXXXX", sizeof(m->dir));
	if (!mkdtemp(m->dir)) {
		m->dir[0] = '\0';
		return err_sys(err, errno, "cannot make a directory in " PLACE);
	}
	rootfs = path_join(m->dir, "rootfs");
	program = measure_program(&size);
	r = dir_make(rootfs, 0755, err);
	if (r == 0)
		r = put_file(rootfs, "pause", program, size, 0755, err);
	return r == 0 ? put_file(m->dir, "config.json", spec_text, strlen(spec_text), 0644, err) :
			r;
}

static int begin(struct measuring *m, struct err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	m->loop = loop_new();
	if (!m->loop)
		return err_sys(err, errno, "cannot make an event loop");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		m->signals[i] = loop_add_signal(m->loop, signals[i], on_signal, m);
		if (!m->signals[i])
			return err_sys(err, errno, "cannot take over the signals");
	}
	return make_bundle(m, err);
}

int measure(const struct cli *cli, struct choice *choices, size_t n, struct err *err)
{
	struct measuring m = { .cli = cli };
	struct err late = ERR_INIT;
	int r = begin(&m, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (choices[i].usable)
			r = measure_choice(&m, &choices[i], err);
	if (*m.dir && tree_remove(m.dir, &late) < 0)
		cli_warn("%s", err_msg(&late));
	loop_free(m.loop);
	return r;
}
