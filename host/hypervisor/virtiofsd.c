/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/virtiofsd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/memo.h"

#define DEFAULT_PATH   "/usr/libexec/virtiofsd"
#define VERSION_OPTION "--version"

/* Where distributions have it: Debian's and Fedora's Rust, Debian's C, Arch's. */
static const char *const known_paths[] = {
	DEFAULT_PATH,
	"/usr/lib/qemu/virtiofsd",
	"/usr/lib/virtiofsd",
};

struct virtiofsd {
	struct vm *vm;
	const char *path;
	int listen_fd;
	struct child *probe, *daemon;
	struct memo memo; /* of what the probe says */
	struct loop_source *limit;
	bool killed, ended, slow;
	virtiofsd_end_cb on_end;
	void *arg;
};

const char *virtiofsd_path(const struct config *config)
{
	const char *path = config->hypervisor.virtio_fs_daemon;

	if (*path && strcmp(path, DEFAULT_PATH) != 0)
		return path;
	for (size_t i = 0; i < ARRAY_SIZE(known_paths); i++)
		if (access(known_paths[i], X_OK) == 0)
			return known_paths[i];
	return *path ? path : DEFAULT_PATH;
}

/*
 * The daemons confine themselves by pivot_root(), which needs "/" to be a mount
 * point and not the initial ramfs: in a plain chroot it fails, and the daemon
 * with it.
 */
static bool can_pivot(void)
{
	auto_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	auto_free char *line = NULL;
	size_t cap = 0;
	bool found = false;

	/* proc(5): id parent major:minor root mount-point options [fields] - type … */
	while (f && !found && getline(&line, &cap, f) > 0) {
		char point[3] = "";

		found = sscanf(line, "%*s %*s %*s %*s %2s", point) == 1 && !strcmp(point, "/") &&
			!strstr(line, " - rootfs ");
	}
	return found;
}

static void end(struct virtiofsd *v, const struct err *why)
{
	v->ended = true;
	close_fd(&v->listen_fd);
	loop_remove(&v->limit);
	v->on_end(why, v->arg);
}

static void on_daemon_end(struct child *child, void *arg)
{
	struct virtiofsd *v = arg;
	struct err why = ERR_INIT;

	child_error(child, &why);
	end(v, &why);
}

static int start_daemon(struct virtiofsd *v, enum virtiofsd_dialect dialect, struct err *err)
{
	const struct config_hypervisor *h = &v->vm->spec->config->hypervisor;
	struct virtiofsd_options opt = {
		.path = v->path,
		.source = v->vm->spec->share_dir,
		.cache = h->virtio_fs_cache,
		.extra = &h->virtio_fs_extra_args,
		.fd = v->listen_fd,
		.debug = h->enable_debug,
		.chroot = !can_pivot(),
	};
	auto_strv struct strv argv = { 0 };
	struct proc_spec spec = { .keep = &v->listen_fd, .nkeep = 1 };

	virtiofsd_args(dialect, &opt, &argv);
	spec.argv = (const char *const *)argv.v;
	v->daemon = child_start(v->vm, "virtiofsd", &spec, true, on_daemon_end, v, err);
	if (!v->daemon)
		return err->code;
	/* From now on the socket ends with the daemon, and its peer notices. */
	close_fd(&v->listen_fd);
	return 0;
}

static void on_probe_end(struct child *child, void *arg)
{
	struct virtiofsd *v = arg;
	auto_str struct str text = STR_INIT;
	struct err why = ERR_INIT;
	enum virtiofsd_dialect dialect;

	loop_remove(&v->limit);
	child_output(child, &text);
	dialect = virtiofsd_dialect(str_text(&text));
	if (v->slow)
		err_set(&why, ETIMEDOUT, "virtiofsd (%s): no answer to --version within %d ms",
			v->path, VIRTIOFSD_VERSION_MS);
	else if (v->killed || !child_succeeded(child))
		child_error(child, &why);
	else if (dialect == VIRTIOFSD_UNKNOWN)
		err_set(&why, ENOEXEC, "virtiofsd (%s): not a virtiofsd, --version says: %.200s",
			v->path, text.len ? str_text(&text) : "nothing");
	else
		memo_write(&v->memo, str_text(&text));
	if (why.code == 0 && start_daemon(v, dialect, &why) == 0)
		return;
	end(v, &why);
}

static void on_limit(void *arg)
{
	struct virtiofsd *v = arg;

	v->limit = NULL;
	v->slow = true;
	child_kill(v->probe);
}

/* A socket that listens, its file being left for the hypervisor. */
static int listen_at(struct virtiofsd *v, const char *path, struct err *err)
{
	v->listen_fd = unix_listen(path, 1, err);
	if (v->listen_fd < 0)
		return err->code;
	/* The daemon waits in accept(). */
	fd_set_nonblock(v->listen_fd, false);
	return 0;
}

static struct virtiofsd *start_at(struct vm *vm, const char *path, virtiofsd_end_cb on_end,
				  void *arg, struct err *err)
{
	struct virtiofsd *v = xcalloc(1, sizeof(*v));

	v->vm = vm;
	v->path = virtiofsd_path(vm->spec->config);
	memo_init(&v->memo, memo_dir(), v->path, VERSION_OPTION);
	v->on_end = on_end;
	v->arg = arg;
	if (listen_at(v, path, err) < 0) {
		virtiofsd_free(v);
		return NULL;
	}
	return v;
}

/* Ask what it is; the daemon itself follows. */
static int ask(struct virtiofsd *v, struct err *err)
{
	struct proc_spec spec = { 0 };

	spec.argv = (const char *const[]){ v->path, VERSION_OPTION, NULL };
	v->probe = child_start(v->vm, "virtiofsd", &spec, false, on_probe_end, v, err);
	if (!v->probe)
		return err->code;
	v->limit = loop_add_timer(v->vm->loop, VIRTIOFSD_VERSION_MS, on_limit, v);
	return 0;
}

static struct virtiofsd *begin(struct virtiofsd *v, struct err *err)
{
	auto_free char *known = memo_read(&v->memo);
	int r = known ? start_daemon(v, virtiofsd_dialect(known), err) : ask(v, err);

	if (r == 0)
		return v;
	virtiofsd_free(v);
	return NULL;
}

struct virtiofsd *virtiofsd_start_at(struct vm *vm, const char *path, virtiofsd_end_cb on_end,
				     void *arg, struct err *err)
{
	struct virtiofsd *v = start_at(vm, path, on_end, arg, err);

	return v ? begin(v, err) : NULL;
}

/* The connection waits in the socket's queue for the daemon. */
struct virtiofsd *virtiofsd_start(struct vm *vm, int *peer, virtiofsd_end_cb on_end, void *arg,
				  struct err *err)
{
	auto_free char *path = path_join(vm->spec->run_dir, "vhost-fs.sock");
	struct virtiofsd *v = start_at(vm, path, on_end, arg, err);

	if (!v)
		return NULL;
	*peer = unix_connect(path, false, err);
	/* Nobody else is to connect. */
	unlink(path);
	if (*peer < 0) {
		virtiofsd_free(v);
		return NULL;
	}
	v = begin(v, err);
	if (!v)
		close_fd(peer);
	return v;
}

void virtiofsd_kill(struct virtiofsd *v)
{
	if (!v || v->ended)
		return;
	v->killed = true;
	child_kill(v->daemon ? v->daemon : v->probe);
}

bool virtiofsd_ended(const struct virtiofsd *v)
{
	return !v || v->ended;
}

bool virtiofsd_failed(const struct virtiofsd *v)
{
	return v && v->ended && !v->killed && !(v->daemon && child_succeeded(v->daemon));
}

void virtiofsd_free(struct virtiofsd *v)
{
	if (!v)
		return;
	loop_remove(&v->limit);
	child_free(v->probe);
	child_free(v->daemon);
	close_fd(&v->listen_fd);
	memo_free(&v->memo);
	free(v);
}
