/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs in a guest, and servers, send as messages of the DNS: a refusal is an answer to
 * its query and no larger than said; the same bytes as a resolv.conf name servers of the
 * loopback, or none.
 */
#include <string.h>

#include <arpa/inet.h>

#include "base/str.h"
#include "dns/message.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own size, so that what is read behind it is seen. */
	uint8_t *query = malloc(size ? size : 1), answer[DNS_REFUSAL_MAX];
	struct in_addr servers[DNS_SERVERS_MAX];
	struct str text = STR_INIT;
	size_t n;

	must(query);
	memcpy(query, data, size);
	if (dns_is_query(query, size)) {
		n = dns_refuse(query, size, answer);
		must(n >= DNS_HEADER_LEN && n <= sizeof(answer) && n <= size);
		must(dns_is_answer(answer, n, query) && !dns_is_query(answer, n));
	}
	free(query);
	str_add(&text, data, size);
	n = dns_loopback_servers(str_text(&text), servers);
	must(n <= DNS_SERVERS_MAX);
	for (size_t i = 0; i < n; i++)
		must(ntohl(servers[i].s_addr) >> 24 == 127);
	str_free(&text);
	return 0;
}
