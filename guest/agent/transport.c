/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/ports.h"

/* A port shows up when its driver has talked to the device; there is no event without udev. */
#define LOOK_MS 2
#define WAIT_MS 5000

struct lookout {
	struct agent *agent;
	const char *port; /* NULL: found, or not wanted */
	bool vsock;	  /* still to be tried */
	bool served;
	int64_t deadline;
};

static struct lookout lookout;
static int early = -1;	/* what transport_early() has opened */
static char *unix_path; /* to be removed at the end */

static int serve_port(struct agent *agent, int fd)
{
	int r = ttrpc_server_serve_serial(agent->server, fd);

	if (r < 0)
		close(fd);
	return r;
}

static bool try_port(struct lookout *l)
{
	int fd = port_open(l->port), r;

	if (fd == -ENOENT)
		return false;
	r = fd < 0 ? fd : serve_port(l->agent, fd);
	if (r < 0) {
		log_error("virtio-serial port %s: %s", l->port, strerror(-r));
		return false;
	}
	log_info("serving on virtio-serial port %s", l->port);
	return true;
}

static bool try_vsock(struct lookout *l)
{
	int fd, r;

	if (!vsock_works())
		return false;
	fd = early >= 0 ? take_fd(&early) : vsock_bind(VMADDR_CID_ANY, AGENT_VSOCK_PORT);
	if (fd < 0)
		return false;
	r = ttrpc_server_listen(l->agent->server, fd);
	if (r < 0) {
		close(fd);
		return false;
	}
	log_info("listening on vsock port %u", AGENT_VSOCK_PORT);
	return true;
}

static void look(void *arg)
{
	struct lookout *l = arg;

	if (l->port && try_port(l)) {
		l->port = NULL;
		l->served = true;
	}
	if (l->vsock && try_vsock(l)) {
		l->vsock = false;
		l->served = true;
	}
	if (!l->port && !l->vsock)
		return;
	if (loop_now_ms() < l->deadline) {
		loop_add_timer(l->agent->loop, LOOK_MS, look, l);
		return;
	}
	if (l->served)
		return;
	log_error("nobody can call: no virtio-serial port %s and no vsock",
		  l->port ? l->port : AGENT_PORT_NAME);
	loop_stop(l->agent->loop, -ENODEV);
}

static int look_for(struct agent *agent, const char *port, bool vsock)
{
	lookout = (struct lookout){
		.agent = agent,
		.port = port,
		.vsock = vsock,
		.deadline = loop_now_ms() + WAIT_MS,
	};
	look(&lookout);
	return 0;
}

static int listen_unix(struct agent *agent, const char *path, struct err *err)
{
	int fd = unix_listen(path, SOMAXCONN, err), r;

	if (fd < 0)
		return fd;
	r = ttrpc_server_listen(agent->server, fd);
	if (r < 0) {
		close(fd);
		return err_sys(err, r, "listen on %s", path);
	}
	if (path[0] != '@')
		unix_path = xstrdup(path);
	return 0;
}

/* "CID:PORT"; -1 stands for any CID. */
static int listen_vsock(struct agent *agent, const char *addr, struct err *err)
{
	const char *colon = strrchr(addr, ':');
	auto_free char *cid_text = colon ? xstrndup(addr, (size_t)(colon - addr)) : NULL;
	long long cid, port;
	int fd, r;

	if (!colon || str_to_ll(cid_text, -1, UINT_MAX - 1, &cid) < 0 ||
	    str_to_ll(colon + 1, 0, UINT_MAX - 1, &port) < 0)
		return err_set(err, EINVAL, "vsock://%s: not vsock://CID:PORT", addr);
	fd = vsock_listen((unsigned)cid, (unsigned)port);
	if (fd < 0)
		return err_sys(err, fd, "vsock://%s", addr);
	r = ttrpc_server_listen(agent->server, fd);
	if (r == 0)
		return 0;
	close(fd);
	return err_sys(err, r, "vsock://%s", addr);
}

static int open_serial(struct agent *agent, const char *path, struct err *err)
{
	int fd, r;

	if (path[0] != '/')
		return look_for(agent, path, false);
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "serial://%s", path);
	r = serve_port(agent, fd);
	return r < 0 ? err_sys(err, r, "serial://%s", path) : 0;
}

void transport_early(void)
{
	early = vsock_bind(VMADDR_CID_ANY, AGENT_VSOCK_PORT);
}

int transport_open(struct agent *agent, struct err *err)
{
	const char *addr = agent->config.server_addr;

	if (!addr)
		return look_for(agent, AGENT_PORT_NAME, true);
	close_fd(&early);
	if (str_starts(addr, "unix://"))
		return listen_unix(agent, addr + strlen("unix://"), err);
	if (str_starts(addr, "vsock://"))
		return listen_vsock(agent, addr + strlen("vsock://"), err);
	if (str_starts(addr, "serial://"))
		return open_serial(agent, addr + strlen("serial://"), err);
	return err_set(err, EINVAL, "server address \"%s\": neither unix, vsock nor serial", addr);
}

void transport_close(void)
{
	close_fd(&early);
	if (unix_path)
		(void)unlink(unix_path); /* who made the directory may have removed it */
	free(unix_path);
	unix_path = NULL;
}
