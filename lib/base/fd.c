/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(take_fd(fd));
	errno = saved;
}

void fd_open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int fd_read_full(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len > 0) {
		ssize_t n = read(fd, p, len);

		if (n == 0)
			return -ENODATA;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_own_nonblock(int *fd, int mode)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	own = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	close_fd(fd);
	*fd = own;
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_poll(int fd, short events, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? p.revents : 0;
}

/*
 * Fill @sa for @path. A path too long for sun_path goes through a descriptor
 * of its directory, left in *@dirfd for as long as the address is in use.
 */
static int unix_address(const char *path, struct sockaddr_un *sa, socklen_t *salen, int *dirfd,
			struct err *err)
{
	size_t len = strlen(path);
	const char *slash;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (len == 0)
		return err_set(err, EINVAL, "empty socket path");
	if (path[0] == '@') {
		if (len > sizeof(sa->sun_path))
			return err_set(err, ENAMETOOLONG, "%s: socket name too long", path);
		memcpy(sa->sun_path + 1, path + 1, len - 1);
		*salen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
		return 0;
	}
	*salen = sizeof(*sa);
	if (len < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, len + 1);
		return 0;
	}
	slash = strrchr(path, '/');
	if (!slash || strlen(slash) > 60)
		return err_set(err, ENAMETOOLONG, "%s: socket path too long", path);
	auto_free char *dir = strndup(path, (size_t)(slash - path) + 1);

	if (!dir)
		return err_set(err, ENOMEM, "out of memory");
	*dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dirfd < 0)
		return err_sys(err, errno, "%s", dir);
	snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d%s", *dirfd, slash);
	return 0;
}

int unix_listen(const char *path, int backlog, struct err *err)
{
	auto_close int dirfd = -1, fd = -1;
	struct sockaddr_un sa;
	socklen_t len;
	int r;

	r = unix_address(path, &sa, &len, &dirfd, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (bind(fd, (struct sockaddr *)&sa, len) < 0)
		return err_sys(err, errno, "%s: cannot bind", path);
	if (listen(fd, backlog) < 0) {
		r = err_sys(err, errno, "%s: cannot listen", path);
		if (path[0] != '@')
			unlink(path);
		return r;
	}
	return take_fd(&fd);
}

int unix_connect(const char *path, bool nonblock, struct err *err)
{
	auto_close int dirfd = -1, fd = -1;
	struct sockaddr_un sa;
	socklen_t len;
	int r;

	r = unix_address(path, &sa, &len, &dirfd, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		return err_sys(err, errno, "%s: cannot connect", path);
	if (!nonblock) {
		r = fd_set_nonblock(fd, false);
		if (r < 0)
			return err_sys(err, r, "%s", path);
	}
	return take_fd(&fd);
}

ssize_t fd_send(int sock, const void *buf, size_t len, const int *fds, size_t n)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (n > FD_PASS_MAX)
		return -EINVAL;
	if (n > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	do {
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* Move the descriptors of @msg to @fds; false when some did not fit. */
static bool collect_fds(struct msghdr *msg, int *fds, size_t room, size_t *n)
{
	bool fits = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*n < room) {
				fds[(*n)++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits && !(msg->msg_flags & MSG_CTRUNC);
}

ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *n)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	size_t room = *n;
	ssize_t got;

	*n = 0;
	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (!collect_fds(&msg, fds, room, n)) {
		for (size_t i = 0; i < *n; i++)
			close(fds[i]);
		*n = 0;
		return -EMSGSIZE;
	}
	return got;
}
