/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static bool ends_the_boot(int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

static void on_signal(const struct signalfd_siginfo *info, void *arg)
{
	struct attach *a = arg;
	int signo = (int)info->ssi_signo;

	log_debug("signal %d", signo);
	if (a->ended)
		return;
	if (signo == SIGWINCH) {
		if (a->task && a->raw)
			attach_resize(a->task);
	} else if (a->task) {
		task_send_kill(a->task, signo);
	} else if (ends_the_boot(signo) && !a->stop) {
		a->stop = signo;
	}
}

int attach_begin(struct attach *a, struct loop *loop)
{
	static const int signals[] = { SIGINT,	SIGTERM, SIGHUP,  SIGQUIT,
				       SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH };
	struct sigaction was;

	_Static_assert(ARRAY_SIZE(signals) <= ARRAY_SIZE(((struct attach *)0)->signals), "room");
	*a = (struct attach){ .loop = loop };
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		/*
		 * nohup means it. SIGINT and SIGQUIT are taken nevertheless: shells ignore
		 * them for each command that they run in the background.
		 */
		if (signals[i] == SIGHUP && sigaction(SIGHUP, NULL, &was) == 0 &&
		    was.sa_handler == SIG_IGN)
			continue;
		a->signals[i] = loop_add_signal(loop, signals[i], on_signal, a);
		if (!a->signals[i])
			return -errno;
	}
	return 0;
}

/* The caller's terminal, or -1; what had to be opened for it, to be closed, is *@opened. */
static int find_terminal(int *opened)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			return fd;
	*opened = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *opened;
}

bool attach_has_terminal(void)
{
	auto_close int opened = -1;

	return find_terminal(&opened) >= 0;
}

void attach_resize(struct task *task)
{
	auto_close int opened = -1;
	int fd = find_terminal(&opened);
	struct winsize size;

	if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row)
		task_send_resize(task, size.ws_col, size.ws_row);
}

/* What is typed ahead stays in the queue: TCSANOW throws nothing away. */
static int set_mode(const struct termios *mode)
{
	int r;

	do
		r = tcsetattr(STDIN_FILENO, TCSANOW, mode);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

void attach_to(struct attach *a, struct task *task, bool terminal)
{
	struct termios raw;

	a->task = task;
	if (!terminal || tcgetattr(STDIN_FILENO, &a->saved) < 0)
		return;
	raw = a->saved;
	cfmakeraw(&raw);
	if (set_mode(&raw) < 0)
		return;
	a->raw = true;
	attach_resize(task);
}

void attach_end(struct attach *a)
{
	sigset_t ttou, was;

	a->ended = true;
	if (!a->raw)
		return;
	/* In the background this would stop us instead. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &was);
	set_mode(&a->saved);
	sigprocmask(SIG_SETMASK, &was, NULL);
	a->raw = false;
}
