/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/log_port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/ports.h"

/* The agent's own port takes as long, see transport.c. */
#define LOOK_MS 2
#define WAIT_MS 5000

static struct {
	struct agent *agent;
	int64_t deadline;
	int console; /* where lines go while nobody is connected */
	int client;
	struct loop_source *listener, *hangup;
} port = { .console = STDERR_FILENO, .client = -1 };

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

static void on_hangup(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	char drop[256];

	(void)src;
	(void)arg;
	/* The host has nothing to say here. */
	if (!(events & (EPOLLHUP | EPOLLERR)) && read(fd, drop, sizeof(drop)) > 0)
		return;
	use(port.console, LOG_FORMAT_TEXT);
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
	int fd = port_open(AGENT_LOG_NAME);

	if (fd < 0)
		return false;
	use(fd, LOG_FORMAT_SLOG);
	return true;
}

static bool try_vsock(void)
{
	int fd = vsock_listen(VMADDR_CID_ANY, port.agent->config.log_vport);

	if (fd < 0)
		return false;
	port.listener = loop_add_fd(port.agent->loop, fd, EPOLLIN, on_connect, NULL);
	return true;
}

static void look(void *arg)
{
	(void)arg;
	if (try_serial() || (port.agent->config.log_vport && try_vsock()))
		return;
	if (loop_now_ms() < port.deadline)
		loop_add_timer(port.agent->loop, LOOK_MS, look, NULL);
}

void log_port_open(struct agent *agent)
{
	port.agent = agent;
	port.deadline = loop_now_ms() + WAIT_MS;
	look(NULL);
}
