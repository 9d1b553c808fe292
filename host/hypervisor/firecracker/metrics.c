/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/firecracker/metrics.h"

#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "prom/text.h"

#define PREFIX "kata_firecracker_"

/* Of a group; Firecracker has 60 at most. */
#define ITEMS_MAX 200

struct fc_metrics {
	struct loop_source *src;
	int fd;
	struct str line, last;
	bool too_long; /* the line at hand */
};

static bool is_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n > 0 && n < 64 && !name[n];
}

static void put_group(const char *name, struct json_object *group, struct str *out)
{
	unsigned n = 0;

	prom_family(out, PREFIX, name, "gauge", "What Firecracker counts.");
	json_object_object_foreach(group, item, value)
	{
		if (!json_object_is_type(value, json_type_int) || !is_name(item) ||
		    n++ >= ITEMS_MAX)
			continue;
		str_printf(out, PREFIX "%s{item=\"%s\"} %lld\n", name, item,
			   (long long)json_object_get_int64(value));
	}
}

void fc_metrics_format(const char *json, size_t len, struct str *out)
{
	static const char *const groups[] = {
		"api_server",
		"block",
		"get_api_requests",
		"i8042",
		"latencies_us",
		"logger",
		"mmds",
		"net",
		"patch_api_requests",
		"put_api_requests",
		"rtc",
		"seccomp",
		"signals",
		"uart",
		"vcpu",
		"vmm",
		"vsock",
	};
	struct json_tokener *tok = json_tokener_new();
	struct json_object *o = json_tokener_parse_ex(tok, json, (int)len), *group;

	for (size_t i = 0; json_object_is_type(o, json_type_object) && i < ARRAY_SIZE(groups); i++)
		if (json_object_object_get_ex(o, groups[i], &group) &&
		    json_object_is_type(group, json_type_object))
			put_group(groups[i], group, out);
	json_object_put(o);
	json_tokener_free(tok);
}

static void end_line(struct fc_metrics *m)
{
	if (!m->too_long && m->line.len > 0) {
		str_free(&m->last);
		m->last = m->line;
		m->line = (struct str)STR_INIT;
	}
	str_free(&m->line);
	m->too_long = false;
}

static void take(struct fc_metrics *m, const char *data, size_t len)
{
	while (len > 0) {
		const char *nl = memchr(data, '\n', len);
		size_t n = nl ? (size_t)(nl - data) : len;

		if (m->line.len + n > FC_METRICS_MAX) {
			m->too_long = true;
			str_free(&m->line);
		}
		if (!m->too_long)
			str_add(&m->line, data, n);
		if (nl)
			end_line(m);
		data += n + (nl ? 1 : 0);
		len -= n + (nl ? 1 : 0);
	}
}

static void on_input(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct fc_metrics *m = arg;
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)src;
	(void)events;
	if (n > 0)
		take(m, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		loop_remove(&m->src);
}

struct fc_metrics *fc_metrics_new(struct loop *loop, int fd, struct err *err)
{
	struct fc_metrics *m = xcalloc(1, sizeof(*m));

	m->fd = fd;
	fd_set_nonblock(fd, true);
	m->src = loop_add_fd(loop, fd, EPOLLIN, on_input, m);
	if (m->src)
		return m;
	err_sys(err, errno, "cannot wait for metrics");
	fc_metrics_free(m);
	return NULL;
}

void fc_metrics_write(const struct fc_metrics *m, struct str *out)
{
	if (m->last.len > 0)
		fc_metrics_format(m->last.data, m->last.len, out);
}

void fc_metrics_free(struct fc_metrics *m)
{
	if (!m)
		return;
	loop_remove(&m->src);
	close_fd(&m->fd);
	str_free(&m->line);
	str_free(&m->last);
	free(m);
}
