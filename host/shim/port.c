/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/port.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

/* What a pipe that poll() calls writable takes without waiting. */
#define SAFE_WRITE 4096
/* How long a call may wait after all, because another process was quicker. */
#define GUARD_US 20000

/* ---- opening --------------------------------------------------------------- */

static enum port_kind kind_of_fd(int fd, bool ours)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return PORT_SHARED;
	if (S_ISSOCK(st.st_mode))
		return PORT_SOCKET;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode))
		return PORT_DIRECT;
	return ours ? PORT_PRIVATE : PORT_SHARED;
}

static int open_passed(const char *number, const int *fds, size_t n, struct err *err)
{
	long long i;
	int fd;

	if (str_to_ll(number, 0, INT_MAX, &i) < 0)
		return err_set(err, EINVAL, "\"%s\" is no number of a descriptor", number);
	if ((size_t)i >= n || fds[i] < 0)
		return err_set(err, EINVAL, "no descriptor %lld came with the request", i);
	fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(err, errno, "descriptor %lld", i) : fd;
}

/*
 * A FIFO for output is opened for reading too: then opening needs no reader,
 * and one that goes and comes again (containerd, restarted) finds what was
 * written meanwhile.
 */
static int open_fifo(const char *path, bool out, struct err *err)
{
	auto_close int fd =
		open(path, (out ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(err, errno, "%s", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISFIFO(st.st_mode))
		return err_set(err, EINVAL, "%s: is no FIFO", path);
	return take_fd(&fd);
}

static int open_file(const char *path, bool out, struct err *err)
{
	/* Without O_NONBLOCK a FIFO in the place of the file would hold us. */
	int flags = (out ? O_WRONLY | O_CREAT | O_APPEND : O_RDONLY) | O_NONBLOCK;
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0644);

	return fd < 0 ? err_sys(err, errno, "%s", path) : fd;
}

/* The path of the URI @where if its scheme is @scheme, else NULL. */
static const char *path_of(const char *where, const char *scheme)
{
	size_t len = strlen(scheme);

	return !strncmp(where, scheme, len) && where[len] == '/' ? where + len : NULL;
}

static int open_where(const char *where, bool out, const int *fds, size_t n, struct err *err)
{
	const char *path;

	if (str_starts(where, "fd:"))
		return open_passed(where + 3, fds, n, err);
	path = path_of(where, "file://");
	if (path)
		return open_file(path, out, err);
	path = path_of(where, "fifo://");
	if (!path && where[0] == '/')
		path = where;
	if (path)
		return open_fifo(path, out, err);
	return err_set(err, EINVAL, "\"%s\" is neither fd:N, a path, fifo:// nor file://", where);
}

int port_open(struct port *port, const char *name, const char *where, bool out, const int *fds,
	      size_t n, struct err *err)
{
	*port = (struct port)PORT_NONE;
	if (!where || !*where)
		return 0;
	port->fd = open_where(where, out, fds, n, err);
	if (port->fd < 0) {
		port->fd = -1;
		return err_wrap(err, "%s", name);
	}
	port->kind = kind_of_fd(port->fd, !str_starts(where, "fd:"));
	return 0;
}

void port_close(struct port *port)
{
	close_fd(&port->fd);
}

/* ---- reading and writing ------------------------------------------------------ */

static void on_alarm(int signo)
{
	(void)signo; /* it is there to interrupt */
}

/* From here to guard_end() a call that waits fails with EINTR soon, or is cut short. */
static void guard_begin(void)
{
	static bool installed;
	const struct itimerval it = { { 0, GUARD_US }, { 0, GUARD_US } };
	const struct sigaction sa = { .sa_handler = on_alarm };

	if (!installed)
		sigaction(SIGALRM, &sa, NULL);
	installed = true;
	setitimer(ITIMER_REAL, &it, NULL);
}

static void guard_end(void)
{
	const struct itimerval off = { 0 };

	setitimer(ITIMER_REAL, &off, NULL);
}

static ssize_t guarded(struct port *port, void *buf, size_t len, bool out)
{
	ssize_t n;
	int r = fd_poll(port->fd, out ? POLLOUT : POLLIN, 0);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	guard_begin();
	if (out)
		n = write(port->fd, buf, len < SAFE_WRITE ? len : SAFE_WRITE);
	else
		n = read(port->fd, buf, len);
	n = n < 0 ? -errno : n;
	guard_end();
	return n;
}

static ssize_t transfer_shared(struct port *port, void *buf, size_t len, bool out)
{
	struct iovec iov = { buf, len };
	ssize_t n;

	if (!port->no_nowait) {
		n = out ? pwritev2(port->fd, &iov, 1, -1, RWF_NOWAIT) :
			  preadv2(port->fd, &iov, 1, -1, RWF_NOWAIT);
		if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
			return n < 0 ? -errno : n;
		port->no_nowait = true;
	}
	return guarded(port, buf, len, out);
}

static ssize_t transfer(struct port *port, void *buf, size_t len, bool out)
{
	ssize_t n = -1;

	if (port->fd < 0)
		return -EBADF;
	switch (port->kind) {
	case PORT_SHARED:
		return transfer_shared(port, buf, len, out);
	case PORT_SOCKET:
		n = out ? send(port->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) :
			  recv(port->fd, buf, len, MSG_DONTWAIT);
		break;
	case PORT_DIRECT:
	case PORT_PRIVATE:
		do
			n = out ? write(port->fd, buf, len) : read(port->fd, buf, len);
		while (n < 0 && errno == EINTR);
		break;
	}
	return n < 0 ? -errno : n;
}

ssize_t port_read(struct port *port, void *buf, size_t len)
{
	ssize_t n = transfer(port, buf, len, false);

	if (n == -EINTR)
		return -EAGAIN;
	/* What a terminal that was hung up says. */
	return n == -EIO && port->kind != PORT_DIRECT ? 0 : n;
}

ssize_t port_write(struct port *port, const void *buf, size_t len)
{
	ssize_t n = transfer(port, (void *)(uintptr_t)buf, len, true);

	if (n == -EINTR)
		return -EAGAIN;
	return n == 0 ? -EIO : n;
}
