/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "host/monitor/monitor.h"
#include "host/monitor/sandboxes.h"
#include "http/get.h"
#include "prom/text.h"

#define TEXT "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"

/* A question that is passed on to one sandbox. */
struct asking {
	struct list link;
	struct httpd_call *call;
	struct http_get *get;
	bool newline; /* behind the answer */
};

static void get_metrics(struct monitor *m, struct httpd_call *call, const struct http_asked *a);
static void get_sandboxes(struct monitor *m, struct httpd_call *call, const struct http_asked *a);
static void get_agent_url(struct monitor *m, struct httpd_call *call, const struct http_asked *a);

static const struct route {
	const char *path, *what;
	bool plain; /* of use without a parameter */
	void (*answer)(struct monitor *m, struct httpd_call *call, const struct http_asked *a);
} routes[] = {
	{ "/metrics", "Get metrics from sandboxes.", true, get_metrics },
	{ "/sandboxes", "List all Kata Containers sandboxes.", true, get_sandboxes },
	{ "/agent-url", "Get sandbox agent URL.", false, get_agent_url },
};

static bool wants_html(const struct http_asked *asked)
{
	const char *at = strstr(str_text(&asked->accept), "text/html");

	return at && (at[9] == '\0' || at[9] == ',' || at[9] == ';');
}

/* ---- one sandbox ------------------------------------------------------------------- */

static void asking_free(struct asking *a)
{
	http_get_cancel(&a->get);
	list_del(&a->link);
	free(a);
}

static void on_answer(const struct err *err, const struct http_answer *answer, void *arg)
{
	auto_str struct str body = STR_INIT;
	struct asking *a = arg;
	struct httpd_call *call = a->call;
	bool newline = a->newline;

	a->get = NULL;
	asking_free(a);
	if (err) {
		httpd_fail(call, err->code == -ETIMEDOUT ? 504 : 500, "%s", err_msg(err));
		return;
	}
	str_add(&body, str_text(&answer->body), answer->body.len);
	if (newline && answer->status == 200)
		str_putc(&body, '\n');
	httpd_reply(call, answer->status, newline ? TEXT : PROM_CONTENT_TYPE, &body);
}

static void pass_on(struct monitor *m, struct httpd_call *call, const char *id, const char *target,
		    bool newline)
{
	struct err err = ERR_INIT;
	auto_free char *socket = sandboxes_socket(&m->roots, id, &err);
	struct asking *a;

	if (!socket) {
		httpd_fail(call, err.code == -ENOENT ? 404 : 400, "%s", err_msg(&err));
		return;
	}
	a = xcalloc(1, sizeof(*a));
	a->call = call;
	a->newline = newline;
	list_add_tail(&m->asking, &a->link);
	a->get = http_get(m->loop, socket, target, MONITOR_SANDBOX_MS, on_answer, a);
}

/* ---- what is asked ------------------------------------------------------------------- */

static void get_metrics(struct monitor *m, struct httpd_call *call, const struct http_asked *a)
{
	const char *id = http_asked_query(a, "sandbox");

	if (id && *id)
		pass_on(m, call, id, "/metrics", false);
	else
		gather_for(m, call, http_asked_query(a, "filter_family"));
}

static void get_agent_url(struct monitor *m, struct httpd_call *call, const struct http_asked *a)
{
	const char *id = http_asked_query(a, "sandbox");

	if (id && *id)
		pass_on(m, call, id, "/agent-url", true);
	else
		httpd_fail(call, 400, "the parameter sandbox is missing");
}

/* IDs are letters, digits and a few signs that mean nothing in HTML. */
static void get_sandboxes(struct monitor *m, struct httpd_call *call, const struct http_asked *a)
{
	auto_str struct str body = STR_INIT;
	struct sandbox_list list;
	bool html = wants_html(a);

	sandboxes_list(&m->roots, &list);
	str_puts(&body, html ? "<h1>Sandbox list</h1>\n<ul>\n" : "");
	for (size_t i = 0; i < list.n; i++) {
		const char *id = list.v[i].id;

		if (html)
			str_printf(&body,
				   "<li>%s: <a href='/metrics?sandbox=%s'>metrics</a>, "
				   "<a href='/agent-url?sandbox=%s'>agent-url</a></li>\n",
				   id, id, id);
		else
			str_printf(&body, "%s\n", id);
	}
	str_puts(&body, html ? "</ul>\n" : "");
	sandboxes_free(&list);
	httpd_reply(call, 200, html ? HTML : TEXT, &body);
}

static void get_index(struct httpd_call *call, const struct http_asked *a)
{
	auto_str struct str body = STR_INIT;
	bool html = wants_html(a);

	str_puts(&body, html ? "<h1>Available HTTP endpoints:</h1>\n<ul>\n" :
			       "Available HTTP endpoints:\n");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		const struct route *r = &routes[i];

		if (html && r->plain)
			str_printf(&body, "<li><b><a href='%s'>%s</a></b>: %s</li>\n", r->path,
				   r->path, r->what);
		else if (html)
			str_printf(&body, "<li><b>%s</b>: %s</li>\n", r->path, r->what);
		else
			str_printf(&body, "%-13s: %s\n", r->path, r->what);
	}
	str_puts(&body, html ? "</ul>\n" : "");
	httpd_reply(call, 200, html ? HTML : TEXT, &body);
}

void monitor_answer(struct httpd_call *call, const struct http_asked *asked, void *arg)
{
	struct monitor *m = arg;

	if (strcmp(asked->method, "GET") != 0 && strcmp(asked->method, "HEAD") != 0) {
		httpd_fail(call, 405, "%s is not asked with %s", asked->path, asked->method);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (!strcmp(routes[i].path, asked->path)) {
			routes[i].answer(m, call, asked);
			return;
		}
	if (!strcmp(asked->path, "/"))
		get_index(call, asked);
	else if (str_starts(asked->path, "/debug/"))
		httpd_fail(call, 404,
			   "there is no %s: neither this monitor nor the shims are written in Go, "
			   "and they keep no such profiles",
			   asked->path);
	else
		httpd_fail(call, 404, "there is no %s; / tells what there is", asked->path);
}

void routes_end(struct monitor *m)
{
	while (!list_empty(&m->asking)) {
		struct asking *a = container_of(m->asking.next, struct asking, link);
		struct httpd_call *call = a->call;

		asking_free(a);
		httpd_fail(call, 503, "the monitor ends");
	}
}
