/* SPDX-License-Identifier: Apache-2.0 */
#include "host/standin/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void serve_tell(int sock, enum standin_kind kind, int value, const char *text)
{
	struct standin_record r = { .kind = kind, .value = value };

	if (text)
		strncpy(r.text, text, sizeof(r.text) - 1);
	/* Who does not listen is not waited for: a flood of signals may lose some. */
	(void)send(sock, &r, sizeof(r), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int serve_hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -1;
	return signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As process 1 of a pid namespace it collects what visitors leave behind. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void pass_signals(int signals, int shim)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap();
		else
			serve_tell(shim, STANDIN_SIGNAL, (int)info.ssi_signo, NULL);
	}
}

/* The record that came; kind 0 when the other end has gone. */
static struct standin_record receive(int sock)
{
	struct standin_record r = { 0 };
	ssize_t n;

	do
		n = recv(sock, &r, sizeof(r), 0);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(r))
		r.kind = 0;
	return r;
}

int serve(int signals, int control, int shim)
{
	struct pollfd fds[] = { { signals, POLLIN, 0 },
				{ shim, POLLIN, 0 },
				{ control, POLLIN, 0 } };

	for (;;) {
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return STANDIN_LOST;
		if (fds[0].revents)
			pass_signals(signals, shim);
		if (fds[1].revents) {
			struct standin_record r = receive(shim);

			return r.kind == STANDIN_ENDED ? r.value & 0xff : STANDIN_LOST;
		}
		if (fds[2].revents) {
			if (receive(control).kind != STANDIN_RELEASE)
				return STANDIN_LOST;
			close(control);
			fds[2] = (struct pollfd){ .fd = -1 };
			serve_tell(shim, STANDIN_RELEASED, 0, NULL);
		}
	}
}
