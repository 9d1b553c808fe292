/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the questions that programs put to a server of names which is somewhere else, by UDP
 * and by TCP, and gives the answers back. Whoever asks may be hostile: what is held is bounded,
 * every wait has a limit, and what is no question goes no further.
 */
#ifndef DNS_FRONT_H
#define DNS_FRONT_H

#include "base/err.h"
#include "base/loop.h"
#include "dns/message.h"

/* Questions that wait for their answers, and connections, at a time. */
#define DNS_FRONT_QUERIES_MAX 128
#define DNS_FRONT_CLIENTS_MAX 32

/* After that long a question has failed; a client that says nothing is forgotten. */
#define DNS_FRONT_QUERY_MS  15000
#define DNS_FRONT_CLIENT_MS 10000

/*
 * UDP, a listener of TCP, a raw one for answers from any address, and what brings the questions
 * (dns/capture.h); -1: none.
 */
struct dns_sockets {
	int udp, tcp, raw, capture;
};

#define DNS_SOCKETS_NONE       \
	{                      \
		-1, -1, -1, -1 \
	}

/*
 * Open them in the network that this process is in, for what comes by its loopback alone: for
 * questions to port 53 of @n @servers, or with @n 0 of all addresses outside of 127.0.0.0/8 that
 * are routed there. The port stays free, where the kernel can do that; elsewhere it is that of
 * the first server, or of all. 0 or -errno, and all are closed.
 */
int dns_sockets_open(struct dns_sockets *s, const struct in_addr *servers, size_t n,
		     struct err *err);
void dns_sockets_close(struct dns_sockets *s);

struct dns_query {
	uint64_t id;	       /* never 0 */
	struct in_addr server; /* that it was put to */
	bool tcp;
	const uint8_t *data; /* dns_is_query(); valid during the call */
	size_t len;
};

typedef void (*dns_query_cb)(const struct dns_query *q, void *arg);

struct dns_front;

/* Take questions from now on. @s is taken over. NULL and @err, with @s closed. */
struct dns_front *dns_front_open(struct loop *loop, struct dns_sockets *s, dns_query_cb cb,
				 void *arg, struct err *err);

/*
 * Answer @id; one that nobody waits for any more is ignored. What is no answer to it, NULL
 * among that, tells the client that the server has failed.
 */
void dns_front_answer(struct dns_front *f, uint64_t id, const uint8_t *data, size_t len);

/* NULL in *@f is allowed. */
void dns_front_close(struct dns_front **f);

#endif
