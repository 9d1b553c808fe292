/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of the server may send: it is answered or refused, whole or in two pieces
 * the same, and nothing that the handler is told breaks its promises.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "http/httpd.h"

#define BODY_MAX 1024

static void handle(struct httpd_call *call, const struct http_asked *asked, void *arg)
{
	struct str body = STR_INIT;

	(void)arg;
	must(asked->method[0] >= 'A' && asked->method[0] <= 'Z');
	must(asked->path[0] == '/');
	must(asked->query.n % 2 == 0 && asked->query.n <= (size_t)HTTP_QUERY_MAX * 2);
	must(asked->body.len <= BODY_MAX);
	str_printf(&body, "%s %s %zu %zu", asked->method, asked->path, asked->query.n,
		   asked->body.len);
	str_add(&body, str_text(&asked->body), asked->body.len);
	if (asked->query.n)
		httpd_fail(call, 404, "%s", str_text(&body));
	else
		httpd_reply(call, 200, "text/plain", &body);
	str_free(&body);
}

static void pump(struct loop *loop, int fd, struct str *out)
{
	char buf[16384];
	ssize_t n;

	for (int quiet = 0; quiet < 3; quiet++) {
		must(loop_step(loop, 0) == 0);
		while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
			str_add(out, buf, (size_t)n);
			quiet = 0;
		}
	}
}

/* An interim answer depends on what came at once. */
static void drop_interim(struct str *out)
{
	static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char *at;

	while (out->len && (at = memmem(out->data, out->len, words, strlen(words)))) {
		size_t before = (size_t)(at - out->data);

		memmove(at, at + strlen(words), out->len - before - strlen(words));
		out->len -= strlen(words);
	}
}

static void talk(const uint8_t *data, size_t size, size_t first, struct str *out)
{
	struct loop *loop = loop_new();
	struct httpd *h = httpd_new(loop, &(const struct httpd_options){ .handler = handle,
									 .body_max = BODY_MAX,
									 .connections = 1 });
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	must(httpd_serve(h, pair[0]) == 0);
	if (first > 0)
		(void)!send(pair[1], data, first, MSG_NOSIGNAL);
	pump(loop, pair[1], out);
	if (size > first)
		(void)!send(pair[1], data + first, size - first, MSG_NOSIGNAL);
	pump(loop, pair[1], out);
	close(pair[1]);
	httpd_free(h);
	loop_free(loop);
	drop_interim(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = STR_INIT, parts = STR_INIT;

	talk(data, size, size, &whole);
	talk(data, size, size / 2, &parts);
	must(whole.len == parts.len);
	must(whole.len == 0 || !memcmp(whole.data, parts.data, whole.len));
	str_free(&whole);
	str_free(&parts);
	return 0;
}
