/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/tail.h"

/* How much of its last words an error can carry. */
#define WORDS_MAX 400

struct child {
	struct vm *vm;
	const char *name;
	char *path;
	pid_t pid;
	int status;
	bool reaped, told;
	struct loop_source *src, *linger;
	struct tail *words;
	child_end_cb on_end;
	void *arg;
};

static void settle(struct child *c, bool now)
{
	if (c->told || !c->reaped || !(now || tail_ended(c->words)))
		return;
	c->told = true;
	loop_remove(&c->linger);
	c->on_end(c, c->arg);
}

static void on_words_end(void *arg)
{
	settle(arg, false);
}

static void on_linger(void *arg)
{
	struct child *c = arg;

	c->linger = NULL;
	settle(c, true);
}

static void on_exit_status(pid_t pid, int status, void *arg)
{
	struct child *c = arg;

	(void)pid;
	c->src = NULL;
	c->pid = 0;
	c->reaped = true;
	c->status = status;
	loop_remove(&c->linger);
	if (!tail_ended(c->words))
		c->linger = loop_add_timer(c->vm->loop, CHILD_LINGER_MS, on_linger, c);
	settle(c, false);
}

static int open_words(struct child *c, bool record, int *wr, struct err *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	*wr = p[1];
	c->words = tail_new(c->vm->loop, p[0], c->name, record ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
			    on_words_end, c, err);
	return c->words ? 0 : err->code;
}

/*
 * Into the pod's network namespace, as the original's: who looks into that by the process
 * finds it, some monitors open taps or set their MTU by name, and on the host's network
 * none of them has any business. And into the control group.
 */
static int enter(void *arg)
{
	const struct vm_spec *spec = arg;

	if (spec->netns >= 0 && setns(spec->netns, CLONE_NEWNET) < 0)
		return -errno;
	return spec->enter ? spec->enter(spec->enter_arg) : 0;
}

static int begin(struct child *c, struct proc_spec *spec, bool record, struct err *err)
{
	auto_close int wr = -1;
	struct proc proc;
	int r = open_words(c, record, &wr, err);

	if (r < 0)
		return r;
	spec->stdio[0] = -1;
	if (spec->stdio[1] <= 0)
		spec->stdio[1] = wr;
	spec->stdio[2] = wr;
	spec->die_with_parent = true;
	spec->new_session = true;
	/* One that has something of its own to do there lives in a place of its own. */
	if (!spec->before_exec) {
		spec->before_exec = enter;
		spec->before_exec_arg = (void *)(uintptr_t)c->vm->spec;
	}
	spec->until_exec = c->vm->spec->netns;
	r = proc_spawn(spec, &proc, err);
	if (r < 0)
		return r;
	c->pid = proc.pid;
	c->src = loop_add_child(c->vm->loop, proc.pid, proc.pidfd, on_exit_status, c);
	if (!c->src)
		return err_sys(err, errno, "epoll");
	if (record && c->vm->on_process) {
		r = c->vm->on_process(c->vm, c->name, c->pid, c->vm->arg);
		if (r < 0)
			return err_sys(err, r, "recording the process");
	}
	return 0;
}

struct child *child_start(struct vm *vm, const char *name, struct proc_spec *spec, bool record,
			  child_end_cb on_end, void *arg, struct err *err)
{
	struct child *c = xcalloc(1, sizeof(*c));

	c->vm = vm;
	c->name = name;
	c->path = xstrdup(spec->argv[0]);
	c->on_end = on_end;
	c->arg = arg;
	if (begin(c, spec, record, err) < 0) {
		err_wrap(err, "%s", name);
		child_free(c);
		return NULL;
	}
	return c;
}

pid_t child_pid(const struct child *c)
{
	return c ? c->pid : 0;
}

/*
 * Kill its own children; false when it has none. One in a pid namespace takes
 * all in there with it.
 */
static bool kill_children(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	auto_str struct str list = STR_INIT;
	char *p, *save = NULL;
	bool any = false;
	long long v;

	/* Without the file (a kernel option) they get the signal of their parent's death. */
	if (file_read(path, 4096, &list, NULL) < 0 || list.len == 0)
		return false;
	for (p = strtok_r(list.data, " \n", &save); p; p = strtok_r(NULL, " \n", &save))
		if (str_to_ll(p, 2, INT32_MAX, &v) == 0)
			any |= kill((pid_t)v, SIGKILL) == 0;
	return any;
}

static void on_reluctant(void *arg)
{
	struct child *c = arg;

	c->linger = NULL;
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}

/*
 * A program that waits for a child of its own ends when that has ended, and
 * has reaped it then; killed at once it would leave a zombie to others.
 */
void child_kill(struct child *c)
{
	if (!c || c->pid <= 0)
		return;
	if (!kill_children(c->pid))
		kill(c->pid, SIGKILL);
	else if (!c->linger)
		c->linger = loop_add_timer(c->vm->loop, CHILD_LINGER_MS, on_reluctant, c);
}

bool child_succeeded(const struct child *c)
{
	return c->reaped && WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0;
}

int child_error(const struct child *c, struct err *err)
{
	auto_str struct str words = STR_INIT;

	tail_drain(c->words);
	tail_text(c->words, WORDS_MAX, &words);
	if (WIFSIGNALED(c->status))
		err_set(err, EPIPE, "%s (%s) was killed by signal %d%s%s", c->name, c->path,
			WTERMSIG(c->status), words.len ? ": " : "", str_text(&words));
	else
		err_set(err, EPIPE, "%s (%s) ended with status %d%s%s", c->name, c->path,
			WEXITSTATUS(c->status), words.len ? ": " : "", str_text(&words));
	return -EPIPE;
}

void child_output(const struct child *c, struct str *out)
{
	tail_drain(c->words);
	tail_text(c->words, TAIL_KEEP, out);
}

void child_free(struct child *c)
{
	if (!c)
		return;
	if (c->pid > 0) {
		kill_children(c->pid);
		kill(c->pid, SIGKILL);
	}
	loop_remove(&c->src);
	loop_remove(&c->linger);
	if (c->pid > 0)
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	tail_free(c->words);
	free(c->path);
	free(c);
}
