/* SPDX-License-Identifier: Apache-2.0 */
/* What a relay has to know of messages of the DNS (RFC 1035, section 4), and of resolv.conf(5). */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_PORT	53
#define DNS_HEADER_LEN	12
#define DNS_MESSAGE_MAX 65535

/* A header and one question: a name of 255 bytes, its type and class. */
#define DNS_REFUSAL_MAX (DNS_HEADER_LEN + 255 + 4)

/* So many servers has resolv.conf, for all that read it. */
#define DNS_SERVERS_MAX 3

/* Whether it is long enough, not too long, and a question. */
bool dns_is_query(const uint8_t *data, size_t len);

/* Whether it is the answer to a question that begins with @query: at least a header. */
bool dns_is_answer(const uint8_t *data, size_t len, const uint8_t query[DNS_HEADER_LEN]);

/*
 * "The server failed", as an answer to the first @len bytes of a query, DNS_REFUSAL_MAX of
 * which are enough: with its question, if that is there as a whole. Returns its length. Pure.
 */
size_t dns_refuse(const uint8_t *query, size_t len, uint8_t answer[DNS_REFUSAL_MAX]);

/* The servers of 127.0.0.0/8 among the first three that a resolv.conf names. */
size_t dns_loopback_servers(const char *resolv_conf, struct in_addr servers[DNS_SERVERS_MAX]);

#endif
