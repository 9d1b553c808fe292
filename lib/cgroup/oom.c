/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version 2: memory.events polls as EPOLLPRI after each change until it is
 * read again. Version 1: an eventfd registered in cgroup.event_control, which
 * also fires when the group is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cgroup/internal.h"

/* The number of kills that the open memory.events tells; false: its group is gone. */
static bool read_kills(int fd, uint64_t *kills)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return false;
	text[n] = '\0';
	*kills = keyed_value(text, "oom_kill");
	return true;
}

static int open_v1(struct cgroup *cg, struct cgroup_oom *oom, struct err *err)
{
	bool v2;
	auto_free char *control = controller_file(cg, "memory", "memory.oom_control", &v2);
	auto_free char *events = controller_file(cg, "memory", "cgroup.event_control", &v2);
	auto_free char *line = NULL;
	auto_close int fd = open(control, O_RDONLY | O_CLOEXEC);
	auto_close int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0 || efd < 0)
		return err_sys(err, errno, "%s", control);
	line = xasprintf("%d %d", efd, fd);
	r = file_write_knob(events, line, strlen(line), err);
	if (r < 0)
		return r;
	oom->fd = take_fd(&efd);
	oom->events = EPOLLIN;
	return 0;
}

int cgroup_oom_open(struct cgroup *cg, struct cgroup_oom *oom, struct err *err)
{
	bool v2 = false;
	auto_free char *events = controller_file(cg, "memory", "memory.events", &v2);

	*oom = (struct cgroup_oom){ .fd = -1 };
	if (!events)
		return err_set(err, ENOENT, "the host has no cgroup controller memory");
	if (!v2)
		return open_v1(cg, oom, err);
	oom->fd = open(events, O_RDONLY | O_CLOEXEC);
	if (oom->fd < 0)
		return err_sys(err, errno, "%s", events);
	oom->v2 = true;
	oom->events = EPOLLPRI;
	oom->gone = !read_kills(oom->fd, &oom->count);
	return 0;
}

uint64_t cgroup_oom_count(struct cgroup_oom *oom)
{
	uint64_t now, before = oom->count;

	if (!oom->v2)
		return read(oom->fd, &now, sizeof(now)) == (ssize_t)sizeof(now) ? now : 0;
	oom->gone = !read_kills(oom->fd, &now);
	if (oom->gone)
		return 0;
	oom->count = now;
	return now > before ? now - before : 0;
}

void cgroup_oom_close(struct cgroup_oom *oom)
{
	close_fd(&oom->fd);
}
