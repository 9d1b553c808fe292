/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a user may do to his own files is enough: the socket is one. */
static int renounce(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &h, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static _Noreturn void wait_and_remove(int end, const char *path, int (*confine)(struct err *err))
{
	struct err err = ERR_INIT;
	char byte;
	ssize_t n;

	if (dup2(end, 3) != 3 || syscall(SYS_close_range, 4, ~0U, 0) < 0)
		_exit(1);
	close(0);
	close(1);
	/* A terminal's signals are for the monitor. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (renounce() < 0 || (confine && confine(&err) < 0))
		_exit(1);
	do {
		n = read(3, &byte, 1);
	} while (n > 0 || (n < 0 && errno == EINTR));
	unlink(path);
	_exit(0);
}

int sweep_later(const char *path, int (*confine)(struct err *err), struct err *err)
{
	int ends[2], r = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = err_sys(err, errno, "%s: nobody to remove it", path);
		unlink(path);
		return r;
	}
	pid = fork();
	if (pid == 0)
		wait_and_remove(ends[0], path, confine);
	if (pid < 0)
		r = err_sys(err, errno, "%s: nobody to remove it", path);
	close(ends[0]);
	/* The other end stays open for as long as this process is there. */
	if (r < 0) {
		close(ends[1]);
		unlink(path);
	}
	return r;
}
