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

/* *@serial: it never ends by itself, for the line stays when the shell has ended. */
static int connect_port(const char *address, unsigned port, bool *serial, struct err *err)
{
	unsigned cid;

	*serial = str_starts(address, "unix://");
	if (*serial)
		return unix_connect(address + strlen("unix://"), false, err);
	if (sscanf(address, "vsock://%u", &cid) == 1)
		return connect_vsock(cid, port, err);
	if (str_starts(address, "hvsock://"))
		return connect_hybrid(address + strlen("hvsock://"), port, err);
	return err_set(err, EPROTO, "the guest's address \"%s\" is of no known kind", address);
}

/* ---- copying ---------------------------------------------------------------- */

/* Typed: ends a shell. */
#define CTRL_D 0x04
/* Typed: leaves a serial line. */
#define CTRL_BRACKET 0x1d

/* After the end of the input a serial line that is silent for so long has no more to say. */
#define QUIET_MS 1000

/* And it is not heard longer than so. */
#define LAST_WORDS_MS 60000

struct talk {
	int fd;
	bool serial, terminal;
	bool typed_all; /* standard input has ended */
	int64_t until;	/* then: how long to listen */
};

/* What the guest says. False at the end. */
static bool hear(const struct talk *t)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(t->fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	return n > 0 && fd_write_full(STDOUT_FILENO, buf, (size_t)n) == 0;
}

/* What is typed. False when that leaves. */
static bool say(struct talk *t)
{
	char buf[4096];
	ssize_t n;

	do
		n = read(STDIN_FILENO, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		buf[0] = CTRL_D;
		n = 1;
		t->typed_all = true;
		t->until = loop_now_ms() + LAST_WORDS_MS;
	} else if (t->serial && t->terminal && memchr(buf, CTRL_BRACKET, (size_t)n)) {
		return false;
	}
	return fd_write_full(t->fd, buf, (size_t)n) == 0;
}

static int attend(struct talk *t, struct err *err)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = t->fd, .events = POLLIN },
				       { .fd = t->typed_all ? -1 : STDIN_FILENO,
					 .events = POLLIN } };
		int n = poll(p, 2, t->serial && t->typed_all ? QUIET_MS : -1);

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		if (n == 0 || (t->serial && t->typed_all && loop_now_ms() > t->until))
			return 0;
		if (n > 0 && p[0].revents && !hear(t))
			return 0;
		if (n > 0 && p[1].revents && !say(t))
			return 0;
	}
}

static int attend_raw(struct talk *t, struct err *err)
{
	struct termios saved, raw;
	int r;

	t->terminal = tcgetattr(STDIN_FILENO, &saved) == 0;
	if (t->terminal && t->serial)
		fputs("Connected by a serial line: Ctrl-] leaves it.\n", stderr);
	if (t->terminal) {
		raw = saved;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	r = attend(t, err);
	if (t->terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	return r;
}

int debug_console(const struct cli *cli, const char *id, const char *port, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	auto_free char *address = NULL;
	struct talk t = { .fd = -1 };
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
		return err_set(
			err, ENOTSUP,
			"sandbox %s: there is no way to the debug console: its hypervisor has "
			"neither a vsock nor a serial line to the guest",
			id);
	t.fd = connect_port(address, (unsigned)n, &t.serial, err);
	if (t.fd < 0)
		return err_wrap(err, "sandbox %s: debug console", id);
	r = attend_raw(&t, err);
	close_fd(&t.fd);
	return r;
}
