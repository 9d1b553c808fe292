/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/log_port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/ports.h"

/* The agent's own port takes as long, see transport.c. */
#define LOOK_MS 2
#define WAIT_MS 5000

/* What hosts ask for, by agent.log_vport; until the kernel's line can be read it is a guess. */
#define USUAL_PORT 1025

static struct {
	struct agent *agent;
	int64_t deadline;
	int console; /* where lines go while nobody is connected, */
	int serial;  /* but for this, where the machine has it */
	int client, listen_fd;
	int early;  /* what log_port_early() has opened */
	char *path; /* unix: to be removed at the end */
	struct loop_source *listener, *hangup;
} port = { .console = STDERR_FILENO, .serial = -1, .client = -1, .listen_fd = -1, .early = -1 };

static void use(int fd, enum log_format format)
{
	log_open(fd, "kata-agent", port.agent->config.log_level, format);
}

void log_port_console(struct agent *agent)
{
	port.agent = agent;
	if (agent->init) {
		int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

		port.console = fd;
	}
	use(port.console, LOG_FORMAT_TEXT);
}

static void use_own(void)
{
	if (port.serial >= 0)
		use(port.serial, LOG_FORMAT_SLOG);
	else
		use(port.console, LOG_FORMAT_TEXT);
}

static void on_hangup(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	char drop[256];

	(void)src;
	(void)arg;
	/* The host has nothing to say here. */
	if (!(events & (EPOLLHUP | EPOLLERR)) && read(fd, drop, sizeof(drop)) > 0)
		return;
	use_own();
	loop_remove(&port.hangup);
	close_fd(&port.client);
}

static void on_connect(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)src;
	(void)events;
	(void)arg;
	if (client < 0)
		return;
	/* The newest listener wins: an older one may hang without telling. */
	loop_remove(&port.hangup);
	close_fd(&port.client);
	port.client = client;
	port.hangup = loop_add_fd(port.agent->loop, client, EPOLLIN | EPOLLRDHUP, on_hangup, NULL);
	use(client, LOG_FORMAT_SLOG);
}

static bool try_serial(void)
{
	if (port.serial < 0) {
		port.serial = port_open(AGENT_LOG_NAME);
		if (port.serial >= 0)
			use_own();
	}
	return port.serial >= 0;
}

static void listen_at(int fd)
{
	port.listen_fd = fd;
	port.listener = loop_add_fd(port.agent->loop, fd, EPOLLIN, on_connect, NULL);
}

static bool try_vsock(void)
{
	unsigned vport = port.agent->config.log_vport;
	int fd;

	if (!vsock_works())
		return false;
	fd = port.early >= 0 ? take_fd(&port.early) : vsock_bind(VMADDR_CID_ANY, vport);
	if (fd < 0)
		return false;
	listen_at(fd);
	return true;
}

static void look(void *arg)
{
	bool serial = try_serial();

	(void)arg;
	/* Who asks for the port of vsock gets it beside the other. */
	if (port.agent->config.log_vport ? try_vsock() : serial)
		return;
	if (loop_now_ms() < port.deadline)
		loop_add_timer(port.agent->loop, LOOK_MS, look, NULL);
}

static void listen_locally(const char *own)
{
	auto_free char *path = xasprintf("%s.log", own);
	struct err err = ERR_INIT;
	int fd = unix_listen(path, 4, &err);

	if (fd < 0) {
		log_warn("log: %s, ignoring", err_msg(&err));
		return;
	}
	port.path = take_ptr(path);
	listen_at(fd);
}

void log_port_early(void)
{
	port.early = vsock_bind(VMADDR_CID_ANY, USUAL_PORT);
}

void log_port_open(struct agent *agent)
{
	port.agent = agent;
	if (agent->config.log_vport != USUAL_PORT)
		close_fd(&port.early);
	port.deadline = loop_now_ms() + WAIT_MS;
	if (agent->guest)
		look(NULL);
	else if (agent->config.log_vport && config_unix_path(&agent->config))
		listen_locally(config_unix_path(&agent->config));
}

void log_port_close(void)
{
	if (port.client >= 0)
		use(port.console, LOG_FORMAT_TEXT);
	loop_remove(&port.hangup);
	loop_remove(&port.listener);
	close_fd(&port.client);
	close_fd(&port.listen_fd);
	close_fd(&port.early);
	if (port.path && port.path[0] != '@')
		(void)unlink(port.path);
	free(port.path);
	port.path = NULL;
}
