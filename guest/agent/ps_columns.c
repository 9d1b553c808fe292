/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "guest/agent/ps.h"

#define DAY 86400

#define NUMBER(name, format, value)                                                     \
	static void print_##name(const struct ps_process *p, const struct ps_system *s, \
				 struct str *out)                                       \
	{                                                                               \
		(void)s;                                                                \
		str_printf(out, format, value);                                         \
	}

NUMBER(pid, "%d", (int)p->pid)
NUMBER(ppid, "%d", (int)p->ppid)
NUMBER(pgid, "%d", (int)p->pgrp)
NUMBER(sid, "%d", (int)p->session)
NUMBER(uid, "%u", (unsigned)p->uid)
NUMBER(gid, "%u", (unsigned)p->gid)
NUMBER(nice, "%ld", p->nice)
NUMBER(pri, "%ld", 39 - p->priority)
NUMBER(threads, "%ld", p->threads)
NUMBER(rss, "%" PRIu64, p->rss / 1024)
NUMBER(vsz, "%" PRIu64, p->vsize / 1024)
NUMBER(comm, "%s", p->comm)
NUMBER(command, "%s", p->command)
NUMBER(state, "%c", p->state)

static void print_user(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	(void)s;
	if (p->uid == 0)
		str_puts(out, "root");
	else
		str_printf(out, "%u", (unsigned)p->uid);
}

static void print_group(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	(void)s;
	if (p->gid == 0)
		str_puts(out, "root");
	else
		str_printf(out, "%u", (unsigned)p->gid);
}

static void print_stat(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	(void)s;
	str_putc(out, p->state);
	if (p->nice != 0)
		str_putc(out, p->nice < 0 ? '<' : 'N');
	if (p->session == p->pid)
		str_putc(out, 's');
	if (p->threads > 1)
		str_putc(out, 'l');
	if (p->tpgid > 0 && p->tpgid == p->pgrp)
		str_putc(out, '+');
}

static void print_tty(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	unsigned major = (unsigned)p->tty >> 8 & 0xfff;
	unsigned minor = ((unsigned)p->tty & 0xff) | ((unsigned)p->tty >> 12 & 0xfff00);

	(void)s;
	if (p->tty == 0)
		str_putc(out, '?');
	else if (major >= 136 && major <= 143)
		str_printf(out, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 4)
		str_printf(out, "%s%u", minor < 64 ? "tty" : "ttyS",
			   minor < 64 ? minor : minor - 64);
	else
		str_printf(out, "%u:%u", major, minor);
}

static uint64_t age(const struct ps_process *p, const struct ps_system *s)
{
	return s->uptime > p->start ? (s->uptime - p->start) / s->hz : 0;
}

/* [DD-]HH:MM:SS */
static void put_time(uint64_t seconds, bool hours, struct str *out)
{
	if (seconds >= DAY)
		str_printf(out, "%02" PRIu64 "-", seconds / DAY);
	if (hours || seconds >= 3600)
		str_printf(out, "%02" PRIu64 ":", seconds % DAY / 3600);
	str_printf(out, "%02" PRIu64 ":%02" PRIu64, seconds % 3600 / 60, seconds % 60);
}

static void print_time(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	put_time(p->ticks / s->hz, true, out);
}

static void print_bsdtime(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	uint64_t seconds = p->ticks / s->hz;

	str_printf(out, "%" PRIu64 ":%02" PRIu64, seconds / 60, seconds % 60);
}

static void print_etime(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	put_time(age(p, s), false, out);
}

static void print_etimes(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	str_printf(out, "%" PRIu64, age(p, s));
}

static void print_start(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	time_t at = (time_t)(s->now - (int64_t)age(p, s));
	char text[16];
	struct tm tm;

	strftime(text, sizeof(text), age(p, s) < DAY ? "%H:%M" : "%b%d", gmtime_r(&at, &tm));
	str_puts(out, text);
}

/* In tenths of a per cent. */
static uint64_t share(uint64_t part, uint64_t whole)
{
	return whole ? part * 1000 / whole : 0;
}

static uint64_t cpu_share(const struct ps_process *p, const struct ps_system *s)
{
	return share(p->ticks, s->uptime > p->start ? s->uptime - p->start : 0);
}

static void print_c(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	str_printf(out, "%" PRIu64, cpu_share(p, s) / 10);
}

static void print_cpu(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	str_printf(out, "%" PRIu64 ".%" PRIu64, cpu_share(p, s) / 10, cpu_share(p, s) % 10);
}

static void print_memory(const struct ps_process *p, const struct ps_system *s, struct str *out)
{
	uint64_t part = share(p->rss, s->memory);

	str_printf(out, "%" PRIu64 ".%" PRIu64, part / 10, part % 10);
}

static const struct ps_column columns[] = {
	{ "pid tgid ", "PID", false, print_pid },
	{ "ppid ", "PPID", false, print_ppid },
	{ "pgid pgrp ", "PGID", false, print_pgid },
	{ "sid sess session ", "SID", false, print_sid },
	{ "uid euid ", "UID", false, print_uid },
	{ "gid egid ", "GID", false, print_gid },
	{ "user uname euser ", "USER", true, print_user },
	{ "group egroup ", "GROUP", true, print_group },
	{ "comm ucmd ucomm ", "COMMAND", true, print_comm },
	{ "args cmd command ", "COMMAND", true, print_command },
	{ "time cputime ", "TIME", false, print_time },
	{ "bsdtime ", "TIME", false, print_bsdtime },
	{ "etime ", "ELAPSED", false, print_etime },
	{ "etimes ", "ELAPSED", false, print_etimes },
	{ "stime start start_time bsdstart ", "STIME", false, print_start },
	{ "tty tt tname ", "TTY", true, print_tty },
	{ "stat ", "STAT", true, print_stat },
	{ "state s ", "S", true, print_state },
	{ "c ", "C", false, print_c },
	{ "pcpu %cpu ", "%CPU", false, print_cpu },
	{ "pmem %mem ", "%MEM", false, print_memory },
	{ "rss rssize rsz ", "RSS", false, print_rss },
	{ "vsz vsize ", "VSZ", false, print_vsz },
	{ "ni nice ", "NI", false, print_nice },
	{ "pri ", "PRI", false, print_pri },
	{ "nlwp thcount ", "NLWP", false, print_threads },
};

const struct ps_column *ps_column(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const char *p = columns[i].names;

		for (; *p; p = strchr(p, ' ') + 1)
			if (strncmp(p, name, len) == 0 && p[len] == ' ')
				return &columns[i];
	}
	return NULL;
}
