/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/userns.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "guest/agent/namespaces.h"

static int write_one(pid_t pid, const char *name, Grpc__LinuxIDMapping *const *map, size_t n,
		     struct err *err)
{
	auto_free char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	auto_str struct str text = STR_INIT;

	for (size_t i = 0; i < n; i++)
		str_printf(&text, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", map[i]->containerid,
			   map[i]->hostid, map[i]->size);
	if (n == 0)
		return err_set(err, EINVAL, "a user namespace without %s", name);
	return file_write_knob(path, text.data, text.len, err);
}

int userns_write(pid_t pid, const struct userns_map *map, struct err *err)
{
	int r = write_one(pid, "uid_map", map->uids, map->n_uids, err);

	return r < 0 ? r : write_one(pid, "gid_map", map->gids, map->n_gids, err);
}

int userns_make(const struct userns_map *map, struct err *err)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int r, fd;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return err_sys(err, errno, "make a user namespace");
	r = userns_write(pid, map, err);
	fd = r < 0 ? r : ns_of_pid(pid, NS_USER);
	if (r == 0 && fd < 0)
		err_sys(err, fd, "the new user namespace");
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}
