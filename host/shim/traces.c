/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/traces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/state.h"

/* Make @dir under the name @tmp, and rename it. Of two that try, one wins. */
static int make_dir(const char *tmp, const char *dir, int *listener, struct err *err)
{
	auto_free char *socket = path_join(tmp, SANDBOX_SOCKET);
	auto_close int fd = -1;
	int r = 0;

	if (mkdir(tmp, 0700) < 0)
		return err_sys(err, errno, "%s: cannot make directory", tmp);
	fd = unix_listen(socket, SOMAXCONN, err);
	if (fd < 0)
		r = fd;
	else if (rename(tmp, dir) < 0)
		r = err_sys(err, errno, "%s: cannot make directory", dir);
	if (r < 0)
		(void)tree_remove(tmp, NULL); /* @err tells already why it is of no use */
	else
		*listener = take_fd(&fd);
	return r;
}

int traces_claim(const struct shim_options *opt, int *listener, struct err *err)
{
	auto_free char *dir = path_join(opt->root, opt->id);
	auto_free char *tmp = xasprintf("%s/.%s.%d", opt->root, opt->id, (int)getpid());
	auto_close int lock = -1;
	int r = dir_make(opt->root, 0700, err);

	if (r < 0)
		return r;
	lock = state_lock_root(opt->root, err);
	if (lock < 0)
		return lock;
	r = make_dir(tmp, dir, listener, err);
	if (r == -ENOTDIR && state_drop_dangling(opt->root, opt->id))
		r = make_dir(tmp, dir, listener, err);
	if (r == -EEXIST || r == -ENOTEMPTY) {
		int dropped = state_drop_abandoned(opt->root, opt->id, lock, err);

		if (dropped > 0)
			r = make_dir(tmp, dir, listener, err);
		else if (dropped < 0)
			r = dropped;
	}
	if (r == -EEXIST || r == -ENOTEMPTY || r == -ENOTDIR)
		return err_set(err, EEXIST, "container %s already exists", opt->id);
	return r;
}

/* ---- the bundle's files --------------------------------------------------------- */

static void write_file(const char *bundle, const char *name, const char *text)
{
	auto_free char *path = path_join(bundle, name);
	struct err err = ERR_INIT;

	if (file_replace(path, text, strlen(text), 0600, &err) < 0)
		log_info("%s", err_msg(&err));
}

void traces_write_address(const struct shim_options *opt, pid_t pid)
{
	auto_free char *number = xasprintf("%d", (int)pid);
	auto_free char *monitor = xasprintf("unix://%s/%s/%s", opt->root, opt->id, SANDBOX_MONITOR);

	write_file(opt->bundle, "monitor_address", monitor);
	write_file(opt->bundle, "address", opt->address);
	write_file(opt->bundle, "shim.pid", number);
}

/* A file of that name may be anybody's: it is ours when it says so. */
static void remove_if(const char *bundle, const char *name, const char *text)
{
	auto_free char *path = path_join(bundle, name);
	auto_str struct str found = STR_INIT;

	if (file_read(path, 4096, &found, NULL) < 0 || strcmp(str_text(&found), text))
		return;
	if (unlink(path) < 0)
		log_warn("%s: %s", path, strerror(errno));
}

int traces_remove(const struct shim_options *opt, struct err *err)
{
	auto_free char *dir = path_join(opt->root, opt->id);
	auto_free char *socket = path_join(dir, SANDBOX_SOCKET);
	auto_free char *monitor = path_join(dir, SANDBOX_MONITOR);
	auto_free char *monitor_address = xasprintf("unix://%s", monitor);
	auto_free char *number = xasprintf("%d", (int)getpid());

	remove_if(opt->bundle, "shim.pid", number);
	remove_if(opt->bundle, "address", opt->address);
	remove_if(opt->bundle, "monitor_address", monitor_address);
	if (!state_exists(opt->root, opt->id))
		return state_remove_dir(opt->root, opt->id, err);
	if (unlink(monitor) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", monitor);
	if (unlink(socket) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", socket);
	return 0;
}
