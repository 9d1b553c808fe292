/* SPDX-License-Identifier: Apache-2.0 */
/* What may come over the monitor's control socket: each line of the input is a message. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "vmm/control.h"

#define MESSAGES_MAX 64

struct asked {
	bool stopped;
	unsigned n;
};

static int act(void *arg, struct err *err)
{
	struct asked *a = arg;

	return a->n++ % 2 ? err_set(err, EIO, "\x1b[2J no") : 0;
}

static int balloon(void *arg, uint64_t mib, struct err *err)
{
	must(mib <= UINT64_MAX >> 20);
	return act(arg, err);
}

static void stats(void *arg, struct str *out)
{
	(void)arg;
	str_puts(out, "a=1 b=2");
}

static void stop(void *arg, const char *why)
{
	must(why);
	((struct asked *)arg)->stopped = true;
}

static const struct control_ops ops = { act, act, balloon, stats, stop };

/* Each request has one answer, and that is a line of the protocol. */
static void hear(int fd)
{
	char line[VMM_MESSAGE_MAX + 2];
	ssize_t n = recv(fd, line, sizeof(line), MSG_DONTWAIT);

	must(n >= 2 && n <= VMM_MESSAGE_MAX);
	must(!memcmp(line, "ok", 2) || (n > 6 && !memcmp(line, "error ", 6)));
	for (ssize_t i = 0; i < n; i++)
		must(line[i] >= ' ' && line[i] <= '~');
	must(recv(fd, line, sizeof(line), MSG_DONTWAIT) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct asked asked = { .n = 0 };
	struct loop *loop = loop_new();
	struct control *control;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	control = control_new(loop, pair[0], &ops, &asked, NULL);
	must(control);
	for (int i = 0; i < MESSAGES_MAX && size > 0; i++) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		/* An empty one is the end of the connection. */
		if (len > 0 && len < 65536) {
			must(send(pair[1], data, len, MSG_NOSIGNAL) == (ssize_t)len);
			must(loop_step(loop, 0) == 0);
			hear(pair[1]);
		}
		data += len + (end ? 1 : 0);
		size -= len + (end ? 1 : 0);
	}
	must(asked.stopped || asked.n <= MESSAGES_MAX);
	close(pair[1]);
	must(loop_step(loop, 0) == 0);
	must(asked.stopped);
	control_ended(control, VMM_END_STOPPED, "\x01");
	control_free(control);
	loop_free(loop);
	return 0;
}
