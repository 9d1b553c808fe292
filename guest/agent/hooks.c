/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/hooks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "guest/agent/bundle.h"

#define TIMEOUT_S     10
#define TIMEOUT_MAX_S 86400
#define OUTPUT_MAX    256 /* of what a hook that failed said */

/* ---- which --------------------------------------------------------------- */

static void add_file(const char *dir, const char *kind, const char *name, Grpc__Hook ***list,
		     size_t *n)
{
	Grpc__Hook *h = xmalloc(sizeof(*h));

	grpc__hook__init(h);
	h->path = xasprintf("%s/%s/%s", dir, kind, name);
	h->args = xcalloc(2, sizeof(h->args[0]));
	h->args[h->n_args++] = xstrdup(name);
	h->args[h->n_args++] = xstrdup(kind);
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[(*n)++] = h;
}

static void add_directory(const char *dir, const char *kind, Grpc__Hook ***list, size_t *n)
{
	auto_free char *path = path_join(dir, kind);
	struct dirent **names = NULL;
	int count = scandir(path, &names, NULL, alphasort);

	/* Most guests have not all of them. */
	for (int i = 0; i < count; i++) {
		auto_free char *file = path_join(path, names[i]->d_name);
		struct stat st;

		if (lstat(file, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111)
			add_file(dir, kind, names[i]->d_name, list, n);
		free(names[i]);
	}
	free(names);
}

/* A copy that does not end with the request. */
static Grpc__Spec *copy(const Grpc__Spec *spec)
{
	Grpc__Spec part = GRPC__SPEC__INIT;
	Grpc__Hooks none = GRPC__HOOKS__INIT;
	auto_free uint8_t *buf = NULL;
	size_t len;

	part.version = spec->version;
	part.annotations = spec->annotations;
	part.n_annotations = spec->n_annotations;
	part.hooks = spec->hooks ? spec->hooks : &none;
	len = grpc__spec__get_packed_size(&part);
	buf = xmalloc(len + 1);
	grpc__spec__pack(&part, buf);
	return grpc__spec__unpack(NULL, len, buf);
}

Grpc__Spec *hooks_collect(const Grpc__Spec *spec, const char *dir)
{
	Grpc__Spec *s;
	Grpc__Hooks *h;

	if (!spec->hooks && (!dir || !*dir))
		return NULL;
	s = copy(spec);
	if (!s || !dir || !*dir)
		return s;
	h = s->hooks;
	add_directory(dir, "prestart", &h->prestart, &h->n_prestart);
	add_directory(dir, "poststart", &h->poststart, &h->n_poststart);
	add_directory(dir, "poststop", &h->poststop, &h->n_poststop);
	return s;
}

/* ---- what they are told --------------------------------------------------- */

char *hooks_state(const Grpc__Spec *spec, const char *id, const char *status, pid_t pid)
{
	auto_free char *bundle = bundle_path(id);
	struct str out = STR_INIT;

	str_puts(&out, "{\"ociVersion\":");
	json_put_string(&out, *spec->version ? spec->version : "1.2.0");
	str_puts(&out, ",\"id\":");
	json_put_string(&out, id);
	str_puts(&out, ",\"status\":");
	json_put_string(&out, status);
	if (pid > 0)
		str_printf(&out, ",\"pid\":%d", (int)pid);
	str_puts(&out, ",\"bundle\":");
	json_put_string(&out, bundle);
	str_puts(&out, ",\"annotations\":{");
	for (size_t i = 0; i < spec->n_annotations; i++) {
		if (i > 0)
			str_putc(&out, ',');
		json_put_string(&out, spec->annotations[i]->key);
		str_putc(&out, ':');
		json_put_string(&out, spec->annotations[i]->value);
	}
	str_puts(&out, "}}");
	return str_take(&out);
}

/* ---- running ------------------------------------------------------------- */

/* The end of @p within @ms, its output into @out. Returns its status or -errno. */
static int await(struct proc *p, int output, int64_t ms, struct str *out)
{
	int64_t deadline = loop_now_ms() + ms;
	int status;

	for (;;) {
		struct pollfd fds[2] = { { p->pidfd, POLLIN, 0 }, { output, POLLIN, 0 } };
		int64_t left = deadline - loop_now_ms();
		char buf[512];
		ssize_t n;

		if (left <= 0 || poll(fds, 2, (int)left) == 0) {
			kill(-p->pid, SIGKILL); /* it leads a session: its children too */
			(void)waitpid(p->pid, &status, __WALL);
			return -ETIMEDOUT;
		}
		n = fds[1].revents ? read(output, buf, sizeof(buf)) : -1;
		if (n > 0 && out->len < OUTPUT_MAX)
			str_add(out, buf, (size_t)n);
		else if (n == 0)
			output = -1; /* it closed it; poll() passes over this */
		if (fds[0].revents && n <= 0)
			return waitpid(p->pid, &status, __WALL) < 0 ? -errno : status;
	}
}

static int told(const Grpc__Hook *h, int status, struct str *out, struct err *err)
{
	const char *text = str_text(out);

	if (out->len > OUTPUT_MAX)
		out->data[OUTPUT_MAX] = '\0';
	if (out->len > 0)
		out->data[strcspn(text, "\n")] = '\0';
	if (status < 0)
		return err_sys(err, status, "hook %s", h->path);
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "hook %s: signal %d", h->path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(err, EIO, "hook %s: status %d%s%s", h->path, WEXITSTATUS(status),
			       *text ? ": " : "", text);
	return 0;
}

static int64_t limit_ms(const Grpc__Hook *h)
{
	int64_t seconds = h->timeout > 0 ? h->timeout : TIMEOUT_S;

	return (seconds < TIMEOUT_MAX_S ? seconds : TIMEOUT_MAX_S) * 1000;
}

static int run_one(const Grpc__Hook *h, const char *state, const struct strv *env, struct err *err)
{
	auto_close int in = memfd_create("state", MFD_CLOEXEC), from = -1, to = -1;
	auto_strv struct strv argv = { .n = 0 }, envp = { .n = 0 };
	auto_str struct str out = STR_INIT;
	struct proc_spec spec = { .path = h->path, .die_with_parent = true, .new_session = true };
	struct proc p;
	int pair[2], r;

	if (h->path[0] != '/')
		return err_set(err, EINVAL, "hook \"%s\": no absolute path", h->path);
	if (in < 0 || fd_write_full(in, state, strlen(state)) < 0 || lseek(in, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "hook %s: state", h->path);
	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(err, errno, "hook %s: pipe", h->path);
	from = pair[0];
	to = pair[1];
	for (size_t i = 0; i < h->n_args; i++)
		strv_add(&argv, h->args[i]);
	if (argv.n == 0)
		strv_add(&argv, h->path);
	for (size_t i = 0; i < h->n_env; i++)
		strv_add(&envp, h->env[i]);
	for (size_t i = 0; env && h->n_env == 0 && i < env->n; i++)
		strv_add(&envp, env->v[i]);
	if (!env && envp.n == 0)
		strv_add(&envp, "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
	spec.argv = (const char *const *)argv.v;
	spec.envp = (const char *const *)envp.v;
	spec.stdio[0] = in;
	spec.stdio[1] = spec.stdio[2] = to;
	r = proc_spawn(&spec, &p, err);
	if (r < 0)
		return err_wrap(err, "hook");
	close_fd(&to);
	r = await(&p, from, limit_ms(h), &out);
	close_fd(&p.pidfd);
	return told(h, r, &out, err);
}

static int run_list(const char *kind, Grpc__Hook *const *list, size_t n, const char *state,
		    const struct strv *env, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int r = run_one(list[i], state, env, err);

		if (r < 0)
			return err_wrap(err, "%s", kind);
	}
	return 0;
}

int hooks_run(const Grpc__Spec *hooks, enum hooks_phase phase, const char *state,
	      const struct strv *env, struct err *err)
{
	const Grpc__Hooks *h = hooks ? hooks->hooks : NULL;
	int r;

	if (!h)
		return 0;
	switch (phase) {
	case HOOKS_CREATE:
		r = run_list("prestart", h->prestart, h->n_prestart, state, env, err);
		return r < 0 ? r :
			       run_list("createRuntime", h->createruntime, h->n_createruntime,
					state, env, err);
	case HOOKS_CREATE_CONTAINER:
		return run_list("createContainer", h->createcontainer, h->n_createcontainer, state,
				env, err);
	case HOOKS_START_CONTAINER:
		return run_list("startContainer", h->startcontainer, h->n_startcontainer, state,
				env, err);
	case HOOKS_POSTSTART:
		return run_list("poststart", h->poststart, h->n_poststart, state, env, err);
	case HOOKS_POSTSTOP:
		break;
	}
	return run_list("poststop", h->poststop, h->n_poststop, state, env, err);
}

int64_t hooks_limit_ms(const Grpc__Spec *hooks)
{
	const Grpc__Hooks *h = hooks ? hooks->hooks : NULL;
	int64_t ms = 0;

	for (size_t i = 0; h && i < h->n_createcontainer; i++)
		ms += limit_ms(h->createcontainer[i]);
	for (size_t i = 0; h && i < h->n_startcontainer; i++)
		ms += limit_ms(h->startcontainer[i]);
	return ms;
}

static bool has_any(const Grpc__Spec *hooks, enum hooks_phase phase)
{
	const Grpc__Hooks *h = hooks ? hooks->hooks : NULL;

	if (!h)
		return false;
	if (phase == HOOKS_CREATE)
		return h->n_prestart + h->n_createruntime > 0;
	return phase == HOOKS_POSTSTART ? h->n_poststart > 0 : h->n_poststop > 0;
}

struct work {
	const Grpc__Spec *hooks; /* read in the child alone, from its copy of the memory */
	enum hooks_phase phase;
	char *state, *dir;
	job_cb done;
	void *arg;
};

static int in_child(void *arg, struct err *err)
{
	struct work *w = arg;

	if (chdir(w->dir) < 0)
		return err_sys(err, errno, "%s", w->dir);
	return hooks_run(w->hooks, w->phase, w->state, NULL, err);
}

static void on_done(const struct err *err, void *arg)
{
	struct work w = *(struct work *)arg;

	free(arg);
	free(w.state);
	free(w.dir);
	w.done(err, w.arg);
}

void hooks_start(struct loop *loop, const Grpc__Spec *hooks, enum hooks_phase phase, const char *id,
		 const char *state, job_cb done, void *arg)
{
	struct work *w;

	if (!has_any(hooks, phase)) {
		done(NULL, arg);
		return;
	}
	w = xcalloc(1, sizeof(*w));
	*w = (struct work){ hooks, phase, xstrdup(state), bundle_path(id), done, arg };
	job_run(loop, in_child, on_done, w);
}
