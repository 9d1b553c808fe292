/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_doorman.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

static int connect_to(const char *path, uint32_t port)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s_%u", path, port) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	return unix_connect(name, true, NULL);
}

int vsock_doorman_serve(int sock, const char *path)
{
	struct vsock_answer answer = { .error = 0 };
	auto_close int fd = -1;
	ssize_t n;

	do {
		n = recv(sock, &answer.call, sizeof(answer.call), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(answer.call))
		return n < 0 ? -errno : n == 0 ? 0 : -EPROTO;
	fd = connect_to(path, answer.call.host_port);
	if (fd < 0)
		answer.error = -fd;
	n = fd_send(sock, &answer, sizeof(answer), &fd, fd >= 0 ? 1 : 0);
	return n < 0 ? (int)n : 1;
}

/*
 * All goes that names of sockets do not need. The user stays, for he may write to them, and
 * so does root's way past their owners.
 */
static int renounce(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];
	static const struct {
		int resource;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_NOFILE, 4 }, /* up to number 3: what it has, and one connection */
		{ RLIMIT_NPROC, 0 },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
	};

	/* Only a kernel that grants it; sockets with names are reached all the same. */
	(void)unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (setrlimit(limits[i].resource,
			      &(struct rlimit){ limits[i].max, limits[i].max }) < 0)
			return -errno;
	if (syscall(SYS_capget, &h, d) < 0)
		return -errno;
	d[0].effective &= 1U << CAP_DAC_OVERRIDE;
	d[0].permitted = d[0].effective;
	d[0].inheritable = d[1].effective = d[1].permitted = d[1].inheritable = 0;
	if (syscall(SYS_capset, &h, d) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Of all that the monitor has open it keeps the one socket, and standard error for the log. */
static _Noreturn void serve(int sock, const char *path, int (*confine)(struct err *err))
{
	struct err err = ERR_INIT;

	if (dup2(sock, 3) != 3 || syscall(SYS_close_range, 4, ~0U, 0) < 0)
		_exit(1);
	close(0);
	close(1);
	/* A terminal's are for the monitor, which takes this one with it in its own time. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (renounce() < 0 || (confine && confine(&err) < 0))
		_exit(1);
	while (vsock_doorman_serve(3, path) > 0)
		;
	unlink(path);
	_exit(0);
}

int vsock_doorman_start(const char *path, int (*confine)(struct err *err), struct err *err)
{
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "vsock: no socket for the guest's calls");
	pid = fork();
	if (pid < 0) {
		r = err_sys(err, errno, "vsock: no process for the guest's calls");
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	if (pid == 0)
		serve(pair[1], path, confine);
	close(pair[1]);
	return pair[0];
}

int vsock_doorman_call(int sock, const struct vsock_call *call)
{
	return send(sock, call, sizeof(*call), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int vsock_doorman_answer(int sock, struct vsock_answer *answer, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { answer, sizeof(*answer) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	*fd = -1;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n > 0 && CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
	if (n == sizeof(*answer) && (*fd >= 0) == (answer->error == 0))
		return 1;
	close_fd(fd);
	return n == 0 ? -ECONNRESET : -EPROTO;
}
