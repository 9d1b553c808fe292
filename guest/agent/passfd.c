/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/passfd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/agent.h"
#include "guest/agent/ports.h"

/* The agent's own port takes as long, see transport.c. */
#define LOOK_MS 2
#define WAIT_MS 5000

/* Connections that no process was made for: how many, how long. */
#define PENDING_MAX 96
#define PENDING_MS  60000

struct pending {
	struct list link; /* the oldest first */
	uint32_t port;
	int fd;
	int64_t since;
};

static struct {
	struct agent *agent;
	struct loop_source *source, *timer;
	int fd;
	char *path; /* unix: to be removed at the end */
	int64_t deadline;
	struct list pending;
	size_t n;
} listener = { .fd = -1 };

static struct pending *oldest(void)
{
	return container_of(listener.pending.next, struct pending, link);
}

/* The connection, which is the caller's now. */
static int drop(struct pending *p)
{
	int fd = p->fd;

	list_del(&p->link);
	listener.n--;
	free(p);
	return fd;
}

static void drop_old(void)
{
	int64_t limit = loop_now_ms() - PENDING_MS;

	while (listener.n > 0 && (listener.n >= PENDING_MAX || oldest()->since < limit)) {
		log_warn("the stream of port %u is no process's, closing it", oldest()->port);
		close(drop(oldest()));
	}
}

static struct pending *find(uint32_t port)
{
	struct list *it;

	list_for_each(it, &listener.pending)
		if (container_of(it, struct pending, link)->port == port)
			return container_of(it, struct pending, link);
	return NULL;
}

/* 0: it has none. */
static uint32_t port_of(const struct sockaddr_storage *addr, socklen_t len)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1] = "";
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	long long port;
	size_t n;

	if (addr->ss_family == AF_VSOCK)
		return ((const struct sockaddr_vm *)addr)->svm_port;
	if (len <= head + 1 || len - head >= sizeof(name))
		return 0;
	/* An abstract name begins with a zero. */
	n = len - head - 1;
	memcpy(name, ((const struct sockaddr_un *)addr)->sun_path + 1, n);
	n = strlen(name);
	while (n > 0 && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	return str_to_ll(name + n, 1, UINT32_MAX - 1, &port) < 0 ? 0 : (uint32_t)port;
}

/* All that have connected: who names a port has, and it may not have been looked at yet. */
static void accept_all(void)
{
	for (;;) {
		struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(addr);
		auto_close int fd = accept4(listener.fd, (struct sockaddr *)&addr, &len,
					    SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct pending *p;
		uint32_t port;

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0)
			return;
		port = port_of(&addr, len);
		drop_old();
		p = find(port);
		if (p)
			close(drop(p));
		if (!port)
			continue;
		p = xcalloc(1, sizeof(*p));
		p->port = port;
		p->fd = take_fd(&fd);
		p->since = loop_now_ms();
		list_add_tail(&listener.pending, &p->link);
		listener.n++;
	}
}

static void on_connect(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	(void)arg;
	accept_all();
}

static void listen_at(int fd)
{
	listener.fd = fd;
	listener.source = loop_add_fd(listener.agent->loop, fd, EPOLLIN, on_connect, NULL);
}

static void look(void *arg)
{
	unsigned port = listener.agent->config.passfd_vport;
	int fd = vsock_listen(VMADDR_CID_ANY, port);

	(void)arg;
	listener.timer = NULL;
	if (fd >= 0)
		listen_at(fd);
	else if (loop_now_ms() < listener.deadline)
		listener.timer = loop_add_timer(listener.agent->loop, LOOK_MS, look, NULL);
	else
		log_warn("no vsock port %u for streams: %s, ignoring", port, strerror(-fd));
}

static void listen_locally(const char *own)
{
	auto_free char *path = xasprintf("%s.passfd", own);
	struct err err = ERR_INIT;
	int fd = unix_listen(path, SOMAXCONN, &err);

	if (fd < 0) {
		log_warn("streams: %s, ignoring", err_msg(&err));
		return;
	}
	listener.path = take_ptr(path);
	listen_at(fd);
}

void passfd_open(struct agent *agent)
{
	const char *own = config_unix_path(&agent->config);

	if (!agent->config.passfd_vport)
		return;
	listener.agent = agent;
	list_init(&listener.pending);
	listener.deadline = loop_now_ms() + WAIT_MS;
	if (!agent->guest && own)
		listen_locally(own);
	else
		look(NULL);
}

void passfd_close(void)
{
	if (!listener.agent)
		return;
	while (listener.n > 0)
		close(drop(oldest()));
	loop_remove(&listener.source);
	loop_remove(&listener.timer);
	close_fd(&listener.fd);
	if (listener.path && listener.path[0] != '@')
		(void)unlink(listener.path);
	free(listener.path);
	listener.path = NULL;
	listener.agent = NULL;
}

int passfd_take(uint32_t in, uint32_t out, uint32_t err_port, struct passfd *p, struct err *err)
{
	static const char *const names[3] = { "stdin", "stdout", "stderr" };
	const uint32_t ports[3] = { in, out, err_port };

	*p = (struct passfd)PASSFD_OFF;
	/* Kata's Rust runtime has no ports for those whose output goes to a logging program. */
	if (!in && !out && !err_port)
		return 0;
	if (listener.fd < 0)
		return err_set(err, EINVAL,
			       "streams of ports %u, %u and %u: the agent listens for none "
			       "(agent.passfd_listener_port)",
			       in, out, err_port);
	p->on = true;
	accept_all();
	for (int i = 0; i < 3; i++) {
		struct pending *found = ports[i] ? find(ports[i]) : NULL;

		if (found) {
			p->fd[i] = drop(found);
		} else if (ports[i]) {
			passfd_done(p);
			return err_set(err, EINVAL, "%s: nobody has connected from port %u",
				       names[i], ports[i]);
		}
	}
	return 0;
}

void passfd_done(struct passfd *p)
{
	for (int i = 0; i < 3; i++)
		close_fd(&p->fd[i]);
}
