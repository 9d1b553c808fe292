/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/management.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "host/sandbox/control.h"

/* The rules of a packet filter, or a policy. */
#define BODY_MAX (2u << 20)

/* A monitor, a command line, and some that were left open. */
#define CONNECTIONS_MAX 8

#define AGENT_PORT 1024

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

struct management {
	struct shim *shim;
	struct httpd *httpd;
};

bool shim_has_guest(const struct shim *s)
{
	return s->sandbox && !shim_is_booting(s) && !s->death.code && !s->ending;
}

/* The guest is asked next; otherwise @call is answered. */
static bool has_guest(const struct shim *s, struct httpd_call *call)
{
	if (shim_has_guest(s))
		return true;
	httpd_fail(call, 503, "the sandbox has no guest that runs");
	return false;
}

/* ---- answers of the agent --------------------------------------------------------- */

static void refused(struct httpd_call *call, const struct err *err)
{
	log_info("management: %s", err_msg(err));
	httpd_fail(call, err->code == -ETIMEDOUT ? 504 : 500, "%s", err_msg(err));
}

static void on_done(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	if (rsp)
		httpd_reply(arg, 200, TEXT, NULL);
	else
		refused(arg, err);
}

static void on_iptables(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__GetIPTablesResponse *rules = (const Grpc__GetIPTablesResponse *)rsp;
	auto_str struct str body = STR_INIT;

	if (!rsp) {
		refused(arg, err);
		return;
	}
	if (rules->data.len > 0)
		str_add(&body, rules->data.data, rules->data.len);
	httpd_reply(arg, 200, TEXT, &body);
}

static void put_number(struct json_object *o, const char *name, uint64_t v)
{
	if (v)
		json_object_object_add(o, name, json_object_new_uint64(v));
}

/* As Go writes the message: what is 0 is not written. */
static struct json_object *volume_to_json(const Grpc__VolumeStatsResponse *stats)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(), *c;

	for (size_t i = 0; i < stats->n_usage; i++) {
		struct json_object *u = json_object_new_object();

		put_number(u, "available", stats->usage[i]->available);
		put_number(u, "total", stats->usage[i]->total);
		put_number(u, "used", stats->usage[i]->used);
		put_number(u, "unit", stats->usage[i]->unit);
		json_object_array_add(list, u);
	}
	json_object_object_add(o, "usage", list);
	if (stats->volume_condition) {
		c = json_object_new_object();
		if (stats->volume_condition->abnormal)
			json_object_object_add(c, "abnormal", json_object_new_boolean(true));
		if (*stats->volume_condition->message)
			json_object_object_add(
				c, "message",
				json_object_new_string(stats->volume_condition->message));
		json_object_object_add(o, "volume_condition", c);
	}
	return o;
}

static void on_volume(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	auto_str struct str body = STR_INIT;
	struct json_object *o;

	if (!rsp) {
		refused(arg, err);
		return;
	}
	o = volume_to_json((const Grpc__VolumeStatsResponse *)rsp);
	str_puts(&body, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	httpd_reply(arg, 200, JSON, &body);
}

/* ---- what is asked ------------------------------------------------------------------ */

static void get_metrics(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	(void)asked;
	scrape_begin(s, call);
}

static void get_agent_url(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	auto_str struct str url = STR_INIT;

	(void)asked;
	if (!has_guest(s, call))
		return;
	sandbox_guest(s->sandbox, &url);
	if (!str_starts(str_text(&url), "vsock://") && !str_starts(str_text(&url), "hvsock://")) {
		httpd_fail(call, 501,
			   "the agent of this sandbox has no address: the shim alone has a line "
			   "to it");
		return;
	}
	str_printf(&url, ":%d", AGENT_PORT);
	httpd_reply(call, 200, TEXT, &url);
}

/* The guest's path of a volume; NULL: @call is answered. */
static const char *find_volume(struct shim *s, struct httpd_call *call, const char *path)
{
	const char *guest;

	if (!has_guest(s, call))
		return NULL;
	guest = sandbox_guest_path(s->sandbox, path);
	if (!guest)
		httpd_fail(call, 404, "no container of this sandbox has the volume %s", path);
	return guest;
}

static void get_volume(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	Grpc__VolumeStatsRequest req = GRPC__VOLUME_STATS_REQUEST__INIT;
	const char *path = http_asked_query(asked, "path");

	if (!path || !*path) {
		httpd_fail(call, 400, "the parameter path is missing");
		return;
	}
	req.volume_guest_path = (char *)(uintptr_t)find_volume(s, call, path);
	if (req.volume_guest_path)
		sandbox_ask_agent(s->sandbox, "GetVolumeStats", &req.base, on_volume, call);
}

/* {"VolumePath": "/path", "Size": 4096}; Go does not care for the case of names. */
static int parse_resize(const struct str *body, char **path, uint64_t *size)
{
	struct json_object *o = json_tokener_parse(str_text(body));
	int r = -EINVAL;

	*path = NULL;
	*size = 0;
	if (json_object_is_type(o, json_type_object)) {
		r = 0;
		json_object_object_foreach(o, name, value)
		{
			if (!strcasecmp(name, "VolumePath") &&
			    json_object_is_type(value, json_type_string)) {
				free(*path);
				*path = xstrdup(json_object_get_string(value));
			} else if (!strcasecmp(name, "Size")) {
				*size = json_object_get_uint64(value);
				if (!json_object_is_type(value, json_type_int) ||
				    json_object_get_int64(value) <= 0)
					r = -EINVAL;
			}
		}
	}
	json_object_put(o);
	return *path && **path && *size ? r : -EINVAL;
}

static void post_resize(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	Grpc__ResizeVolumeRequest req = GRPC__RESIZE_VOLUME_REQUEST__INIT;
	auto_free char *path = NULL;

	if (parse_resize(&asked->body, &path, &req.size) < 0) {
		httpd_fail(call, 400,
			   "the body is to be {\"VolumePath\": PATH, \"Size\": BYTES above 0}");
		return;
	}
	req.volume_guest_path = (char *)(uintptr_t)find_volume(s, call, path);
	if (req.volume_guest_path)
		sandbox_ask_agent(s->sandbox, "ResizeVolume", &req.base, on_done, call);
}

static void get_iptables(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	Grpc__GetIPTablesRequest req = GRPC__GET_IPTABLES_REQUEST__INIT;

	req.is_ipv6 = !strcmp(asked->path, "/ip6tables");
	if (has_guest(s, call))
		sandbox_ask_agent(s->sandbox, "GetIPTables", &req.base, on_iptables, call);
}

static void put_iptables(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	Grpc__SetIPTablesRequest req = GRPC__SET_IPTABLES_REQUEST__INIT;

	req.is_ipv6 = !strcmp(asked->path, "/ip6tables");
	req.data.data = (uint8_t *)asked->body.data;
	req.data.len = asked->body.len;
	if (has_guest(s, call))
		sandbox_ask_agent(s->sandbox, "SetIPTables", &req.base, on_done, call);
}

static void put_policy(struct shim *s, struct httpd_call *call, const struct http_asked *asked)
{
	Grpc__SetPolicyRequest req = GRPC__SET_POLICY_REQUEST__INIT;

	if (memchr(str_text(&asked->body), '\0', asked->body.len)) {
		httpd_fail(call, 400, "the policy is no text");
		return;
	}
	req.policy = (char *)(uintptr_t)str_text(&asked->body);
	if (has_guest(s, call))
		sandbox_ask_agent(s->sandbox, "SetPolicy", &req.base, on_done, call);
}

/* ---- who is asked --------------------------------------------------------------------- */

static const struct {
	const char *method, *path;
	void (*answer)(struct shim *s, struct httpd_call *call, const struct http_asked *asked);
} routes[] = {
	{ "GET", "/metrics", get_metrics },
	{ "GET", "/agent-url", get_agent_url },
	{ "GET", "/direct-volume/stats", get_volume },
	{ "POST", "/direct-volume/resize", post_resize },
	{ "GET", "/iptables", get_iptables },
	{ "PUT", "/iptables", put_iptables },
	{ "GET", "/ip6tables", get_iptables },
	{ "PUT", "/ip6tables", put_iptables },
	{ "PUT", "/policy", put_policy },
};

static void on_request(struct httpd_call *call, const struct http_asked *asked, void *arg)
{
	struct management *m = arg;
	const char *method = strcmp(asked->method, "HEAD") ? asked->method : "GET";
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, asked->path) != 0)
			continue;
		known = true;
		if (!strcmp(routes[i].method, method)) {
			routes[i].answer(m->shim, call, asked);
			return;
		}
	}
	if (known)
		httpd_fail(call, 405, "%s is not asked with %s", asked->path, asked->method);
	else if (str_starts(asked->path, "/debug/"))
		httpd_fail(call, 404,
			   "there is no %s: this shim is not written in Go and keeps no such "
			   "profiles; perf(1) works on process %d",
			   asked->path, (int)getpid());
	else
		httpd_fail(call, 404, "there is no %s", asked->path);
}

struct management *management_new(struct shim *s)
{
	struct management *m = xcalloc(1, sizeof(*m));

	m->shim = s;
	m->httpd =
		httpd_new(s->loop, &(const struct httpd_options){ .handler = on_request,
								  .arg = m,
								  .body_max = BODY_MAX,
								  .connections = CONNECTIONS_MAX });
	return m;
}

int management_listen(struct management *m, const char *path, struct err *err)
{
	int fd = unix_listen(path, SOMAXCONN, err), r;

	if (fd < 0)
		return fd;
	r = httpd_listen(m->httpd, fd);
	return r < 0 ? err_sys(err, r, "%s: cannot serve", path) : 0;
}

int management_serve(struct management *m, int fd)
{
	return httpd_serve(m->httpd, fd);
}

void management_free(struct management *m)
{
	if (!m)
		return;
	httpd_free(m->httpd);
	free(m);
}
