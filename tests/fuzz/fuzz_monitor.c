/* SPDX-License-Identifier: Apache-2.0 */
/* What a monitor that a guest has taken over may say: each line of the input is a message. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "host/hypervisor/dragonball/control.h"

#define MESSAGES_MAX 64
#define ASKED	     3

struct heard {
	unsigned answers;
	bool closed;
};

static void on_started(void *arg)
{
	must(!((struct heard *)arg)->closed);
}

static void on_ended(enum vmm_end end, const char *text, void *arg)
{
	must(vmm_end_word(end) && text && strlen(text) <= VMM_MESSAGE_MAX);
	must(!((struct heard *)arg)->closed);
}

static void on_closed(const struct err *err, void *arg)
{
	struct heard *h = arg;

	must(err && err->code <= 0 && !h->closed);
	must(h->answers == ASKED);
	h->closed = true;
}

static void on_done(const struct err *err, const char *text, void *arg)
{
	struct heard *h = arg;

	must(err ? err->code < 0 : text != NULL);
	h->answers++;
}

static const struct monitor_handler handler = { on_started, on_ended, on_closed };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct heard h = { .answers = 0 };
	struct loop *loop = loop_new();
	struct monitor *m;
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	m = monitor_new(loop, pair[0], &handler, &h, NULL);
	must(m);
	for (int i = 0; i < ASKED; i++)
		must(monitor_ask(m, VMM_REQUEST_STATS, on_done, &h, NULL) == 0);
	for (int i = 0; i < MESSAGES_MAX && size > 0 && !h.closed; i++) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;

		if (len > 0 && len < 65536)
			must(send(pair[1], data, len, MSG_NOSIGNAL) == (ssize_t)len);
		monitor_read(m);
		data += len + (end ? 1 : 0);
		size -= len + (end ? 1 : 0);
	}
	close(pair[1]);
	for (int i = 0; i < MESSAGES_MAX && !h.closed; i++)
		must(loop_step(loop, 0) == 0);
	must(h.closed); /* the stream has ended, and nobody waits for an answer */
	monitor_free(m);
	loop_free(loop);
	return 0;
}
