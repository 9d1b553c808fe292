/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

/* Where in an escape sequence (ECMA-48) the stream is. */
enum escape { ESC_NONE, ESC_BEGIN, ESC_CSI };

struct tail {
	struct loop_source *src;
	int fd;
	const char *name;
	enum log_level level;
	tail_end_cb on_end;
	void *arg;
	bool ended;
	enum escape esc;
	struct str kept; /* clean lines, each ended by '\n' */
	struct str line; /* the line at hand, clean */
};

static void end_line(struct tail *t)
{
	if (t->line.len == 0)
		return;
	if (log_enabled(t->level))
		log_line(t->level, "%s: %s", t->name, str_text(&t->line));
	str_putc(&t->line, '\n');
	str_add(&t->kept, t->line.data, t->line.len);
	if (t->kept.len > TAIL_KEEP)
		str_drop(&t->kept, t->kept.len - TAIL_KEEP);
	str_drop(&t->line, t->line.len);
}

static void add_char(struct tail *t, char c)
{
	if (t->esc == ESC_BEGIN) {
		t->esc = c == '[' ? ESC_CSI : ESC_NONE;
	} else if (t->esc == ESC_CSI) {
		if (c >= '@' && c <= '~')
			t->esc = ESC_NONE;
	} else if (c == '\033') {
		t->esc = ESC_BEGIN;
	} else if (c == '\n') {
		end_line(t);
	} else if (c == '\t' || (c >= ' ' && c <= '~')) {
		if (t->line.len == TAIL_LINE_MAX)
			end_line(t);
		str_putc(&t->line, c == '\t' ? ' ' : c);
	}
}

/* True while there may be more to read. */
static bool read_some(struct tail *t)
{
	char buf[4096];
	ssize_t n = read(t->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* A socket whose other end was killed may say ECONNRESET: an end, too. */
	if (n <= 0) {
		end_line(t);
		t->ended = true;
		return false;
	}
	for (ssize_t i = 0; i < n; i++)
		add_char(t, buf[i]);
	return true;
}

static void on_readable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct tail *t = arg;

	(void)src;
	(void)fd;
	(void)events;
	if (!t->ended)
		read_some(t);
	if (t->ended) {
		loop_remove(&t->src);
		close_fd(&t->fd);
		if (t->on_end)
			t->on_end(t->arg);
	}
}

struct tail *tail_new(struct loop *loop, int fd, const char *name, enum log_level level,
		      tail_end_cb on_end, void *arg, struct err *err)
{
	struct tail *t = xcalloc(1, sizeof(*t));
	int r;

	t->fd = fd;
	t->name = name;
	t->level = level;
	t->on_end = on_end;
	t->arg = arg;
	r = fd_set_nonblock(fd, true);
	if (r == 0) {
		t->src = loop_add_fd(loop, fd, EPOLLIN, on_readable, t);
		r = t->src ? 0 : -errno;
	}
	if (r < 0) {
		err_sys(err, r, "%s", name);
		tail_free(t);
		return NULL;
	}
	return t;
}

bool tail_ended(const struct tail *t)
{
	return !t || t->ended;
}

/* The end is left to the loop: a callback here would surprise the caller. */
void tail_drain(struct tail *t)
{
	for (int i = 0; t && !t->ended && i < 16 && read_some(t); i++)
		;
}

void tail_lines(const struct tail *t, struct strv *lines)
{
	auto_str struct str text = STR_INIT;
	char *p, *line, *save = NULL;

	if (!t)
		return;
	str_puts(&text, str_text(&t->kept));
	str_puts(&text, str_text(&t->line));
	p = text.data;
	/* The first may have lost its beginning. */
	if (t->kept.len == TAIL_KEEP)
		p = strchr(p, '\n');
	for (line = p ? strtok_r(p, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		strv_add(lines, line);
}

void tail_join(const struct strv *lines, size_t from, size_t max, struct str *out)
{
	static const char sep[] = " | ";
	size_t first = lines->n, len = 0;

	while (first > from && len + strlen(lines->v[first - 1]) <= max)
		len += strlen(lines->v[--first]) + strlen(sep);
	/* A last line that is too long alone: its beginning. */
	if (first == lines->n && first > from)
		str_add(out, lines->v[first - 1], max);
	for (size_t i = first; i < lines->n; i++)
		str_printf(out, "%s%s", i > first ? sep : "", lines->v[i]);
}

void tail_text(const struct tail *t, size_t max, struct str *out)
{
	auto_strv struct strv lines = { 0 };

	tail_lines(t, &lines);
	tail_join(&lines, 0, max, out);
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	loop_remove(&t->src);
	close_fd(&t->fd);
	str_free(&t->kept);
	str_free(&t->line);
	free(t);
}
