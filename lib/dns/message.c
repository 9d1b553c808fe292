/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/message.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

/* Bytes of the header: RFC 1035, 4.1.1. */
enum { FLAGS = 2, CODE = 3, QUESTIONS = 4 };

#define IS_ANSWER   0x80 /* of FLAGS */
#define KEPT_FLAGS  0x79 /* the kind of question, and that recursion is wanted */
#define SERVER_FAIL 2

bool dns_is_query(const uint8_t *data, size_t len)
{
	return len >= DNS_HEADER_LEN && len <= DNS_MESSAGE_MAX && !(data[FLAGS] & IS_ANSWER);
}

bool dns_is_answer(const uint8_t *data, size_t len, const uint8_t query[DNS_HEADER_LEN])
{
	return len >= DNS_HEADER_LEN && len <= DNS_MESSAGE_MAX && data[FLAGS] & IS_ANSWER &&
	       !memcmp(data, query, FLAGS);
}

/* Where the first question ends; 0: it is not there, or is none. */
static size_t end_of_question(const uint8_t *query, size_t len)
{
	size_t at = DNS_HEADER_LEN;

	while (at < len && query[at] != 0) {
		/* Labels of up to 63 bytes; what is longer is a reference, which a query has not. */
		if (query[at] > 63)
			return 0;
		at += 1 + (size_t)query[at];
	}
	at += 1 + 4;
	return at <= len && at <= DNS_REFUSAL_MAX ? at : 0;
}

size_t dns_refuse(const uint8_t *query, size_t len, uint8_t answer[DNS_REFUSAL_MAX])
{
	bool one = query[QUESTIONS] == 0 && query[QUESTIONS + 1] == 1;
	size_t n = one ? end_of_question(query, len) : 0;

	memset(answer, 0, DNS_HEADER_LEN);
	memcpy(answer, query, FLAGS);
	answer[FLAGS] = (uint8_t)(IS_ANSWER | (query[FLAGS] & KEPT_FLAGS));
	answer[CODE] = SERVER_FAIL;
	if (n == 0)
		return DNS_HEADER_LEN;
	answer[QUESTIONS + 1] = 1;
	memcpy(answer + DNS_HEADER_LEN, query + DNS_HEADER_LEN, n - DNS_HEADER_LEN);
	return n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

size_t dns_loopback_servers(const char *resolv_conf, struct in_addr servers[DNS_SERVERS_MAX])
{
	static const char keyword[] = "nameserver";
	auto_free char *copy = xstrdup(resolv_conf);
	char *line, *rest = copy;
	size_t n = 0, seen = 0;

	while (seen < DNS_SERVERS_MAX && (line = strsep(&rest, "\n"))) {
		char *address = line + strlen(keyword);
		struct in_addr a;

		if (!str_starts(line, keyword) || !is_blank(*address))
			continue;
		while (is_blank(*address))
			address++;
		address[strcspn(address, " \t\r")] = '\0';
		seen++;
		if (inet_pton(AF_INET, address, &a) == 1 && ntohl(a.s_addr) >> 24 == 127)
			servers[n++] = a;
	}
	return n;
}
