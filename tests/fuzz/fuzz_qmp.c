/* SPDX-License-Identifier: Apache-2.0 */
/* What a QEMU that a guest has taken over may say on its monitor. */
#include <sys/socket.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "host/hypervisor/qmp.h"

#define ROUNDS_MAX 64

struct heard {
	struct qmp *qmp;
	bool closed;
	unsigned answers, asked;
};

static void on_done(const struct err *err, struct json_object *ret, void *arg)
{
	struct heard *h = arg;

	(void)ret;
	must(!err || err->code < 0);
	h->answers++;
}

static void on_ready(void *arg)
{
	struct heard *h = arg;

	h->asked++;
	qmp_command(h->qmp, "query-status", NULL, on_done, h);
}

static void on_event(const char *name, struct json_object *data, void *arg)
{
	(void)data;
	(void)arg;
	must(name);
}

static void on_closed(const struct err *err, void *arg)
{
	struct heard *h = arg;

	must(err && err->code <= 0);
	must(h->answers == h->asked);
	h->closed = true;
}

static const struct qmp_handler handler = {
	.ready = on_ready,
	.event = on_event,
	.closed = on_closed,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard h = { .closed = false };
	struct loop *loop = loop_new();
	int pair[2];

	if (size > 65536)
		size = 65536;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	must(send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	must(shutdown(pair[1], SHUT_WR) == 0);
	h.qmp = qmp_new(loop, pair[0], &handler, &h);
	for (int i = 0; i < ROUNDS_MAX && !h.closed; i++)
		must(loop_step(loop, 0) == 0);
	must(h.closed); /* the stream has ended */
	qmp_free(h.qmp);
	loop_free(loop);
	close(pair[1]);
	return 0;
}
