/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/standin.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/program.h"
#include "host/standin/protocol.h"
#include "oci/spec.h"

#define START_LIMIT_MS 5000

static const struct {
	const char *oci, *name;
} namespaces[] = { { "network", "net" },
		   { "ipc", "ipc" },
		   { "uts", "uts" },
		   { "pid", "pid" },
		   { "mount", "mnt" } };

/* user, cgroup and time are the guest's affair alone. */
static const char *host_name(const char *oci)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		if (!strcmp(namespaces[i].oci, oci))
			return namespaces[i].name;
	return NULL;
}

static bool is_at(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

/* Whether the container sees the same there: of the kernel's own trees the guest has others. */
static bool is_shared(const Grpc__Mount *m)
{
	return oci_mount_is_bind(m) && strcmp(m->destination, "/dev/shm") &&
	       strcmp(m->source, "/dev") && !is_at(m->source, "/proc") && !is_at(m->source, "/sys");
}

static void add_root(const Grpc__Spec *spec, const char *rootfs, bool no_pivot, bool elsewhere,
		     struct strv *flags)
{
	strv_add(flags, "--root");
	strv_add(flags, rootfs);
	if (no_pivot)
		strv_add(flags, "--no-pivot");
	if (elsewhere) {
		strv_add(flags, "--elsewhere");
		return;
	}
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];

		if (!strcmp(m->type, "proc") || (oci_mount_is_bind(m) && m->source[0] != '/'))
			continue;
		strv_add(flags, "--bind");
		strv_add(flags, is_shared(m) ? m->source : "");
		strv_add(flags, m->destination);
	}
}

void standin_for_container(const Grpc__Spec *spec, const char *rootfs, bool no_pivot,
			   bool elsewhere, struct strv *flags)
{
	bool own_mounts = false, own_uts = false;

	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];
		const char *name = host_name(ns->type);

		if (!name)
			continue;
		strv_addf(flags, "--%s%s%s", name, ns->path[0] ? "=" : "", ns->path);
		own_mounts |= !strcmp(name, "mnt") && !ns->path[0];
		own_uts |= !strcmp(name, "uts") && !ns->path[0];
	}
	if (own_uts && spec->hostname[0]) {
		strv_add(flags, "--hostname");
		strv_add(flags, spec->hostname);
	}
	if (own_mounts)
		add_root(spec, rootfs, no_pivot, elsewhere, flags);
}

void standin_for_exec(pid_t container, struct strv *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		strv_addf(flags, "--%s=/proc/%d/ns/%s", namespaces[i].name, (int)container,
			  namespaces[i].name);
}

/* ---- its start ------------------------------------------------------------------ */

/* Its word, one at a time, until it is ready and known. */
static int await_ready(const char *id, struct standin *st, struct err *err)
{
	int64_t end = loop_now_ms() + START_LIMIT_MS;
	bool ready = false;

	while (!ready || !st->pid) {
		struct standin_record r = { 0 };
		int64_t left = end - loop_now_ms();
		int n = fd_poll(st->control, POLLIN, left > 0 ? (int)left : 0);

		if (n <= 0)
			return err_set(err, n ? n : ETIMEDOUT,
				       "container %s: the stand-in process does not get ready", id);
		if (recv(st->control, &r, sizeof(r), 0) != sizeof(r))
			return err_set(err, EIO, "container %s: the stand-in process has died", id);
		r.text[sizeof(r.text) - 1] = '\0';
		if (r.kind == STANDIN_PID)
			st->pid = r.value;
		else if (r.kind == STANDIN_READY)
			ready = true;
		else
			return err_sys(err, r.value, "container %s: stand-in process: %s", id,
				       r.text);
	}
	st->pidfd = (int)syscall(SYS_pidfd_open, st->pid, 0);
	return st->pidfd < 0 ? err_sys(err, errno, "pidfd_open") : 0;
}

static int spawn(const char *id, const struct strv *flags, int terminal, int control, int shim,
		 struct proc *proc, struct err *err)
{
	auto_free char *path = own_program("kata-standin", "../standin");
	const int keep[] = { control, shim, terminal };
	auto_strv struct strv argv = { 0 };
	struct proc_spec spec = {
		.stdio = { -1, -1, -1 },
		.keep = keep,
		.nkeep = terminal >= 0 ? 3 : 2,
		.cwd = "/",
		.new_session = true,
	};

	strv_add(&argv, path);
	strv_add(&argv, "--control");
	strv_addf(&argv, "%d", control);
	strv_add(&argv, "--shim");
	strv_addf(&argv, "%d", shim);
	if (terminal >= 0) {
		strv_add(&argv, "--terminal");
		strv_addf(&argv, "%d", terminal);
	}
	for (size_t i = 0; i < flags->n; i++)
		strv_add(&argv, flags->v[i]);
	strv_add(&argv, id);
	spec.argv = (const char *const *)argv.v;
	return proc_spawn(&spec, proc, err);
}

int standin_begin(const char *id, const struct strv *flags, int terminal, struct standin *st,
		  struct err *err)
{
	int control[2] = { -1, -1 }, shim[2] = { -1, -1 }, r = 0;
	struct proc maker = { 0, -1 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, shim) < 0)
		r = err_sys(err, errno, "cannot make a socket pair");
	if (r == 0)
		r = spawn(id, flags, terminal, control[1], shim[1], &maker, err);
	close_fd(&control[1]);
	close_fd(&shim[1]);
	close_fd(&maker.pidfd);
	st->control = control[0];
	st->shim = shim[0];
	st->maker = maker.pid;
	if (r < 0)
		standin_close(st, 0);
	return r;
}

int standin_await(const char *id, struct standin *st, struct err *err)
{
	int r;

	if (st->maker <= 0)
		return 0;
	r = await_ready(id, st, err);
	if (r < 0)
		kill(st->maker, SIGKILL);
	waitpid(st->maker, NULL, 0);
	st->maker = 0;
	if (r < 0)
		standin_close(st, 1000);
	return r;
}

int standin_start(const char *id, const struct strv *flags, int terminal, struct standin *st,
		  struct err *err)
{
	int r = standin_begin(id, flags, terminal, st, err);

	return r < 0 ? r : standin_await(id, st, err);
}

int standin_release(struct standin *st)
{
	struct standin_record r = { .kind = STANDIN_RELEASE };
	int failed = 0;

	if (st->control < 0)
		return 0;
	/* One that has ended with its container, already, needs no leave. */
	if (send(st->control, &r, sizeof(r), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		failed = -errno;
	close_fd(&st->control);
	return failed;
}

void standin_close(struct standin *st, int ms)
{
	close_fd(&st->control);
	close_fd(&st->shim);
	if (st->pid > 0 && ms > 0) {
		if (st->pidfd >= 0 && fd_poll(st->pidfd, POLLIN, ms) <= 0)
			kill(st->pid, SIGKILL);
		waitpid(st->pid, NULL, st->pidfd >= 0 ? 0 : WNOHANG);
	}
	close_fd(&st->pidfd);
	st->pid = 0;
}
