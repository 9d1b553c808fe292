/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/sync.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

struct frame {
	uint32_t kind;
	struct err err;
};

int sync_send(int sock, enum sync_kind kind, const struct err *err, int fd)
{
	struct frame f = { .kind = kind };
	ssize_t n;

	if (err)
		f.err = *err;
	n = fd_send(sock, &f, sizeof(f), &fd, fd >= 0 ? 1 : 0);
	return n < 0 ? (int)n : 0;
}

int sync_recv(int sock, struct sync_msg *msg)
{
	struct frame f;
	size_t nfds = 1;
	int fd = -1;
	ssize_t n = fd_recv(sock, &f, sizeof(f), &fd, &nfds);

	if (n <= 0)
		return (int)n;
	msg->kind = f.kind;
	msg->err = f.err;
	msg->err.msg[ERR_MSG_MAX - 1] = '\0';
	msg->fd = nfds > 0 ? fd : -1;
	if (n == (ssize_t)sizeof(f))
		return 1;
	close_fd(&msg->fd);
	return -EPROTO;
}
