/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/debug_console.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"

#define ASK_LIMIT_MS	 10000
#define CONNECT_LIMIT_MS 5000

/* ---- connecting ------------------------------------------------------------- */

static int connect_vsock(unsigned cid, unsigned port, struct err *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	struct timeval limit = { .tv_sec = CONNECT_LIMIT_MS / 1000 };
	auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, errno, "vsock");
	setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(err, errno, "vsock %u:%u", cid, port);
	return take_fd(&fd);
}

/* "CONNECT PORT\n", answered by "OK PORT\n": Firecracker's, and of others since. */
static int connect_hybrid(const char *path, unsigned port, struct err *err)
{
	auto_close int fd = unix_connect(path, false, err);
	char line[64];
	size_t n = 0;
	int r;

	if (fd < 0)
		return fd;
	snprintf(line, sizeof(line), "CONNECT %u\n", port);
	r = fd_write_full(fd, line, strlen(line));
	while (r == 0 && n < sizeof(line) - 1) {
		if (fd_poll(fd, POLLIN, CONNECT_LIMIT_MS) <= 0)
			return err_set(err, ETIMEDOUT, "%s: no answer", path);
		r = fd_read_full(fd, &line[n], 1);
		if (r == 0 && line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	if (r < 0 || !str_starts(line, "OK"))
		return err_set(err, ECONNREFUSED, "%s: port %u does not answer", path, port);
	return take_fd(&fd);
}

static int connect_port(const char *address, unsigned port, struct err *err)
{
	unsigned cid;

	if (sscanf(address, "vsock://%u", &cid) == 1)
		return connect_vsock(cid, port, err);
	if (str_starts(address, "hvsock://"))
		return connect_hybrid(address + strlen("hvsock://"), port, err);
	return err_set(err, EPROTO, "the guest's address \"%s\" is of no known kind", address);
}

/* ---- copying ---------------------------------------------------------------- */

/* Some bytes from @from to @to; false at the end. */
static bool copy(int from, int to)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(from, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	return n > 0 && fd_write_full(to, buf, (size_t)n) == 0;
}

static int attend(int fd, struct err *err)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = STDIN_FILENO, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if (p[0].revents && !copy(fd, STDOUT_FILENO))
			return 0;
		if (p[1].revents && !copy(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			p[1].fd = -1;
			p[1].revents = 0;
		}
	}
}

static int attend_raw(int fd, struct err *err)
{
	struct termios saved, raw;
	bool terminal = tcgetattr(STDIN_FILENO, &saved) == 0;
	int r;

	if (terminal) {
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	r = attend(fd, err);
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	return r;
}

int debug_console(const struct cli *cli, const char *id, const char *port, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	auto_free char *address = NULL;
	auto_close int fd = -1;
	bool enabled = false;
	long long n;
	int r;

	if (str_to_ll(port, 1, UINT32_MAX - 1, &n) < 0)
		return err_set(err, EINVAL, "flag --kata-debug-port: \"%s\" is no port", port);
	r = opened_open(&o, cli, id, err);
	if (r == 0)
		r = task_guest(o.task, &address, &enabled, ASK_LIMIT_MS, err);
	if (r < 0)
		return r;
	if (!enabled)
		return err_set(err, EPERM,
			       "sandbox %s has no debug console: it was started without "
			       "debug_console_enabled = true in [agent.kata]",
			       id);
	if (!*address)
		return err_set(err, ENOTSUP,
			       "sandbox %s: the debug console needs a vsock to the guest, and this "
			       "machine has none; QEMU has one where the host has /dev/vhost-vsock "
			       "(modprobe vhost_vsock)",
			       id);
	fd = connect_port(address, (unsigned)n, err);
	if (fd < 0)
		return err_wrap(err, "sandbox %s: debug console", id);
	return attend_raw(fd, err);
}
