/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "dns/ask.h"
#include "dns/front.h"

/* A question that the host has not come for yet; their number is the front's. */
struct untold {
	struct list link;
	uint64_t id;
	struct in_addr server;
	bool tcp;
	size_t len;
	uint8_t data[];
};

/* A question to a server of the pod's network. */
struct asking {
	struct list link;
	struct dns_ask *ask;
	struct ttrpc_call *call;
};

static struct {
	struct dns_front *front;
	struct in_addr servers[DNS_SERVERS_MAX];
	size_t n;
	struct list untold, calls, askings;
	size_t n_untold, n_askings;
} names = {
	.untold = { &names.untold, &names.untold },
	.calls = { &names.calls, &names.calls },
	.askings = { &names.askings, &names.askings },
};

/* ---- the guest's questions ------------------------------------------------------- */

static void tell(struct ttrpc_call *call, const struct dns_query *q)
{
	Grpc__NameQuery rsp = GRPC__NAME_QUERY__INIT;

	rsp.id = q->id;
	rsp.server = (ProtobufCBinaryData){ 4, (uint8_t *)(uintptr_t)&q->server };
	rsp.tcp = q->tcp;
	rsp.message = (ProtobufCBinaryData){ q->len, (uint8_t *)(uintptr_t)q->data };
	ttrpc_reply(call, &rsp.base);
}

static void forget(struct untold *u)
{
	list_del(&u->link);
	names.n_untold--;
	free(u);
}

static void on_query(const struct dns_query *q, void *arg)
{
	struct ttrpc_call *call = unpark(&names.calls);
	struct untold *u;

	(void)arg;
	if (call) {
		tell(call, q);
		return;
	}
	/* The host does not come: who asked first has given up by now. */
	if (names.n_untold == DNS_FRONT_QUERIES_MAX)
		forget(container_of(names.untold.next, struct untold, link));
	u = xmalloc(sizeof(*u) + q->len);
	u->id = q->id;
	u->server = q->server;
	u->tcp = q->tcp;
	u->len = q->len;
	memcpy(u->data, q->data, q->len);
	list_add_tail(&names.untold, &u->link);
	names.n_untold++;
}

void names_next(struct ttrpc_call *call)
{
	struct untold *u;
	struct dns_query q;

	if (list_empty(&names.untold)) {
		park(&names.calls, call);
		return;
	}
	u = container_of(names.untold.next, struct untold, link);
	q = (struct dns_query){ u->id, u->server, u->tcp, u->data, u->len };
	tell(call, &q);
	forget(u);
}

void names_answer(const Grpc__AnswerNameQueryRequest *req)
{
	if (names.front)
		dns_front_answer(names.front, req->id, req->message.data, req->message.len);
}

static void stop(void)
{
	dns_front_close(&names.front);
	while (!list_empty(&names.untold))
		forget(container_of(names.untold.next, struct untold, link));
	names.n = 0;
}

static int open_front(struct agent *agent, const struct in_addr *servers, size_t n, struct err *err)
{
	struct dns_sockets s;
	int r = dns_sockets_open(&s, servers, n, err);

	if (r < 0)
		return r;
	names.front = dns_front_open(agent->loop, &s, on_query, NULL, err);
	return names.front ? 0 : err->code;
}

int names_serve(struct agent *agent, const Grpc__ServeNamesRequest *req, struct err *err)
{
	struct in_addr servers[DNS_SERVERS_MAX];
	int r;

	/* They would be the host's. */
	if (!agent->guest)
		return err_set(err, EINVAL, "names: the network is the host's");
	if (req->n_servers > DNS_SERVERS_MAX)
		return err_set(err, EINVAL, "names: more than %d servers", DNS_SERVERS_MAX);
	for (size_t i = 0; i < req->n_servers; i++) {
		if (req->servers[i].len != 4 || req->servers[i].data[0] != 127)
			return err_set(err, EINVAL, "names: no address of 127.0.0.0/8");
		memcpy(&servers[i], req->servers[i].data, 4);
	}
	if (names.front && names.n == req->n_servers &&
	    !memcmp(servers, names.servers, names.n * sizeof(*servers)))
		return 0;
	stop();
	if (req->n_servers == 0)
		return 0;
	r = open_front(agent, servers, req->n_servers, err);
	if (r < 0) {
		stop();
		return r;
	}
	names.n = req->n_servers;
	memcpy(names.servers, servers, names.n * sizeof(*servers));
	return 0;
}

/* ---- the host's ------------------------------------------------------------------- */

static void end_asking(struct asking *a)
{
	list_del(&a->link);
	names.n_askings--;
	dns_ask_cancel(&a->ask);
	free(a);
}

static void on_answer(const uint8_t *data, size_t len, void *arg)
{
	struct asking *a = arg;
	struct ttrpc_call *call = a->call;
	Grpc__NameAnswer rsp = GRPC__NAME_ANSWER__INIT;

	a->ask = NULL;
	end_asking(a);
	ttrpc_call_on_cancel(call, NULL, NULL);
	if (!data) {
		ttrpc_fail(call, TTRPC_DEADLINE_EXCEEDED, "names: the server does not answer");
		return;
	}
	rsp.message = (ProtobufCBinaryData){ len, (uint8_t *)(uintptr_t)data };
	ttrpc_reply(call, &rsp.base);
}

static void on_cancel(struct ttrpc_call *call, void *arg)
{
	end_asking(arg);
	ttrpc_fail(call, TTRPC_CANCELLED, "names: cancelled");
}

void names_ask(struct agent *agent, struct ttrpc_call *call, const Grpc__AskNameServerRequest *req)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	struct asking *a;
	int fd;

	if (req->server.len != 4 || !dns_is_query(req->message.data, req->message.len)) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "names: no address, or no question");
		return;
	}
	if (names.n_askings == NAMES_ASKS_MAX) {
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "names: more than %d questions",
			   NAMES_ASKS_MAX);
		return;
	}
	fd = dns_ask_socket(req->tcp);
	if (fd < 0) {
		ttrpc_fail(call, ttrpc_code_of_errno(fd), "names: %s", strerror(-fd));
		return;
	}
	memcpy(&to.sin_addr, req->server.data, 4);
	a = xcalloc(1, sizeof(*a));
	a->call = call;
	list_add_tail(&names.askings, &a->link);
	names.n_askings++;
	ttrpc_call_on_cancel(call, on_cancel, a);
	a->ask = dns_ask(agent->loop, fd, req->tcp, &to, req->message.data, req->message.len,
			 NAMES_ASK_MS, on_answer, a);
}

void names_close(void)
{
	struct ttrpc_call *call;

	stop();
	while ((call = unpark(&names.calls)))
		ttrpc_fail(call, TTRPC_CANCELLED, "names: the sandbox is being destroyed");
	while (!list_empty(&names.askings)) {
		struct asking *a = container_of(names.askings.next, struct asking, link);

		call = a->call;
		end_asking(a);
		ttrpc_call_on_cancel(call, NULL, NULL);
		ttrpc_fail(call, TTRPC_CANCELLED, "names: the sandbox is being destroyed");
	}
}
