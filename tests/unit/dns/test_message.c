/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the DNS and resolv.conf, from others. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "dns/message.h"

/* "web.", A, IN */
static const uint8_t query[] = { 0xab, 0xcd, 1,	  0,   0,   1, 0, 0, 0, 0, 0,
				 0,    3,    'w', 'e', 'b', 0, 0, 1, 0, 1 };

static void tells_queries_from_answers(void **state)
{
	uint8_t m[sizeof(query)];

	(void)state;
	memcpy(m, query, sizeof(m));
	assert_true(dns_is_query(m, sizeof(m)));
	assert_true(dns_is_query(m, DNS_HEADER_LEN));
	assert_false(dns_is_query(m, DNS_HEADER_LEN - 1));
	assert_false(dns_is_query(m, DNS_MESSAGE_MAX + 1));
	assert_false(dns_is_answer(m, sizeof(m), query));
	m[2] |= 0x80;
	assert_false(dns_is_query(m, sizeof(m)));
	assert_true(dns_is_answer(m, sizeof(m), query));
	assert_false(dns_is_answer(m, DNS_HEADER_LEN - 1, query));
	m[1] ^= 1;
	assert_false(dns_is_answer(m, sizeof(m), query));
}

static void refuses_with_the_question(void **state)
{
	uint8_t m[sizeof(query) + 8] = { 0 }, answer[DNS_REFUSAL_MAX];
	uint8_t expected[sizeof(query)];

	(void)state;
	memcpy(expected, query, sizeof(query));
	expected[2] = 0x81;
	expected[3] = 2;
	/* What is behind it (an OPT, say) is not repeated. */
	memcpy(m, query, sizeof(query));
	m[11] = 1;
	assert_int_equal(dns_refuse(m, sizeof(m), answer), sizeof(query));
	assert_memory_equal(answer, expected, sizeof(expected));
}

static void refuses_what_it_does_not_understand(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		size_t len;
	} cases[] = {
		{ 0, 0xab, sizeof(query) - 1 }, /* cut off */
		{ 0, 0xab, DNS_HEADER_LEN },	/* no question */
		{ 5, 2, sizeof(query) },	/* two of them */
		{ 4, 1, sizeof(query) },	/* 257 */
		{ 12, 0xc0, sizeof(query) },	/* a reference */
		{ 12, 63, sizeof(query) },	/* a label that goes beyond the end */
		{ 16, 200, sizeof(query) },	/* a label too long */
	};
	uint8_t answer[DNS_REFUSAL_MAX], m[sizeof(query)], big[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		memcpy(m, query, sizeof(m));
		m[cases[i].at] = cases[i].value;
		assert_int_equal(dns_refuse(m, cases[i].len, answer), DNS_HEADER_LEN);
		assert_int_equal(answer[0], 0xab);
		assert_int_equal(answer[2], 0x81);
		assert_int_equal(answer[5], 0);
	}
	/* A name longer than names are. */
	memcpy(big, query, DNS_HEADER_LEN);
	memset(big + DNS_HEADER_LEN, 0, sizeof(big) - DNS_HEADER_LEN);
	for (size_t at = DNS_HEADER_LEN; at < 300; at += 10)
		big[at] = 9;
	assert_int_equal(dns_refuse(big, sizeof(big), answer), DNS_HEADER_LEN);
}

static void finds_loopback_servers(void **state)
{
	static const struct {
		const char *text;
		const char *servers; /* in this order */
	} cases[] = {
		{ "", "" },
		{ "nameserver 127.0.0.11\noptions ndots:0\n", "127.0.0.11" },
		{ "nameserver\t127.0.0.11", "127.0.0.11" },
		{ "nameserver  127.0.0.11 \r\n", "127.0.0.11" },
		{ "search a\nnameserver 10.0.0.1\nnameserver 127.0.0.53\n", "127.0.0.53" },
		{ "nameserver 127.0.0.1\nnameserver 127.1.2.3\n", "127.0.0.1 127.1.2.3" },
		/* The fourth is nobody's. */
		{ "nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver x\nnameserver 127.0.0.1\n",
		  "" },
		{ "#nameserver 127.0.0.11\n; nameserver 127.0.0.11\n", "" },
		{ " nameserver 127.0.0.11\n", "" },
		{ "nameservers 127.0.0.11\nnameserver127.0.0.11\nnameserver\n", "" },
		{ "nameserver 127.0.0.11x\nnameserver ::1\nnameserver 128.0.0.1\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct in_addr found[DNS_SERVERS_MAX];
		size_t n = dns_loopback_servers(cases[i].text, found);
		char text[64] = "";

		for (size_t k = 0; k < n; k++) {
			if (k > 0)
				strncat(text, " ", sizeof(text) - strlen(text) - 1);
			strncat(text, inet_ntoa(found[k]), sizeof(text) - strlen(text) - 1);
		}
		assert_string_equal(text, cases[i].servers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_queries_from_answers),
		cmocka_unit_test(refuses_with_the_question),
		cmocka_unit_test(refuses_what_it_does_not_understand),
		cmocka_unit_test(finds_loopback_servers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
