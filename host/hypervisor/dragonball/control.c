/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/dragonball/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

struct asked {
	monitor_done done;
	void *arg;
	int64_t limit;
	char request[32]; /* for the error */
};

struct monitor {
	struct loop *loop;
	int fd;
	struct loop_source *src, *limit;
	const struct monitor_handler *handler;
	void *arg;
	struct asked asked[MONITOR_ASKED_MAX];
	unsigned n_asked;
};

static void set_limit(struct monitor *m);

/* Takes the first request that waits; false when there was none. */
static bool pop(struct monitor *m, struct asked *out)
{
	if (m->n_asked == 0)
		return false;
	*out = m->asked[0];
	m->n_asked--;
	memmove(&m->asked[0], &m->asked[1], m->n_asked * sizeof(m->asked[0]));
	set_limit(m);
	return true;
}

/* The connection is over: all that wait hear of it, then the handler. */
static void closed(struct monitor *m, const struct err *err)
{
	struct err gone = ERR_INIT;
	struct asked a;

	loop_remove(&m->src);
	close_fd(&m->fd);
	if (err->code)
		gone = *err;
	else
		err_set(&gone, EPIPE, "the monitor has ended");
	while (pop(m, &a))
		if (a.done)
			a.done(&gone, NULL, a.arg);
	m->handler->closed(err, m->arg);
}

static void broken(struct monitor *m, const char *line)
{
	struct err err = ERR_INIT;

	err_set(&err, EPROTO, "the monitor says what is not understood: \"%.60s\"", line);
	closed(m, &err);
}

static void on_limit(void *arg)
{
	struct monitor *m = arg;
	struct err err = ERR_INIT;

	m->limit = NULL;
	err_set(&err, ETIMEDOUT, "the monitor did not answer \"%s\" within %d ms",
		m->asked[0].request, MONITOR_ANSWER_MS);
	closed(m, &err);
}

static void set_limit(struct monitor *m)
{
	int64_t ms = m->n_asked ? m->asked[0].limit - loop_now_ms() : 0;

	loop_remove(&m->limit);
	if (m->n_asked)
		m->limit = loop_add_timer(m->loop, ms > 0 ? ms : 0, on_limit, m);
}

/* The text behind @word if @line is @word or begins with it and a blank; else NULL. */
static const char *after(const char *line, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(line, word, n) != 0 || (line[n] != '\0' && line[n] != ' '))
		return NULL;
	return line + n + (line[n] == ' ');
}

static void answered(struct monitor *m, const char *line, const char *text, bool ok)
{
	struct err err = ERR_INIT;
	struct asked a;

	if (!pop(m, &a)) {
		broken(m, line);
		return;
	}
	if (!ok)
		err_set(&err, EIO, "%s: %s", a.request, *text ? text : "failed");
	if (a.done)
		a.done(ok ? NULL : &err, ok ? text : NULL, a.arg);
}

static bool find_end(const char *text, enum vmm_end *end, const char **words)
{
#define TRY(name, status, word)        \
	*words = after(text, word);    \
	if (*words) {                  \
		*end = VMM_END_##name; \
		return true;           \
	}
	VMM_ENDS(TRY)
#undef TRY
	return false;
}

static void take(struct monitor *m, const char *line)
{
	const char *text, *words;
	enum vmm_end end;

	text = after(line, VMM_ANSWER_OK);
	if (text) {
		answered(m, line, text, true);
		return;
	}
	text = after(line, VMM_ANSWER_ERROR);
	if (text) {
		answered(m, line, text, false);
		return;
	}
	if (!strcmp(line, VMM_EVENT_STARTED)) {
		m->handler->started(m->arg);
		return;
	}
	text = after(line, VMM_EVENT_ENDED);
	if (text && find_end(text, &end, &words))
		m->handler->ended(end, words, m->arg);
	else
		broken(m, line);
}

bool monitor_read(struct monitor *m)
{
	static const struct err none = ERR_INIT;
	char line[VMM_MESSAGE_MAX + 2];
	size_t no_fds = 0;
	ssize_t n = m->fd < 0 ? -EAGAIN : fd_recv(m->fd, line, sizeof(line) - 1, NULL, &no_fds);

	if (n == -EAGAIN)
		return false;
	if (n == 0 || n == -ECONNRESET) {
		closed(m, &none);
		return false;
	}
	if (n < 0 || n > VMM_MESSAGE_MAX) {
		broken(m, n < 0 ? "descriptors" : "a message that is too long");
		return false;
	}
	line[n] = '\0';
	for (ssize_t i = 0; i < n; i++)
		if (line[i] < ' ' || line[i] > '~') {
			broken(m, "a message that is not text");
			return false;
		}
	take(m, line);
	return true;
}

static void on_ready(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	monitor_read(arg);
}

struct monitor *monitor_new(struct loop *loop, int fd, const struct monitor_handler *handler,
			    void *arg, struct err *err)
{
	struct monitor *m = xcalloc(1, sizeof(*m));

	m->loop = loop;
	m->fd = fd;
	m->handler = handler;
	m->arg = arg;
	fd_set_nonblock(fd, true);
	m->src = loop_add_fd(loop, fd, EPOLLIN, on_ready, m);
	if (!m->src) {
		err_sys(err, errno, "epoll");
		monitor_free(m);
		return NULL;
	}
	return m;
}

int monitor_ask(struct monitor *m, const char *request, monitor_done done, void *arg,
		struct err *err)
{
	struct asked *a;
	ssize_t n;

	if (m->fd < 0)
		return err_set(err, EPIPE, "%s: the monitor has ended", request);
	if (m->n_asked == MONITOR_ASKED_MAX)
		return err_set(err, EBUSY, "%s: the monitor does not answer", request);
	n = fd_send(m->fd, request, strlen(request), NULL, 0);
	if (n < 0)
		return err_sys(err, (int)n, "%s", request);
	a = &m->asked[m->n_asked++];
	*a = (struct asked){ .done = done, .arg = arg, .limit = loop_now_ms() + MONITOR_ANSWER_MS };
	memccpy(a->request, request, '\0', sizeof(a->request) - 1);
	if (m->n_asked == 1)
		set_limit(m);
	return 0;
}

void monitor_free(struct monitor *m)
{
	if (!m)
		return;
	loop_remove(&m->src);
	loop_remove(&m->limit);
	close_fd(&m->fd);
	free(m);
}
