/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtiofsd: the daemon that serves a host directory to a guest by virtio-fs.
 *
 * There are two programs of that name with different options: QEMU's own in C
 * (until QEMU 7.2) and the one in Rust (gitlab.com/virtio-fs/virtiofsd). Which
 * one a path holds is asked of the program itself, and the options of the
 * configuration, which are worded for the Rust one, are translated.
 */
#ifndef HOST_HYPERVISOR_VIRTIOFSD_H
#define HOST_HYPERVISOR_VIRTIOFSD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"

/* What --version may take. */
#define VIRTIOFSD_VERSION_MS 3000

enum virtiofsd_dialect { VIRTIOFSD_UNKNOWN, VIRTIOFSD_C, VIRTIOFSD_RUST };

struct virtiofsd_options {
	const char *path;
	const char *source; /* the shared directory; no comma in it */
	const char *cache;  /* never, metadata, auto or always */
	const struct strv *extra;
	int fd;	     /* the listening socket */
	bool debug;  /* let it tell what it does */
	bool chroot; /* confine by chroot() instead of namespaces and pivot_root() */
};

/* What printed @text on --version. Pure. */
enum virtiofsd_dialect virtiofsd_dialect(const char *text);

/* The argument vector; pure. */
void virtiofsd_args(enum virtiofsd_dialect dialect, const struct virtiofsd_options *opt,
		    struct strv *argv);

/*
 * The daemon's path: what is configured, or, if that is the default and is not
 * there, the first of the distributions' places that is. Borrowed.
 */
const char *virtiofsd_path(const struct config *config);

struct virtiofsd;

/* Once, when it has ended, asked to or not; @why always says how. */
typedef void (*virtiofsd_end_cb)(const struct err *why, void *arg);

/*
 * Begin to serve vm->spec->share_dir. *@peer becomes a socket on which the
 * daemon will answer, for the hypervisor's vhost-user device; the caller closes
 * it. On failure nothing runs.
 */
struct virtiofsd *virtiofsd_start(struct vm *vm, int *peer, virtiofsd_end_cb on_end, void *arg,
				  struct err *err);

/*
 * The same for a hypervisor that connects by itself: to the socket @path, which stays there
 * and takes one connection.
 */
struct virtiofsd *virtiofsd_start_at(struct vm *vm, const char *path, virtiofsd_end_cb on_end,
				     void *arg, struct err *err);

/* SIGKILL; on_end follows. NULL and an ended one are allowed. */
void virtiofsd_kill(struct virtiofsd *v);

/* True for NULL. */
bool virtiofsd_ended(const struct virtiofsd *v);

/* It ended, not by virtiofsd_kill() and not with success. False for NULL. */
bool virtiofsd_failed(const struct virtiofsd *v);

/* Release; killed and reaped if need be, without on_end. NULL is allowed. */
void virtiofsd_free(struct virtiofsd *v);

#endif
