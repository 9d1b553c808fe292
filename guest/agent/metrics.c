/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/metrics.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "prom/process.h"

#define PROC_MAX       (1u << 20)
#define LINE_MAX_WORDS 64

static void family(struct str *out, const char *name, const char *type, const char *help)
{
	str_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The words of one line; changes @line. */
struct words {
	char *v[LINE_MAX_WORDS];
	size_t n;
};

static struct words split(char *line)
{
	struct words w = { .n = 0 };
	char *save = NULL;

	for (char *p = strtok_r(line, " \t:", &save); p && w.n < LINE_MAX_WORDS;
	     p = strtok_r(NULL, " \t:", &save))
		w.v[w.n++] = p;
	return w;
}

/* Call @fn for each line of @path. A file that the kernel lacks has none. */
static void each_line(const char *path, void (*fn)(char *line, struct str *out), struct str *out)
{
	auto_str struct str text = STR_INIT;
	char *save = NULL;

	if (file_read(path, PROC_MAX, &text, NULL) < 0 || !text.data)
		return;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		fn(l, out);
}

void metrics_meminfo_item(const char *name, struct str *item)
{
	/* Words that the original does not take apart where the capitals are, or does. */
	static const char *const odd[][2] = { { "HugePages", "hugepages" },
					      { "Percpu", "per_cpu" } };
	size_t start = item->len;
	char last = '\0';

	while (*name) {
		size_t i = 0;

		while (i < ARRAY_SIZE(odd) && !str_starts(name, odd[i][0]))
			i++;
		if (i < ARRAY_SIZE(odd)) {
			str_printf(item, "%s%s", item->len > start ? "_" : "", odd[i][1]);
			name += strlen(odd[i][0]);
			last = 'x';
			continue;
		}
		if (isdigit((unsigned char)*name)) {
			str_printf(item, "_%s", name);
			return;
		}
		if (*name != ')' && item->len > start && last != '_' &&
		    ((isupper((unsigned char)*name) &&
		      (islower((unsigned char)last) || islower((unsigned char)name[1]))) ||
		     *name == '('))
			str_putc(item, '_');
		if (*name != '(' && *name != ')')
			str_putc(item, (char)tolower((unsigned char)*name));
		last = *name == '(' ? '_' : *name;
		name++;
	}
}

static void meminfo_line(char *line, struct str *out)
{
	struct words w = split(line);
	auto_str struct str item = STR_INIT;
	unsigned long long unit;

	if (w.n < 2)
		return;
	unit = w.n > 2 && !strcmp(w.v[2], "kB") ? 1024 : 1;
	metrics_meminfo_item(w.v[0], &item);
	str_printf(out, "kata_guest_meminfo{item=\"%s\"} %llu\n", str_text(&item),
		   strtoull(w.v[1], NULL, 10) * unit);
}

static void vmstat_line(char *line, struct str *out)
{
	struct words w = split(line);

	if (w.n == 2)
		str_printf(out, "kata_guest_vm_stat{item=\"%s\"} %s\n", w.v[0], w.v[1]);
}

static void io_line(char *line, struct str *out)
{
	struct words w = split(line);

	if (w.n == 2)
		str_printf(out, "kata_agent_io_stat{item=\"%s\"} %s\n", w.v[0], w.v[1]);
}

static void status_line(char *line, struct str *out)
{
	static const char *const wanted[] = { "vm", "rss", "hugetlb", "voluntary", "nonvoluntary" };
	struct words w = split(line);

	for (char *p = w.n > 1 ? w.v[0] : line; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (size_t i = 0; w.n > 1 && i < ARRAY_SIZE(wanted); i++)
		if (str_starts(w.v[0], wanted[i]))
			str_printf(out, "kata_agent_proc_status{item=\"%s\"} %s\n", w.v[0], w.v[1]);
}

static void netdev_line(char *line, struct str *out)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",	 "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",	 "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",	 "sent_compressed",
	};
	struct words w;

	if (strchr(line, '|'))
		return; /* the heading */
	w = split(line);
	for (size_t i = 0; i < ARRAY_SIZE(items) && i + 1 < w.n; i++)
		str_printf(out, "kata_guest_netdev_stat{interface=\"%s\",item=\"%s\"} %s\n", w.v[0],
			   items[i], w.v[i + 1]);
}

static void disk_line(char *line, struct str *out)
{
	static const char *const items[] = {
		"reads",
		"merged",
		"sectors_read",
		"time_reading",
		"writes",
		"writes_merged",
		"sectors_written",
		"time_writing",
		"in_progress",
		"time_in_progress",
		"weighted_time_in_progress",
		"discards",
		"discards_merged",
		"sectors_discarded",
		"time_discarding",
		"flushes",
		"time_flushing",
	};
	struct words w = split(line);

	for (size_t i = 0; i < ARRAY_SIZE(items) && i + 3 < w.n; i++)
		str_printf(out, "kata_guest_diskstat{disk=\"%s\",item=\"%s\"} %s\n", w.v[2],
			   items[i], w.v[i + 3]);
}

static void cpu_line(char *line, struct str *out)
{
	static const char *const items[] = { "user", "nice",	"system", "idle",  "iowait",
					     "irq",  "softirq", "steal",  "guest", "guest_nice" };
	struct words w;

	if (!str_starts(line, "cpu"))
		return;
	w = split(line);
	for (size_t i = 0; i < ARRAY_SIZE(items) && i + 1 < w.n; i++)
		str_printf(out, "kata_guest_cpu_time{cpu=\"%s\",item=\"%s\"} %s\n",
			   w.v[0][3] ? w.v[0] + 3 : "total", items[i], w.v[i + 1]);
}

static void load_line(char *line, struct str *out)
{
	struct words w = split(line);
	char *tasks;

	if (w.n < 4)
		return;
	tasks = strchr(w.v[3], '/');
	family(out, "kata_guest_load", "gauge", "Guest system load.");
	str_printf(out, "kata_guest_load{item=\"load1\"} %s\n", w.v[0]);
	str_printf(out, "kata_guest_load{item=\"load5\"} %s\n", w.v[1]);
	str_printf(out, "kata_guest_load{item=\"load15\"} %s\n", w.v[2]);
	family(out, "kata_guest_tasks", "gauge", "Guest system load.");
	str_printf(out, "kata_guest_tasks{item=\"cur\"} %d\n", atoi(w.v[3]));
	str_printf(out, "kata_guest_tasks{item=\"max\"} %s\n", tasks ? tasks + 1 : "0");
}

static void gauge(struct str *out, const char *name, const char *help, double value)
{
	family(out, name, "gauge", help);
	str_printf(out, "%s %.15g\n", name, value);
}

/* proc_pid_stat(5): fields 14 to 17 are times, 20 threads, 23 and 24 memory. */
static void stat_line(char *line, struct str *out)
{
	static const char *const times[] = { "utime", "stime", "cutime", "cstime" };
	enum { FIRST = 3 };		/* the field that the first word behind the name is */
	char *end = strrchr(line, ')'); /* the name may hold anything */
	struct words w = split(end ? end + 1 : line);
	if (w.n < 22)
		return;
	family(out, "kata_agent_proc_stat", "gauge", "Agent process statistics.");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		str_printf(out, "kata_agent_proc_stat{item=\"%s\"} %s\n", times[i],
			   w.v[14 + i - FIRST]);
	gauge(out, "kata_agent_threads", "Agent process threads", strtod(w.v[20 - FIRST], NULL));
	gauge(out, "kata_agent_total_time", "Agent process total time",
	      (strtod(w.v[14 - FIRST], NULL) + strtod(w.v[15 - FIRST], NULL)) /
		      (double)sysconf(_SC_CLK_TCK));
	gauge(out, "kata_agent_total_vm", "Agent process total VM size",
	      strtod(w.v[23 - FIRST], NULL));
	gauge(out, "kata_agent_total_rss", "Agent process total RSS size",
	      strtod(w.v[24 - FIRST], NULL) * (double)sysconf(_SC_PAGESIZE));
}

void metrics_write(struct str *out)
{
	static const struct {
		const char *name; /* NULL: the function writes that too */
		const char *help, *path;
		void (*line)(char *line, struct str *out);
	} all[] = {
		{ NULL, NULL, "/proc/self/stat", stat_line },
		{ "kata_agent_proc_status", "Agent process status.", "/proc/self/status",
		  status_line },
		{ "kata_agent_io_stat", "Agent process IO statistics.", "/proc/self/io", io_line },
		{ NULL, NULL, "/proc/loadavg", load_line },
		{ "kata_guest_cpu_time", "Guest CPU statistics.", "/proc/stat", cpu_line },
		{ "kata_guest_vm_stat", "Guest virtual memory statistics.", "/proc/vmstat",
		  vmstat_line },
		{ "kata_guest_netdev_stat", "Guest net devices statistics.", "/proc/net/dev",
		  netdev_line },
		{ "kata_guest_diskstat", "Disks statistics in system.", "/proc/diskstats",
		  disk_line },
		{ "kata_guest_meminfo", "Statistics about memory usage in the system.",
		  "/proc/meminfo", meminfo_line },
	};
	static unsigned long scrapes;

	family(out, "kata_agent_scrape_count", "counter", "Metrics scrape count");
	str_printf(out, "kata_agent_scrape_count %lu\n", ++scrapes);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].name)
			family(out, all[i].name, "gauge", all[i].help);
		each_line(all[i].path, all[i].line, out);
	}
	/* The shim puts kata_agent_ before these. */
	prom_self(out, "");
}
