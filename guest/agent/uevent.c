/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#define KERNEL_GROUP 1
#define MESSAGE_MAX  4096 /* UEVENT_BUFFER_SIZE of the kernel, doubled */

bool uevent_parse(const char *msg, size_t len, struct uevent *e)
{
	const struct {
		const char *key;
		const char **value;
	} keys[] = {
		{ "ACTION=", &e->action },
		{ "DEVPATH=", &e->devpath },
		{ "SUBSYSTEM=", &e->subsystem },
		{ "DEVNAME=", &e->devname },
	};
	const char *end = msg + len;

	*e = (struct uevent){ "", "", "", "" };
	if (len == 0 || msg[len - 1] || !strchr(msg, '@'))
		return false;
	for (const char *p = msg + strlen(msg) + 1; p < end; p += strlen(p) + 1)
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (str_starts(p, keys[i].key))
				*keys[i].value = p + strlen(keys[i].key);
	return *e->action && *e->devpath;
}

int uevent_open(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	auto_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				   NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* The length of one message of the kernel's; 0: another's, or some were lost; -errno. */
static ssize_t receive(int fd, char *buf, size_t size)
{
	struct sockaddr_nl from = { .nl_pid = 0 };
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, buf, size, 0, (struct sockaddr *)&from, &len);

	if (n < 0)
		return errno == ENOBUFS ? 0 : -errno;
	return from.nl_pid == 0 ? n : 0;
}

bool uevent_drain(int fd)
{
	char buf[MESSAGE_MAX];
	bool any = false;

	while (receive(fd, buf, sizeof(buf)) >= 0)
		any = true;
	return any;
}

static void turn_on(const char *devpath)
{
	auto_free char *path = xasprintf("/sys%s/online", devpath);
	struct err err = ERR_INIT;

	if (file_write_knob(path, "1", 1, &err) < 0)
		log_warn("memory %s: %s, ignoring", devpath, err_msg(&err));
}

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	char buf[MESSAGE_MAX];
	struct uevent e;
	ssize_t n;

	(void)src;
	(void)events;
	(void)arg;
	while ((n = receive(fd, buf, sizeof(buf))) >= 0)
		if (uevent_parse(buf, (size_t)n, &e) && !strcmp(e.action, "add") &&
		    str_starts(e.devpath, "/devices/system/memory/memory") &&
		    !strstr(e.devpath, ".."))
			turn_on(e.devpath);
}

void uevent_watch_memory(struct agent *agent)
{
	int fd = uevent_open();

	if (fd < 0)
		log_warn("no news of devices: %s, ignoring", strerror(-fd));
	else
		loop_add_fd(agent->loop, fd, EPOLLIN, on_event, NULL);
}
