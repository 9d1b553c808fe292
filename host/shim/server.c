/* SPDX-License-Identifier: Apache-2.0 */
/* The process that is the sandbox: its surroundings, and the loop. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/version.h"
#include "host/hooks/hook.h"
#include "host/sandbox/state.h"
#include "host/shim/actions.h"
#include "host/shim/management.h"
#include "host/shim/shim.h"

/* A client comes at once or never: kata-runtime, and containerd, which may be slow. */
#define IDLE_OWNED_MS 30000
#define IDLE_MS	      60000

/* Larger pieces go back to the kernel as soon as they are freed. */
#define LARGE_PIECE (64 << 10)

/*
 * Mounts made for the sandbox are seen by it and by what it starts, and go with
 * them. What the host mounts and unmounts later is seen here too.
 */
static int unshare_mounts(struct err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, errno, "cannot make a mount namespace");
	if (mount("", "/", "", MS_SLAVE | MS_REC, "") == 0 &&
	    mount("", "/", "", MS_SHARED | MS_REC, "") == 0)
		return 0;
	/* In a plain chroot "/" is no mount point, and what is above it out of reach. */
	if (errno == EINVAL) {
		log_warn("/ is no mount point: mounts of the sandbox may be seen outside");
		return 0;
	}
	return err_sys(err, errno, "cannot set the propagation of mounts");
}

/*
 * Where this process is before that, for the hooks of containers: what they mount
 * is for the host to see. In a plain chroot the namespace's root is not that of ours.
 */
static int remember_place(struct hook_place *place, struct err *err)
{
	place->ns[0] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (place->ns[0] < 0)
		return err_sys(err, errno, "/proc/self/ns/mnt");
	place->n_ns = 1;
	place->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return place->root < 0 ? err_sys(err, errno, "/") : 0;
}

/* An error, or "ok", for the `start` that waits for it. */
static void tell_ready(int fd, const struct err *err)
{
	const char *text = err->code ? err_msg(err) : "ok";
	int r = 0;

	if (fd >= 0) {
		r = fd_write_full(fd, text, strlen(text));
		close_fd(&fd);
	}
	if (r < 0)
		log_warn("nobody waits for this shim: %s", strerror(-r));
}

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	(void)info;
	shim_end(arg, "signal");
}

/* A socket to serve on; what `start` handed over, or -socket when run by hand. */
static int get_listener(const struct cmdline *cl, struct err *err)
{
	int r;

	if (cl->listen_fd >= 0) {
		r = fd_set_cloexec(cl->listen_fd, true);
		return r < 0 ? err_sys(err, r, "-listen-fd") : cl->listen_fd;
	}
	if (cl->socket && *cl->socket)
		return unix_listen(str_starts(cl->socket, "unix://") ? cl->socket + 7 : cl->socket,
				   SOMAXCONN, err);
	return err_set(err, EINVAL,
		       "no action: use start or delete, or say where to serve by "
		       "-socket");
}

/* `start` has made the directory, and nobody else does before there is a task. */
static int listen_to_operators(struct shim *s, const struct cmdline *cl, struct err *err)
{
	auto_free char *path = xasprintf("%s/%s/%s", cl->root, cl->id, SANDBOX_MONITOR);

	return cl->listen_fd < 0 ? 0 : management_listen(s->management, path, err);
}

static int prepare(struct shim *s, const struct cmdline *cl, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	int fd, r;

	fd = get_listener(cl, err);
	if (fd < 0)
		return fd;
	r = ttrpc_server_listen(s->server, fd);
	if (r < 0)
		return err_sys(err, r, "cannot serve");
	r = listen_to_operators(s, cl, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!loop_add_signal(s->loop, signals[i], on_signal, s))
			return err_sys(err, errno, "cannot take over signals");
	return unshare_mounts(err);
}

/* Lines as Kata's shim writes them, to containerd or into the log of kata-runtime. */
static void begin_log(const struct cmdline *cl)
{
	bool json = cl->log_json && !cl->log_fields;

	log_set_fields("containerd-kata-shim-v2", cl->id);
	log_open(STDERR_FILENO, cl->log_fields ? "containerd-shim-v2" : "containerd-shim-kata-v2",
		 cl->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		 json ? LOG_FORMAT_JSON : LOG_FORMAT_FIELDS);
}

int action_serve(const struct cmdline *cl, struct err *err)
{
	auto_free char *address =
		xasprintf("unix://%s/%s/" SANDBOX_SOCKET, cl->root, cl->id ? cl->id : "");
	struct hook_place runtime = { .root = -1 };
	auto_free char *bundle = NULL;
	/*
	 * What surrounds kata-runtime may be a shim of containerd's, which tells of its tasks
	 * itself: not a second time.
	 */
	bool ours = cl->owner_fd >= 0;
	struct loop *loop;
	struct shim *s;
	int r = action_check(cl, err);

	if (r < 0)
		return r;
	bundle = action_bundle(cl, err);
	if (!bundle)
		return err->code;
	r = remember_place(&runtime, err);
	if (r < 0)
		return r;
	begin_log(cl);
	mallopt(M_MMAP_THRESHOLD, LARGE_PIECE);
	mallopt(M_TRIM_THRESHOLD, LARGE_PIECE);
	signal(SIGPIPE, SIG_IGN);
	if (cl->owner_fd >= 0)
		fd_set_cloexec(cl->owner_fd, true);
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	s = shim_new(loop, &(const struct shim_options){
				   .id = cl->id,
				   .namespace = cl->namespace,
				   .root = cl->root,
				   .bundle = bundle,
				   .address = address,
				   .config = cl->config,
				   .ttrpc_address = ours ? NULL : getenv("TTRPC_ADDRESS"),
				   .publish_binary = ours ? NULL : cl->publish_binary,
				   .containerd = cl->address,
				   .runtime = &runtime,
				   .owner_fd = cl->owner_fd,
				   .idle_ms = cl->owner_fd >= 0 ? IDLE_OWNED_MS : IDLE_MS });
	r = prepare(s, cl, err);
	tell_ready(cl->ready_fd, err);
	if (r == 0) {
		log_info("%s %s: serving sandbox %s", kata_version, kata_commit, cl->id);
		r = loop_run(loop);
		if (r < 0)
			err_sys(err, r, "cannot wait");
		else if (r > 0)
			r = err_set(err, EIO, "the sandbox could not be ended in order");
		log_info("ended");
	}
	shim_free(s);
	loop_free(loop);
	return r;
}
