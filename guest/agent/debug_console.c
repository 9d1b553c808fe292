/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/debug_console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/ports.h"
#include "guest/agent/reaper.h"
#include "guest/agent/relay.h"

#define SESSIONS_MAX 16
#define LOOK_MS	     200  /* whether somebody is at the serial port */
#define WAIT_MS	     5000 /* for the port itself, as transport.c */
#define DEVKIT_SHELL "/run/kata-extensions/devkit/bin/devkit-sh"

/* One shell and who speaks with it. */
struct session {
	struct list link;
	int peer, master; /* master -1: the shell has the peer itself */
	bool serial;	  /* the peer stays for the next one */
	pid_t pid;
	struct relay *relay;
};

static struct {
	struct agent *agent;
	struct list sessions;
	struct loop_source *listener;
	int listen_fd, serial_fd;
	char *path;  /* unix: to be removed at the end */
	bool served; /* who is at the serial port has had a session, or was told why not */
	int64_t deadline;
} console = { .listen_fd = -1, .serial_fd = -1 };

static void look_at_serial(void *arg);

static const char *shell(void)
{
	static const char *const shells[] = { DEVKIT_SHELL, "/bin/bash", "/bin/sh" };

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (access(shells[i], X_OK) == 0)
			return shells[i];
	return NULL;
}

static void run_shell(const char *path, int tty)
{
	static char *const env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
				     (char *)"HOME=/root", (char *)"TERM=xterm", NULL };
	char *const argv[] = { (char *)path, (char *)"-i", NULL };
	sigset_t none;

	/* A local process's shell must not outlive it; a machine ends with the agent. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	(void)ioctl(tty, TIOCSCTTY, 1); /* a shell without job control is one too */
	for (int i = 0; i < 3; i++)
		if (dup2(tty, i) < 0)
			_exit(127);
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	if (chdir("/") == 0)
		execve(path, argv, env);
	_exit(127);
}

static void on_shell_ended(pid_t pid, int status, void *arg)
{
	struct list *it;

	(void)status;
	(void)arg;
	/* The relay sees the end of the terminal by itself. */
	list_for_each(it, &console.sessions)
		if (container_of(it, struct session, link)->pid == pid)
			container_of(it, struct session, link)->pid = 0;
}

static void end_session(struct session *s)
{
	relay_stop(&s->relay);
	close_fd(&s->master); /* hangs up */
	if (s->pid > 0)
		kill(s->pid, SIGHUP);
	list_del(&s->link);
	if (s->serial)
		loop_add_timer(console.agent->loop, LOOK_MS, look_at_serial, NULL);
	else
		close_fd(&s->peer);
	free(s);
	log_info("debug console: a session ended");
}

static void on_relayed(void *arg)
{
	struct session *s = arg;

	s->relay = NULL;
	end_session(s);
}

/* The two ends of a terminal, or -errno. */
static int open_terminal(int *master, int *slave)
{
	int unlock = 0;

	*master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0)
		return -errno;
	if (ioctl(*master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	*slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return *slave < 0 ? -errno : 0;
}

static size_t count_sessions(void)
{
	struct list *it;
	size_t n = 0;

	list_for_each(it, &console.sessions)
		n++;
	return n;
}

/* Takes @peer over unless it is the serial port. False: it was told why not. */
static bool start_session(int peer, bool serial)
{
	const char *path = shell(), *why = NULL;
	auto_close int master = -1, slave = -1;
	struct session *s;
	pid_t pid = -1;

	if (!path)
		why = "the guest has no shell\r\n";
	else if (count_sessions() >= SESSIONS_MAX)
		why = "too many sessions\r\n";
	else if (open_terminal(&master, &slave) < 0 || (pid = fork()) < 0)
		why = "no terminal for a shell\r\n";
	if (why) {
		log_warn("debug console: %.*s", (int)strcspn(why, "\r"), why);
		(void)!write(peer, why, strlen(why)); /* it may be gone */
		if (!serial)
			close(peer);
		return false;
	}
	if (pid == 0)
		run_shell(path, slave);
	s = xcalloc(1, sizeof(*s));
	s->peer = peer;
	s->serial = serial;
	s->pid = pid;
	s->master = take_fd(&master);
	reaper_watch(pid, on_shell_ended, NULL);
	list_add_tail(&console.sessions, &s->link);
	s->relay = relay_start(console.agent->loop, peer, s->master, on_relayed, s);
	log_info("debug console: %s for a session", path);
	return true;
}

static void on_connect(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)src;
	(void)events;
	(void)arg;
	if (peer >= 0)
		(void)start_session(peer, false); /* it has told why not */
}

static void listen_at(int fd)
{
	console.listen_fd = fd;
	console.listener = loop_add_fd(console.agent->loop, fd, EPOLLIN, on_connect, NULL);
}

/*
 * A port without a peer says so for ever; so it is looked at now and then. The line stays when a
 * shell ends: the next one is for who comes then, not for who had that.
 */
static void look_at_serial(void *arg)
{
	struct pollfd p = { .fd = console.serial_fd, .events = POLLIN };
	bool there = poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP), begun = false;

	(void)arg;
	if (there && !console.served)
		begun = start_session(console.serial_fd, true);
	console.served = there;
	if (!begun)
		loop_add_timer(console.agent->loop, LOOK_MS, look_at_serial, NULL);
}

static void look_for_ports(void *arg)
{
	unsigned vport = console.agent->config.debug_console_vport;

	(void)arg;
	if (console.serial_fd < 0) {
		int fd = port_open(AGENT_CONSOLE_NAME);

		if (fd >= 0) {
			console.serial_fd = fd;
			look_at_serial(NULL);
		}
	}
	if (console.listen_fd < 0) {
		int fd = vsock_listen(VMADDR_CID_ANY, vport);

		if (fd >= 0)
			listen_at(fd);
	}
	if ((console.serial_fd < 0 || console.listen_fd < 0) && loop_now_ms() < console.deadline)
		loop_add_timer(console.agent->loop, LOOK_MS, look_for_ports, NULL);
	else if (console.serial_fd < 0 && console.listen_fd < 0)
		log_warn("debug console: no virtio-serial port %s and no vsock, ignoring",
			 AGENT_CONSOLE_NAME);
}

/* The shell has the device itself, once. */
static void use_machine_console(void)
{
	auto_close int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	const char *path = shell();
	pid_t pid = fd >= 0 && path ? fork() : -1;

	if (pid == 0)
		run_shell(path, fd);
	if (pid < 0)
		log_warn("debug console: %s, ignoring",
			 !path ? "the guest has no shell" : "the machine has no console");
}

static void listen_locally(const char *own)
{
	struct err err = ERR_INIT;
	int fd;

	console.path = xasprintf("%s.console", own);
	fd = unix_listen(console.path, 4, &err);
	if (fd >= 0) {
		listen_at(fd);
		return;
	}
	log_warn("debug console: %s, ignoring", err_msg(&err));
	free(console.path);
	console.path = NULL;
}

void debug_console_open(struct agent *agent)
{
	const char *own = config_unix_path(&agent->config);

	if (!agent->config.debug_console)
		return;
	console.agent = agent;
	list_init(&console.sessions);
	console.deadline = loop_now_ms() + WAIT_MS;
	if (!agent->guest && own)
		listen_locally(own);
	else if (agent->config.debug_console_vport)
		look_for_ports(NULL);
	else
		use_machine_console();
}

void debug_console_close(void)
{
	if (!console.agent)
		return;
	while (!list_empty(&console.sessions))
		end_session(container_of(console.sessions.next, struct session, link));
	loop_remove(&console.listener);
	close_fd(&console.listen_fd);
	close_fd(&console.serial_fd);
	if (console.path && console.path[0] != '@')
		(void)unlink(console.path);
	free(console.path);
	console.path = NULL;
	console.agent = NULL;
}
