/* SPDX-License-Identifier: Apache-2.0 */
/* One question to one server. */
#ifndef DNS_ASK_H
#define DNS_ASK_H

#include "base/loop.h"
#include "dns/message.h"

struct dns_ask;

/* The answer, valid during the call; NULL: there is none. */
typedef void (*dns_answer_cb)(const uint8_t *data, size_t len, void *arg);

/* A socket to ask with in the network that this process is in; or -errno. */
int dns_ask_socket(bool tcp);

/*
 * Ask @query (copied; dns_is_query()) of the server @to, with @fd of dns_ask_socket(), taken over.
 * @cb comes once, within @ms milliseconds, never from here. What is no answer to the question is
 * not taken for one.
 */
struct dns_ask *dns_ask(struct loop *loop, int fd, bool tcp, const struct sockaddr_in *to,
			const uint8_t *query, size_t len, int64_t ms, dns_answer_cb cb, void *arg);

/* Nobody is told any more. *@ask becomes NULL; NULL in it is allowed. */
void dns_ask_cancel(struct dns_ask **ask);

#endif
