/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor among sandboxes that are played here: some answer, some do not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/monitor/monitor.h"
#include "http/httpd.h"

#define SHIMS 4

struct fixture {
	char dir[64];
	char *root, *rust;
	struct loop *loop;
	struct monitor *m;
	struct httpd *shims[SHIMS];
	size_t n;
	int status;	/* of their answers */
	unsigned asked; /* how often */
	struct httpd_call *held[4];
	size_t n_held;
	bool hold;
};

static void on_shim(struct httpd_call *call, const struct http_asked *asked, void *arg)
{
	struct fixture *f = arg;
	auto_str struct str body = STR_INIT;

	f->asked++;
	if (f->hold) {
		f->held[f->n_held++] = call;
		return;
	}
	if (!strcmp(asked->path, "/agent-url"))
		str_puts(&body, "vsock://3:1024");
	else
		str_puts(&body, "# TYPE kata_shim_fds gauge\nkata_shim_fds 5\nprocess_max_fds 9\n");
	httpd_reply(call, f->status, "text/plain", &body);
}

static char *sandbox_dir(struct fixture *f, const char *root, const char *id)
{
	auto_free char *dir = path_join(root, id);

	(void)f;
	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	return path_join(dir, "shim-monitor.sock");
}

/* A sandbox whose shim answers. */
static void add_shim(struct fixture *f, const char *root, const char *id)
{
	auto_free char *socket = sandbox_dir(f, root, id);
	int fd = unix_listen(socket, 16, NULL);

	assert_true(fd >= 0 && f->n < SHIMS);
	f->shims[f->n] = httpd_new(
		f->loop,
		&(const struct httpd_options){ .handler = on_shim, .arg = f, .connections = 4 });
	assert_int_equal(httpd_listen(f->shims[f->n++], fd), 0);
}

static void put(const char *root, const char *path, const char *text)
{
	auto_free char *full = path_join(root, path);

	assert_int_equal(file_replace(full, text, strlen(text), 0600, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct strv roots = { NULL, 0 };

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-monitor-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->root = path_join(f->dir, "sbs");
	f->rust = path_join(f->dir, "kata");
	f->loop = loop_new();
	f->status = 200;
	strv_add(&roots, f->root);
	strv_add(&roots, f->rust);
	f->m = monitor_new(f->loop, &roots);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	monitor_free(f->m);
	for (size_t i = 0; i < f->n; i++)
		httpd_free(f->shims[i]);
	loop_free(f->loop);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->root);
	free(f->rust);
	free(f);
	return 0;
}

static int ask(struct fixture *f, const char *method, const char *target, const char *more)
{
	auto_free char *text = xasprintf("%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n",
					 method, target, more);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(httpd_serve(f->m->httpd, pair[0]), 0);
	assert_int_equal(send(pair[1], text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return pair[1];
}

/* The answer to its end, as "STATUS BODY"; @fd is closed. */
static const char *answer(struct fixture *f, int fd)
{
	static char text[64 << 10];
	int64_t limit = loop_now_ms() + 10000;
	size_t len = 0;
	ssize_t n = -1;
	char *body;

	while (n != 0 && loop_now_ms() < limit) {
		assert_int_equal(loop_step(f->loop, 20), 0);
		while ((n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	body = strstr(text, "\r\n\r\n");
	assert_true(n == 0 && body);
	memmove(text, text + 9, 4);
	memmove(text + 4, body + 4, strlen(body + 4) + 1);
	return text;
}

static const char *get(struct fixture *f, const char *target)
{
	return answer(f, ask(f, "GET", target, ""));
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in %s", line, text);
}

static void no_sandboxes(void **state)
{
	struct fixture *f = *state;
	const char *text;

	assert_string_equal(get(f, "/sandboxes"), "200 ");
	text = get(f, "/metrics");
	has(text, "\nkata_monitor_running_shim_count 0\n");
	has(text, "\nkata_monitor_scrape_count 1\n");
	has(text, "\nkata_monitor_scrape_failed_count 0\n");
	has(text, "\nkata_monitor_scrape_durations_histogram_milliseconds_bucket{le=\"+Inf\"} 1\n");
	has(text, "\nkata_monitor_process_open_fds ");
	assert_null(strstr(text, "go_"));
	has(get(f, "/metrics"), "\nkata_monitor_scrape_count 2\n");
}

static void pages(void **state)
{
	static const char html[] = "Accept: application/xml,text/html;q=0.9\r\n";
	struct fixture *f = *state;

	add_shim(f, f->root, "sandbox-1");
	assert_string_equal(get(f, "/"), "200 Available HTTP endpoints:\n"
					 "/metrics     : Get metrics from sandboxes.\n"
					 "/sandboxes   : List all Kata Containers sandboxes.\n"
					 "/agent-url   : Get sandbox agent URL.\n");
	has(answer(f, ask(f, "GET", "/", html)), "<a href='/metrics'>");
	has(answer(f, ask(f, "GET", "/sandboxes", html)),
	    "<li>sandbox-1: <a href='/metrics?sandbox=sandbox-1'>");
	has(get(f, "/debug/pprof/heap"), "404 there is no /debug/pprof/heap: neither this monitor");
	has(get(f, "/nothing"), "404 there is no /nothing");
	has(answer(f, ask(f, "PUT", "/metrics", "")), "405 /metrics is not asked with PUT");
	has(answer(f, ask(f, "POST", "/metrics", "Content-Length: 1\r\n")), "413 ");
}

static void which_are_sandboxes(void **state)
{
	struct fixture *f = *state;
	auto_free char *link = path_join(f->root, "member");

	add_shim(f, f->root, "bb");
	add_shim(f, f->root, "aa");
	add_shim(f, f->rust, "cc");
	add_shim(f, f->rust, "aa"); /* it was seen already */
	free(sandbox_dir(f, f->root, "no-socket"));
	free(sandbox_dir(f, f->root, ".hidden"));
	free(sandbox_dir(f, f->root, "a-file"));
	put(f->root, "a-file/shim-monitor.sock", "");
	assert_int_equal(symlink("aa", link), 0);
	assert_string_equal(get(f, "/sandboxes"), "200 aa\nbb\ncc\n");
	has(get(f, "/metrics"), "\nkata_monitor_running_shim_count 3\n");
}

static void metrics_of_pods(void **state)
{
	struct fixture *f = *state;
	const char *text;

	add_shim(f, f->root, "pod");
	put(f->root, "pod/state.json",
	    "{\"version\":1,\"id\":\"pod\",\"containers\":[{\"id\":\"pod\",\"annotations\":{"
	    "\"io.kubernetes.cri.sandbox-uid\":\"u-1\",\"io.kubernetes.cri.sandbox-name\":\"web\","
	    "\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}]}");
	add_shim(f, f->root, "crio");
	put(f->root, "crio/state.json",
	    "{\"version\":1,\"id\":\"crio\",\"containers\":[{\"id\":\"xx\",\"annotations\":{"
	    "\"io.kubernetes.cri-o.Labels\":\"{\\\"io.kubernetes.pod.uid\\\":\\\"u-2\\\","
	    "\\\"io.kubernetes.pod.name\\\":\\\"db\\\"}\"}}]}");
	add_shim(f, f->root, "bare");
	text = get(f, "/metrics");
	has(text, "\nkata_shim_fds{sandbox_id=\"pod\",cri_uid=\"u-1\",cri_name=\"web\","
		  "cri_namespace=\"shop\"} 5\n");
	has(text, "\nkata_shim_fds{sandbox_id=\"crio\",cri_uid=\"u-2\",cri_name=\"db\","
		  "cri_namespace=\"\"} 5\n");
	has(text, "\nkata_shim_fds{sandbox_id=\"bare\",cri_uid=\"\",cri_name=\"\","
		  "cri_namespace=\"\"} 5\n");
	has(text, "\nkata_shim_process_max_fds{sandbox_id=\"bare\",");
	assert_ptr_equal(strstr(strstr(text, "# TYPE kata_shim_fds ") + 1, "# TYPE kata_shim_fds "),
			 NULL);
	text = get(f, "/metrics?filter_family=kata_shim_p,none");
	has(text, "200 kata_shim_process_max_fds{");
	assert_null(strstr(text, "kata_monitor"));
	assert_null(strstr(text, "kata_shim_fds"));
}

static void one_alone(void **state)
{
	struct fixture *f = *state;

	add_shim(f, f->root, "pod");
	assert_string_equal(get(f, "/metrics?sandbox=pod"),
			    "200 # TYPE kata_shim_fds gauge\nkata_shim_fds 5\nprocess_max_fds 9\n");
	assert_string_equal(get(f, "/agent-url?sandbox=pod"), "200 vsock://3:1024\n");
	has(get(f, "/agent-url"), "400 the parameter sandbox is missing");
	has(get(f, "/metrics?sandbox=other"), "404 there is no sandbox other");
	has(get(f, "/metrics?sandbox=../pod"), "400 invalid container ID '../pod'");
	has(get(f, "/agent-url?sandbox=%2e%2e"), "400 invalid container ID");
	f->status = 503;
	has(get(f, "/agent-url?sandbox=pod"), "503 ");
}

/* One is silent, one nobody listens for any more, one says nonsense: the others are told. */
static void those_that_fail(void **state)
{
	struct fixture *f = *state;
	auto_free char *dead = sandbox_dir(f, f->root, "dead");
	auto_free char *silent = sandbox_dir(f, f->root, "silent");
	int64_t begun = loop_now_ms();
	const char *text;
	int fd;

	add_shim(f, f->root, "good");
	fd = unix_listen(dead, 1, NULL);
	close(fd);
	fd = unix_listen(silent, 1, NULL);
	text = get(f, "/metrics");
	assert_true(loop_now_ms() - begun < MONITOR_SANDBOX_MS + 2000);
	has(text, "\nkata_monitor_running_shim_count 3\n");
	has(text, "\nkata_monitor_scrape_failed_count 2\n");
	has(text, "\nkata_shim_fds{sandbox_id=\"good\",");
	assert_null(strstr(text, "sandbox_id=\"dead\""));
	assert_null(strstr(text, "sandbox_id=\"silent\""));
	close(fd);
	f->status = 500;
	text = get(f, "/metrics");
	assert_null(strstr(text, "kata_shim_fds"));
	has(text, "\nkata_monitor_scrape_failed_count 5\n");
}

/* Who asks while others wait is answered with them; the end answers all. */
static void several_at_once(void **state)
{
	struct fixture *f = *state;
	int first, second, alone;

	add_shim(f, f->root, "pod");
	f->hold = true;
	first = ask(f, "GET", "/metrics", "");
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
	second = ask(f, "GET", "/metrics?filter_family=kata_shim", "");
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
	assert_int_equal(f->asked, 1);
	httpd_reply(f->held[0], 200, "text/plain",
		    &(struct str){ xstrdup("kata_shim_fds 5\n"), 16, 17 });
	has(answer(f, first), "\nkata_monitor_scrape_count 1\n");
	has(answer(f, second), "200 kata_shim_fds{");
	assert_int_equal(f->asked, 1);

	first = ask(f, "GET", "/metrics", "");
	alone = ask(f, "GET", "/metrics?sandbox=pod", "");
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
	assert_int_equal(f->asked, 3);
	monitor_free(f->m);
	f->m = NULL;
	assert_int_equal(f->n_held, 3);
	for (size_t i = 1; i < f->n_held; i++)
		httpd_fail(f->held[i], 500, "too late");
	close(first);
	close(alone);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(no_sandboxes), T(pages),	     T(which_are_sandboxes), T(metrics_of_pods),
		T(one_alone),	 T(those_that_fail), T(several_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
