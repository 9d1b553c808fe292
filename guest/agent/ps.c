/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/ps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define COLUMNS_MAX 32
#define FILE_MAX    (64u << 10)

/* Commands are shown up to here. */
#define COMMAND_MAX 4096

void ps_json(const pid_t *pids, size_t n, struct str *out)
{
	str_putc(out, '[');
	for (size_t i = 0; i < n; i++)
		str_printf(out, "%s%d", i ? "," : "", (int)pids[i]);
	str_putc(out, ']');
}

/* ---- one process ------------------------------------------------------------ */

static int read_of(const char *proc, pid_t pid, const char *name, struct str *out)
{
	auto_free char *path = xasprintf("%s/%d/%s", proc, (int)pid, name);

	return file_read(path, FILE_MAX, out, NULL);
}

/* The name is between the first parenthesis and the last: it may hold anything. */
static int parse_stat(const char *text, struct ps_process *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long utime, stime, start, vsize, rss;
	int ppid, pgrp, session, tpgid;

	if (!open || !close || close < open)
		return -EINVAL;
	if (sscanf(close + 1,
		   " %c %d %d %d %d %d %*u %*u %*u %*u %*u %llu %llu %*d %*d %ld %ld %ld %*d %llu "
		   "%llu %llu",
		   &p->state, &ppid, &pgrp, &session, &p->tty, &tpgid, &utime, &stime, &p->priority,
		   &p->nice, &p->threads, &start, &vsize, &rss) != 14)
		return -EINVAL;
	p->ppid = ppid;
	p->pgrp = pgrp;
	p->session = session;
	p->tpgid = tpgid;
	p->ticks = utime + stime;
	p->start = start;
	p->vsize = vsize;
	p->rss = rss * (uint64_t)sysconf(_SC_PAGESIZE);
	p->comm = xstrndup(open + 1, (size_t)(close - open - 1));
	return 0;
}

/* The second number behind @key: the effective one. */
static unsigned effective_id(const char *status, const char *key)
{
	const char *at = strstr(status, key);
	unsigned id = 0;

	if (at)
		(void)sscanf(at + strlen(key), " %*u %u", &id);
	return id;
}

/* Control characters would make other lines of one. */
static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void set_command(struct ps_process *p, struct str *args)
{
	while (args->len > 0 && args->data[args->len - 1] == '\0')
		args->len--;
	if (args->len == 0) {
		p->command = xasprintf("[%s]", p->comm);
	} else {
		for (size_t i = 0; i < args->len; i++)
			if (args->data[i] == '\0')
				args->data[i] = ' ';
		p->command =
			xstrndup(args->data, args->len < COMMAND_MAX ? args->len : COMMAND_MAX);
	}
	clean(p->command);
	clean(p->comm);
}

/* -errno when it has gone. */
static int read_process(const char *proc, pid_t pid, struct ps_process *p)
{
	auto_str struct str stat = STR_INIT, status = STR_INIT, args = STR_INIT;
	int r = read_of(proc, pid, "stat", &stat);

	if (r == 0)
		r = read_of(proc, pid, "status", &status);
	if (r == 0)
		r = parse_stat(str_text(&stat), p);
	if (r < 0)
		return r;
	p->pid = pid;
	p->uid = effective_id(str_text(&status), "\nUid:");
	p->gid = effective_id(str_text(&status), "\nGid:");
	(void)read_of(proc, pid, "cmdline", &args); /* a longer one has no name to show */
	set_command(p, &args);
	return 0;
}

static void read_system(const char *proc, struct ps_system *s)
{
	auto_free char *uptime = path_join(proc, "uptime"), *meminfo = path_join(proc, "meminfo");
	auto_str struct str up = STR_INIT, memory = STR_INIT;
	long hz = sysconf(_SC_CLK_TCK);
	const char *total;

	s->hz = hz > 0 ? (uint64_t)hz : 100;
	s->now = time(NULL);
	if (file_read(uptime, 256, &up, NULL) == 0)
		s->uptime = (uint64_t)(strtod(str_text(&up), NULL) * (double)s->hz);
	(void)file_read(meminfo, FILE_MAX, &memory, NULL);
	total = strstr(str_text(&memory), "MemTotal:");
	if (total)
		s->memory = strtoull(total + strlen("MemTotal:"), NULL, 10) * 1024;
}

/* ---- what to show ----------------------------------------------------------- */

struct format {
	const struct ps_column *columns[COLUMNS_MAX];
	const char *headers[COLUMNS_MAX]; /* NULL: the column's own */
	size_t n;
	struct strv texts;
};

static int add_column(struct format *f, const char *name, size_t len, const char *header,
		      struct err *err)
{
	const struct ps_column *c = ps_column(name, len);

	if (!c)
		return err_set(err, EINVAL, "ps: there is no column \"%.*s\"", (int)len, name);
	if (f->n == COLUMNS_MAX)
		return err_set(err, EINVAL, "ps: more than %d columns", COLUMNS_MAX);
	f->columns[f->n] = c;
	f->headers[f->n++] = header;
	return 0;
}

/* "pid,comm=NAME": a header reaches to the end, commas and all, as POSIX has it. */
static int add_columns(struct format *f, const char *list, struct err *err)
{
	int r = 0;

	while (r == 0 && *list) {
		size_t len = strcspn(list, ", =");

		if (list[len] == '=') {
			strv_add(&f->texts, list + len + 1);
			return add_column(f, list, len, f->texts.v[f->texts.n - 1], err);
		}
		if (len > 0)
			r = add_column(f, list, len, NULL, err);
		list += len;
		list += strspn(list, ", ");
	}
	return r;
}

static int add_named(struct format *f, const char *const (*list)[2], size_t n, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_column(f, list[i][0], strlen(list[i][0]), list[i][1], err);
	return r;
}

static int add_full(struct format *f, struct err *err)
{
	static const char *const list[][2] = { { "user", "UID" }, { "pid", NULL },
					       { "ppid", NULL },  { "c", NULL },
					       { "stime", NULL }, { "tty", NULL },
					       { "time", NULL },  { "cmd", "CMD" } };

	return add_named(f, list, ARRAY_SIZE(list), err);
}

static int add_user(struct format *f, struct err *err)
{
	static const char *const list[][2] = {
		{ "user", NULL },     { "pid", NULL },	   { "%cpu", NULL },   { "%mem", NULL },
		{ "vsz", NULL },      { "rss", NULL },	   { "tty", NULL },    { "stat", NULL },
		{ "start", "START" }, { "bsdtime", NULL }, { "command", NULL }
	};

	return add_named(f, list, ARRAY_SIZE(list), err);
}

/* Letters without a dash, and -x: BSD's. */
static int add_bsd(struct format *f, struct err *err)
{
	static const char *const list[][2] = { { "pid", NULL },
					       { "tty", NULL },
					       { "stat", NULL },
					       { "bsdtime", NULL },
					       { "command", NULL } };

	return add_named(f, list, ARRAY_SIZE(list), err);
}

static int add_jobs(struct format *f, struct err *err)
{
	static const char *const list[][2] = {
		{ "pid", NULL }, { "pgid", NULL }, { "sid", NULL },
		{ "tty", NULL }, { "time", NULL }, { "comm", "CMD" }
	};

	return add_named(f, list, ARRAY_SIZE(list), err);
}

/* Without a style: as ps alone. */
static int add_short(struct format *f, struct err *err)
{
	static const char *const list[][2] = {
		{ "pid", NULL }, { "tty", NULL }, { "time", NULL }, { "comm", "CMD" }
	};

	return add_named(f, list, ARRAY_SIZE(list), err);
}

struct style {
	bool full, user, bsd, jobs;
};

/* One argument; returns how many of those behind it were used up, or -EINVAL. */
static int parse_arg(struct format *f, struct style *style, char *const *args, size_t n,
		     struct err *err)
{
	const char *arg = args[0], *letters = arg[0] == '-' ? arg + 1 : arg, *list = NULL;
	bool dash = arg[0] == '-';

	if (str_starts(arg, "--format=")) {
		list = arg + strlen("--format=");
		return add_columns(f, list, err);
	}
	if (!strcmp(arg, "--format"))
		letters = "o";
	for (; *letters; letters++) {
		if (*letters == 'o') {
			list = letters[1] ? letters + 1 : n > 1 ? args[1] : NULL;
			if (!list)
				return err_set(err, EINVAL, "ps: option o needs a format");
			return add_columns(f, list, err) < 0 ? -EINVAL : !letters[1];
		}
		if (dash && *letters == 'f')
			style->full = true;
		else if (*letters == 'u' && (!dash || strpbrk(arg, "ax")))
			style->user = true;
		else if (dash && *letters == 'j')
			style->jobs = true;
		else if (strchr(dash ? "x" : "axwf", *letters))
			style->bsd = true;
		else if (!dash || !strchr("eAadw", *letters))
			return err_set(err, EINVAL, "ps: option \"%s%c\" is not supported",
				       dash ? "-" : "", *letters);
	}
	return 0;
}

static int parse_args(struct format *f, char *const *args, size_t n, struct err *err)
{
	struct style style = { .full = n == 0 };

	for (size_t i = 0; i < n; i++) {
		int r = parse_arg(f, &style, args + i, n - i, err);

		if (r < 0)
			return r;
		i += (size_t)r;
	}
	if (f->n > 0)
		return 0;
	return style.user ? add_user(f, err) :
	       style.full ? add_full(f, err) :
	       style.jobs ? add_jobs(f, err) :
	       style.bsd  ? add_bsd(f, err) :
			    add_short(f, err);
}

/* ---- the table -------------------------------------------------------------- */

/* Rows of cells, the headers first; the last column has no width. */
static void lay_out(const struct format *f, const struct strv *cells, struct str *out)
{
	int widths[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < cells->n; i++) {
		int len = (int)strlen(cells->v[i]);

		if (len > widths[i % f->n])
			widths[i % f->n] = len;
	}
	for (size_t i = 0; i < cells->n; i++) {
		size_t c = i % f->n;
		bool left = f->columns[c]->left;

		if (c == f->n - 1)
			str_printf(out, "%*s\n", left ? 0 : widths[c], cells->v[i]);
		else
			str_printf(out, "%*s ", left ? -widths[c] : widths[c], cells->v[i]);
	}
}

static void add_row(const struct format *f, const struct ps_process *p, const struct ps_system *s,
		    struct strv *cells)
{
	for (size_t i = 0; i < f->n; i++) {
		struct str cell = STR_INIT;

		f->columns[i]->print(p, s, &cell);
		strv_take(cells, str_take(&cell));
	}
}

int ps_table(const char *proc, const pid_t *pids, size_t n, char *const *args, size_t n_args,
	     struct str *out, struct err *err)
{
	auto_strv struct strv cells = { NULL, 0 };
	struct format f = { .n = 0 };
	struct ps_system s = { 0 };
	int r = parse_args(&f, args, n_args, err);

	read_system(proc, &s);
	for (size_t i = 0; r == 0 && i < f.n; i++)
		strv_add(&cells, f.headers[i] ? f.headers[i] : f.columns[i]->header);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct ps_process p = { 0 };

		if (read_process(proc, pids[i], &p) == 0)
			add_row(&f, &p, &s, &cells);
		free(p.comm);
		free(p.command);
	}
	if (r == 0)
		lay_out(&f, &cells, out);
	strv_free(&f.texts);
	return r;
}
