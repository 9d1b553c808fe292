/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/launch.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "guest/agent/sysctl.h"

/* Away from a container's root, which could not be unmounted otherwise. */
static void go_home(void)
{
	if (chdir("/") < 0)
		log_error("chdir to /: %s, ignoring", strerror(errno));
}

/* In namespaces that others have made, a user namespace that is made now may write nothing. */
static int write_shared_sysctls(const struct launch *l, struct err *err)
{
	const struct sysctl_side side = { .made = l->ns.create, .outside = true };

	return l->spec && l->userns ? sysctl_apply(l->spec->linux, l->guest, &side, err) : 0;
}

pid_t launch_clone(const struct launch *l, int *sync, struct err *err)
{
	struct clone_args args = {
		/* The control group's namespace is made by the child, once it is in its group; that
		 * of time too, since its offsets are fixed once somebody lives in it. */
		.flags = l->ns.create & ~((unsigned long)CLONE_NEWCGROUP | ns_flag(NS_TIME)),
		.exit_signal = SIGCHLD,
	};
	auto_close int mine = -1, theirs = -1;
	int pair[2], saved, r;
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "socketpair");
	mine = pair[0];
	theirs = pair[1];
	r = fd_set_nonblock(mine, true);
	if (r < 0)
		return err_sys(err, r, "fcntl");
	/* The child finds the root as its working directory: a user namespace's root may not be
	 * allowed to walk there. */
	if (l->spec && chdir(l->spec->root->path) < 0)
		return err_sys(err, errno, "root %s", l->spec->root->path);
	r = ns_enter(&l->ns, err);
	if (r == 0) {
		r = write_shared_sysctls(l, err);
		if (r < 0)
			ns_return(&l->ns);
	}
	if (r < 0) {
		go_home();
		return r;
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	saved = errno;
	if (pid == 0)
		child_main(l, theirs);
	ns_return(&l->ns);
	go_home();
	if (pid < 0)
		return err_sys(err, saved, "clone");
	*sync = take_fd(&mine);
	return (pid_t)pid;
}
