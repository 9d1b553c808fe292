/* SPDX-License-Identifier: Apache-2.0 */
#include "prom/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "prom/text.h"

#define PROC_MAX  (1u << 20)
#define WORDS_MAX 64
#define NS_PER_S  1000000000.0

/* The words of a line; changes it. */
struct words {
	char *v[WORDS_MAX];
	size_t n;
};

static struct words split(char *line, const char *between)
{
	struct words w = { .n = 0 };
	char *save = NULL;

	for (char *p = strtok_r(line, between, &save); p && w.n < WORDS_MAX;
	     p = strtok_r(NULL, between, &save))
		w.v[w.n++] = p;
	return w;
}

static bool read_of(pid_t pid, const char *name, struct str *text)
{
	auto_free char *path = xasprintf("/proc/%d/%s", (int)pid, name);

	return file_read(path, PROC_MAX, text, NULL) == 0 && text->len > 0;
}

/* proc_pid_stat(5), by the numbers of its fields. The name, which may hold anything, is none. */
struct stat_fields {
	struct str text;
	struct words w;
};

enum { UTIME = 14, STIME, CUTIME, CSTIME, THREADS = 20, STARTTIME = 22, VSIZE, RSS };

static bool stat_read(pid_t pid, struct stat_fields *f)
{
	char *end;

	*f = (struct stat_fields){ 0 };
	if (!read_of(pid, "stat", &f->text))
		return false;
	end = strrchr(f->text.data, ')');
	f->w = split(end ? end + 1 : f->text.data, " \n");
	return f->w.n > RSS - 3;
}

static double field(const struct stat_fields *f, unsigned number)
{
	return strtod(f->w.v[number - 3], NULL);
}

static void item(struct str *out, const char *prefix, const char *family, const char *name,
		 const char *value)
{
	str_printf(out, "%s%s{item=\"%s\"} %s\n", prefix, family, name, value);
}

static void put_stat(struct str *out, const char *prefix, const char *subject, pid_t pid)
{
	static const char *const times[] = { "utime", "stime", "cutime", "cstime" };
	auto_free char *help = xasprintf("%s process threads.", subject);
	auto_free char *times_help = xasprintf("%s process statistics.", subject);
	struct stat_fields f;

	if (stat_read(pid, &f)) {
		prom_value(out, prefix, "threads", "gauge", help, field(&f, THREADS));
		prom_family(out, prefix, "proc_stat", "gauge", times_help);
		for (unsigned i = 0; i < ARRAY_SIZE(times); i++)
			item(out, prefix, "proc_stat", times[i], f.w.v[UTIME + i - 3]);
	}
	str_free(&f.text);
}

/* "VmRSS:\t 123 kB" is in bytes here, as what reads /proc for Kata has it. */
static void put_status_line(struct str *out, const char *prefix, char *line)
{
	static const char *const wanted[] = { "vm", "rss", "hugetlb", "voluntary", "nonvoluntary" };
	struct words w = split(line, " \t:");
	bool kib = w.n > 2 && !strcmp(w.v[2], "kB");

	for (size_t i = 0; w.n > 1 && i < ARRAY_SIZE(wanted); i++) {
		if (strncasecmp(w.v[0], wanted[i], strlen(wanted[i])) != 0)
			continue;
		for (char *p = w.v[0]; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		str_printf(out, "%sproc_status{item=\"%s\"} %llu\n", prefix, w.v[0],
			   strtoull(w.v[1], NULL, 10) * (kib ? 1024 : 1));
	}
}

static void put_io_line(struct str *out, const char *prefix, char *line)
{
	struct words w = split(line, " :");
	char name[32];
	size_t n = 0;

	/* read_bytes is readbytes there. */
	for (const char *p = w.n > 1 ? w.v[0] : ""; *p && n < sizeof(name) - 1; p++)
		if (*p != '_')
			name[n++] = *p;
	name[n] = '\0';
	if (n > 0)
		item(out, prefix, "io_stat", name, w.v[1]);
}

/* Whether it is one: the heading is none. */
static bool put_device(struct str *out, const char *prefix, char *line)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",	 "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",	 "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",	 "sent_compressed",
	};
	char *colon = strchr(line, ':');
	struct words w;

	if (!colon || strchr(line, '|'))
		return false;
	*colon = '\0';
	line += strspn(line, " ");
	w = split(colon + 1, " ");
	for (size_t i = 0; i < ARRAY_SIZE(items) && i < w.n; i++) {
		str_printf(out, "%snetdev{interface=\"", prefix);
		prom_escape(out, line);
		str_printf(out, "\",item=\"%s\"} %s\n", items[i], w.v[i]);
	}
	return true;
}

static void put_netdev(struct str *out, const char *prefix, const char *subject, pid_t pid)
{
	auto_free char *help = xasprintf("%s network devices statistics.", subject);
	auto_str struct str text = STR_INIT;
	char *save = NULL;
	unsigned n = 0;

	if (!read_of(pid, "net/dev", &text))
		return;
	prom_family(out, prefix, "netdev", "gauge", help);
	for (char *l = strtok_r(text.data, "\n", &save); l && n < PROM_DEVICES_MAX;
	     l = strtok_r(NULL, "\n", &save))
		n += put_device(out, prefix, l);
}

/* A family of which each line of a file of /proc tells something. */
static void put_file(struct str *out, const char *prefix, const char *name, const char *help,
		     pid_t pid, const char *file,
		     void (*line)(struct str *out, const char *prefix, char *line))
{
	auto_str struct str text = STR_INIT;
	char *save = NULL;

	if (!read_of(pid, file, &text))
		return;
	prom_family(out, prefix, name, "gauge", help);
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		line(out, prefix, l);
}

/* How many descriptors are open; -1 when nobody may know. */
static long count_fds(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	long n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

void prom_process(struct str *out, const char *prefix, const char *subject, pid_t pid, bool netdev)
{
	auto_free char *status = xasprintf("%s process status.", subject);
	auto_free char *io = xasprintf("%s process IO statistics.", subject);
	auto_free char *open = xasprintf("%s open FDs.", subject);
	long fds = count_fds(pid);

	put_stat(out, prefix, subject, pid);
	put_file(out, prefix, "proc_status", status, pid, "status", put_status_line);
	put_file(out, prefix, "io_stat", io, pid, "io", put_io_line);
	if (fds >= 0)
		prom_value(out, prefix, "fds", "gauge", open, (double)fds);
	if (netdev)
		put_netdev(out, prefix, subject, pid);
}

/* ---- itself ------------------------------------------------------------------------ */

/* The second of the epoch at which the machine was booted. */
static double boot_time(void)
{
	auto_str struct str text = STR_INIT;
	const char *line;

	if (file_read("/proc/stat", PROC_MAX, &text, NULL) < 0)
		return 0;
	line = strstr(str_text(&text), "\nbtime ");
	return line ? strtod(line + strlen("\nbtime "), NULL) : 0;
}

static double limit_of(int resource)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		return 0;
	return l.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0 : (double)l.rlim_cur;
}

void prom_self(struct str *out, const char *prefix)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);
	struct stat_fields f;

	if (stat_read(getpid(), &f)) {
		prom_value(out, prefix, "process_cpu_seconds_total", "counter",
			   "Total user and system CPU time spent in seconds.",
			   (field(&f, UTIME) + field(&f, STIME)) / ticks);
		prom_value(out, prefix, "process_resident_memory_bytes", "gauge",
			   "Resident memory size in bytes.",
			   field(&f, RSS) * (double)sysconf(_SC_PAGESIZE));
		prom_value(out, prefix, "process_start_time_seconds", "gauge",
			   "Start time of the process since unix epoch in seconds.",
			   boot_time() + field(&f, STARTTIME) / ticks);
		prom_value(out, prefix, "process_virtual_memory_bytes", "gauge",
			   "Virtual memory size in bytes.", field(&f, VSIZE));
	}
	str_free(&f.text);
	prom_value(out, prefix, "process_virtual_memory_max_bytes", "gauge",
		   "Maximum amount of virtual memory available in bytes.", limit_of(RLIMIT_AS));
	prom_value(out, prefix, "process_open_fds", "gauge", "Number of open file descriptors.",
		   (double)count_fds(getpid()));
	prom_value(out, prefix, "process_max_fds", "gauge",
		   "Maximum number of open file descriptors.", limit_of(RLIMIT_NOFILE));
}

/* ---- what it holds ------------------------------------------------------------------ */

static uint64_t status_bytes(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

void prom_usage_add(struct prom_usage *sum, pid_t pid, bool shared)
{
	auto_str struct str status = STR_INIT;
	struct stat_fields f;

	if (stat_read(pid, &f))
		sum->cpu_ns += (uint64_t)((field(&f, UTIME) + field(&f, STIME)) /
					  (double)sysconf(_SC_CLK_TCK) * NS_PER_S);
	str_free(&f.text);
	if (!read_of(pid, "status", &status))
		return;
	sum->memory +=
		status_bytes(status.data, "\nRssAnon:") + status_bytes(status.data, "\nRssFile:");
	if (shared)
		sum->memory += status_bytes(status.data, "\nRssShmem:");
}
