/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "dns/ask.h"
#include "dns/front.h"
#include "host/network/names.h"
#include "host/sandbox/network_parts.h"

/* Questions of the guest at a time. One more is fetched when one of them has its answer. */
#define ASKS_MAX 64

/* As long as who asks in the guest is kept waiting, and less. */
#define ASK_MS 12000

/* The agent gives a server 5 s. */
#define FORWARD_MS 7000

/* More than that no engine writes. */
#define RESOLV_CONF_MAX 65536

#define SOURCE "/etc/resolv.conf"

struct names {
	struct sandbox *sb;
	struct in_addr servers[DNS_SERVERS_MAX];
	size_t n;
	bool fetching; /* GetNameQuery is under way */
	struct list asks;
	size_t n_asks;
	struct dns_front *front; /* what the server asks others for; NULL: nobody hears it */
	bool off;		 /* the agent cannot */
};

/* A question of the guest that the server has. */
struct asking {
	struct list link;
	struct names *names;
	uint64_t id;
	struct dns_ask *ask;
};

/* One of the server's that the guest has. */
struct forward {
	struct sandbox *sb;
	uint64_t id;
};

static void fetch(struct names *n);

char *names_source(const Grpc__Spec *spec)
{
	const char *source = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, SOURCE))
			source = spec->mounts[i]->source;
	return source && *source ? xstrdup(source) : NULL;
}

/* ---- what the guest asks ------------------------------------------------------------ */

static void on_answered(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	(void)rsp;
	(void)err;
	(void)arg;
}

static void answer(struct sandbox *sb, uint64_t id, const uint8_t *data, size_t len)
{
	Grpc__AnswerNameQueryRequest req = GRPC__ANSWER_NAME_QUERY_REQUEST__INIT;

	req.id = id;
	req.message = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)data };
	call_agent(sb, "AnswerNameQuery", &req.base, AGENT_CALL_MS, on_answered, NULL);
}

static void end_asking(struct asking *a)
{
	list_del(&a->link);
	a->names->n_asks--;
	dns_ask_cancel(&a->ask);
	free(a);
}

static void on_answer(const uint8_t *data, size_t len, void *arg)
{
	struct asking *a = arg;
	struct names *n = a->names;

	a->ask = NULL;
	answer(n->sb, a->id, data, len);
	end_asking(a);
	fetch(n);
}

/* The server that is asked for, if that is one of ours: the guest says what it likes. */
static const struct in_addr *server_of(const struct names *n, const Grpc__NameQuery *q)
{
	for (size_t i = 0; i < n->n; i++)
		if (q->server.len == 4 && !memcmp(&n->servers[i], q->server.data, 4))
			return &n->servers[i];
	return NULL;
}

static void put_question(struct names *n, const Grpc__NameQuery *q)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	const struct in_addr *server = server_of(n, q);
	int fd = -EINVAL;
	struct asking *a;

	if (server && dns_is_query(q->message.data, q->message.len))
		fd = net_names_socket(n->sb->net->netns, q->tcp);
	if (fd < 0) {
		log_debug("sandbox %s: a question of names: %s", n->sb->st->id, strerror(-fd));
		answer(n->sb, q->id, NULL, 0);
		return;
	}
	to.sin_addr = *server;
	a = xcalloc(1, sizeof(*a));
	a->names = n;
	a->id = q->id;
	list_add_tail(&n->asks, &a->link);
	n->n_asks++;
	a->ask = dns_ask(n->sb->loop, fd, q->tcp, &to, q->message.data, q->message.len, ASK_MS,
			 on_answer, a);
}

static void on_query(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	struct names *n = sb->names;

	if (!n || sb->phase != PHASE_RUNNING)
		return;
	n->fetching = false;
	/* A new connection stands: the agent is the same, and goes on. */
	if (err && err->code != -ECONNRESET) {
		log_warn("sandbox %s: names are not resolved any more: %s", sb->st->id,
			 err_msg(err));
		n->off = true;
		return;
	}
	if (rsp)
		put_question(n, (const Grpc__NameQuery *)rsp);
	fetch(n);
}

static void fetch(struct names *n)
{
	Grpc__GetNameQueryRequest req = GRPC__GET_NAME_QUERY_REQUEST__INIT;

	if (n->fetching || n->off || n->n_asks == ASKS_MAX)
		return;
	n->fetching = true;
	call_agent(n->sb, "GetNameQuery", &req.base, 0, on_query, n->sb);
}

/* ---- what the server asks others for --------------------------------------------------- */

static void on_forwarded(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	const Grpc__NameAnswer *there = (const Grpc__NameAnswer *)rsp;
	struct forward *f = arg;
	struct names *n = f->sb->names;

	(void)err;
	if (n && n->front)
		dns_front_answer(n->front, f->id, there ? there->message.data : NULL,
				 there ? there->message.len : 0);
	free(f);
}

static void on_forward(const struct dns_query *q, void *arg)
{
	Grpc__AskNameServerRequest req = GRPC__ASK_NAME_SERVER_REQUEST__INIT;
	struct names *n = arg;
	struct forward *f = xmalloc(sizeof(*f));

	*f = (struct forward){ n->sb, q->id };
	req.server = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t)&q->server };
	req.tcp = q->tcp;
	req.message = (ProtobufCBinaryData){ q->len, (uint8_t *)(uintptr_t)q->data };
	call_agent(n->sb, "AskNameServer", &req.base, FORWARD_MS, on_forwarded, f);
}

static void open_front(struct names *n)
{
	struct network *net = n->sb->net;
	struct err why = ERR_INIT;
	struct dns_sockets s;

	if (net_names_open(net->netns, &net->journal, &s, &why) == 0)
		n->front = dns_front_open(n->sb->loop, &s, on_forward, n, &why);
	if (!n->front)
		log_warn("sandbox %s: names outside of its networks are not resolved: %s",
			 n->sb->st->id, err_msg(&why));
}

/* ---- beginning and end -------------------------------------------------------------------- */

static size_t servers_of(const char *path, struct in_addr servers[DNS_SERVERS_MAX])
{
	auto_str struct str text = STR_INIT;

	/* The engine's, and gone perhaps with its container. */
	if (file_read(path, RESOLV_CONF_MAX, &text, NULL) < 0)
		return 0;
	return dns_loopback_servers(str_text(&text), servers);
}

/*
 * Somebody serves names there, on the host's side. A container of the pod may as well: that is
 * the guest's own affair. Whom we have served once we go on to: he may be away for a while.
 */
static bool is_served(const struct sandbox *sb, struct in_addr server)
{
	for (size_t i = 0; sb->names && i < sb->names->n; i++)
		if (sb->names->servers[i].s_addr == server.s_addr)
			return true;
	return net_names_served(sb->net->netns, server);
}

/* What all containers together name, the first ones first. */
static size_t wanted(const struct sandbox *sb, struct in_addr servers[DNS_SERVERS_MAX])
{
	struct list *it;
	size_t n = 0;

	list_for_each(it, &sb->containers) {
		const struct container *c = container_of(it, struct container, link);
		struct in_addr found[DNS_SERVERS_MAX];
		size_t m = c->resolv_conf ? servers_of(c->resolv_conf, found) : 0;

		for (size_t i = 0; i < m; i++) {
			size_t k = 0;

			while (k < n && servers[k].s_addr != found[i].s_addr)
				k++;
			if (k == n && n < DNS_SERVERS_MAX && is_served(sb, found[i]))
				servers[n++] = found[i];
		}
	}
	return n;
}

static void on_served(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct sandbox *sb = arg;
	struct names *n = sb->names;

	(void)rsp;
	if (!n || sb->phase != PHASE_RUNNING)
		return;
	if (err) {
		log_warn("sandbox %s: names that %s serves are not resolved in the guest: %s",
			 sb->st->id, inet_ntoa(n->servers[0]), err_msg(err));
		n->off = true;
		return;
	}
	if (!n->front)
		open_front(n);
	fetch(n);
}

static void serve(struct names *n)
{
	Grpc__ServeNamesRequest req = GRPC__SERVE_NAMES_REQUEST__INIT;
	ProtobufCBinaryData servers[DNS_SERVERS_MAX];

	for (size_t i = 0; i < n->n; i++)
		servers[i] = (ProtobufCBinaryData){ 4, (uint8_t *)&n->servers[i] };
	req.servers = servers;
	req.n_servers = n->n;
	call_agent(n->sb, "ServeNames", &req.base, AGENT_CALL_MS, on_served, n->sb);
}

void names_look(struct sandbox *sb)
{
	struct in_addr servers[DNS_SERVERS_MAX];
	struct names *n = sb->names;
	size_t count;

	if (!sb->net || sb->phase != PHASE_RUNNING || (n && n->off))
		return;
	count = wanted(sb, servers);
	if (count == (n ? n->n : 0) &&
	    (count == 0 || !memcmp(servers, n->servers, count * sizeof(*servers))))
		return;
	if (!n) {
		n = sb->names = xcalloc(1, sizeof(*n));
		n->sb = sb;
		list_init(&n->asks);
	}
	n->n = count;
	memcpy(n->servers, servers, count * sizeof(*servers));
	serve(n);
}

void names_end(struct sandbox *sb)
{
	struct names *n = take_ptr(sb->names);

	if (!n)
		return;
	while (!list_empty(&n->asks))
		end_asking(container_of(n->asks.next, struct asking, link));
	dns_front_close(&n->front);
	free(n);
}
