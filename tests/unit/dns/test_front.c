/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that are taken for a server which is not there, in a network of the test's own. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "dns/front.h"
#include "tests/unit/dns/own_network.h"

#define LIMIT_MS 5000
#define SERVER	 "127.0.0.11"

static const uint8_t query[DNS_HEADER_LEN + 2] = { 7, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9 };
static const uint8_t reply[DNS_HEADER_LEN + 3] = { 7, 8, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3 };

static struct {
	struct loop *loop;
	struct dns_front *front;
	size_t n; /* questions */
	uint64_t id;
	bool tcp, at_once, captured;
} f;

static void on_query(const struct dns_query *q, void *arg)
{
	assert_ptr_equal(arg, &f);
	f.n++;
	f.id = q->id;
	f.tcp = q->tcp;
	assert_string_equal(inet_ntoa(q->server), SERVER);
	assert_int_equal(q->len, sizeof(query));
	assert_memory_equal(q->data, query, sizeof(query));
	if (f.at_once)
		dns_front_answer(f.front, q->id, reply, sizeof(reply));
}

static int setup(void **state)
{
	struct in_addr server = { .s_addr = inet_addr(SERVER) };
	struct err err = ERR_INIT;
	struct dns_sockets s;

	(void)state;
	memset(&f, 0, sizeof(f));
	f.loop = loop_new();
	if (dns_sockets_open(&s, &server, 1, &err) < 0)
		return -1;
	f.captured = s.capture >= 0;
	f.front = dns_front_open(f.loop, &s, on_query, &f, &err);
	return f.captured && f.front ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dns_front_close(&f.front);
	loop_free(f.loop);
	return 0;
}

static int client(int type)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(DNS_PORT),
				  .sin_addr.s_addr = inet_addr(SERVER) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Run the loop until @fd has something, or has ended. */
static ssize_t receive(int fd, uint8_t *buf, size_t size)
{
	int64_t end = loop_now_ms() + LIMIT_MS;
	ssize_t n = -1;

	while (n < 0 && loop_now_ms() < end) {
		loop_step(f.loop, 20);
		n = recv(fd, buf, size, MSG_DONTWAIT);
	}
	return n;
}

static void wait_for_questions(size_t n)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (f.n < n && loop_now_ms() < end)
		loop_step(f.loop, 20);
	assert_int_equal(f.n, n);
}

static void assert_refused(const uint8_t *buf, ssize_t len)
{
	assert_int_equal(len, DNS_HEADER_LEN);
	assert_memory_equal(buf, query, 2);
	assert_int_equal(buf[2], 0x81);
	assert_int_equal(buf[3], 2);
}

static void by_datagrams(void **state)
{
	auto_close int fd = client(SOCK_DGRAM);
	uint8_t buf[64], wrong[sizeof(reply)];

	(void)state;
	/* What is none is not even passed on. */
	assert_int_equal(send(fd, reply, sizeof(reply), 0), sizeof(reply));
	assert_int_equal(send(fd, query, 3, 0), 3);
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	wait_for_questions(1);
	assert_false(f.tcp);
	dns_front_answer(f.front, f.id + 1, reply, sizeof(reply));
	dns_front_answer(f.front, f.id, reply, sizeof(reply));
	assert_int_equal(receive(fd, buf, sizeof(buf)), sizeof(reply));
	assert_memory_equal(buf, reply, sizeof(reply));
	/* A second answer is nobody's. */
	dns_front_answer(f.front, f.id, reply, sizeof(reply));

	memcpy(wrong, reply, sizeof(wrong));
	wrong[1]++;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
		wait_for_questions(2 + i);
		dns_front_answer(f.front, f.id, i == 0 ? wrong : NULL, i == 0 ? sizeof(wrong) : 0);
		assert_refused(buf, receive(fd, buf, sizeof(buf)));
	}
}

static void the_port_stays_free(void **state)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
	auto_close int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	auto_close int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int fd = -1;
	uint8_t buf[64];

	(void)state;
	assert_int_equal(bind(udp, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(bind(tcp, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(tcp, 1), 0);
	fd = client(SOCK_DGRAM);
	f.at_once = true;
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	assert_int_equal(receive(fd, buf, sizeof(buf)), sizeof(reply));
	assert_int_equal(recv(udp, buf, sizeof(buf), MSG_DONTWAIT), -1);
}

static void ask_by_stream(int fd, size_t piece)
{
	uint8_t out[2 + sizeof(query)] = { 0, sizeof(query) };

	memcpy(out + 2, query, sizeof(query));
	for (size_t at = 0; at < sizeof(out); at += piece) {
		size_t n = sizeof(out) - at < piece ? sizeof(out) - at : piece;

		assert_int_equal(send(fd, out + at, n, MSG_NOSIGNAL), n);
		loop_step(f.loop, 5);
	}
}

static void by_streams(void **state)
{
	auto_close int fd = client(SOCK_STREAM);
	uint8_t buf[64];

	(void)state;
	/* One after the other, in pieces and at once; answered later and at once. */
	for (size_t i = 0; i < 4; i++) {
		f.at_once = i >= 2;
		ask_by_stream(fd, i % 2 ? 64 : 1);
		wait_for_questions(i + 1);
		assert_true(f.tcp);
		if (!f.at_once)
			dns_front_answer(f.front, f.id, reply, sizeof(reply));
		assert_int_equal(receive(fd, buf, sizeof(buf)), sizeof(reply) + 2);
		assert_int_equal(buf[0] << 8 | buf[1], sizeof(reply));
		assert_memory_equal(buf + 2, reply, sizeof(reply));
	}
	/* Two at once: the second waits for the first. */
	f.at_once = false;
	ask_by_stream(fd, 64);
	ask_by_stream(fd, 64);
	wait_for_questions(5);
	dns_front_answer(f.front, f.id, NULL, 0);
	assert_int_equal(receive(fd, buf, sizeof(buf)), DNS_HEADER_LEN + 2);
	assert_refused(buf + 2, DNS_HEADER_LEN);
	wait_for_questions(6);
	/* It has gone when the answer comes. */
	close_fd(&fd);
	loop_step(f.loop, 20);
	dns_front_answer(f.front, f.id, reply, sizeof(reply));
	for (int i = 0; i < 3; i++)
		loop_step(f.loop, 20);
}

static void hangs_up_on_nonsense(void **state)
{
	static const uint8_t bad[][16] = {
		{ 0, 0 },
		{ 0, DNS_HEADER_LEN - 1 },
		{ 0, DNS_HEADER_LEN, 7, 8, 0x81 }, /* an answer */
	};
	uint8_t buf[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_close int fd = client(SOCK_STREAM);

		assert_int_equal(send(fd, bad[i], sizeof(bad[i]), 0), sizeof(bad[i]));
		assert_true(receive(fd, buf, sizeof(buf)) <= 0);
	}
	assert_int_equal(f.n, 0);
}

static void has_limits(void **state)
{
	int fds[DNS_FRONT_CLIENTS_MAX + 1];
	auto_close int udp = client(SOCK_DGRAM);
	uint8_t buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client(SOCK_STREAM);
		loop_step(f.loop, 20);
	}
	/* The last one is closed; the others are not. */
	assert_int_equal(receive(fds[DNS_FRONT_CLIENTS_MAX], buf, sizeof(buf)), 0);
	assert_int_equal(recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT), -1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	for (size_t i = 0; i < DNS_FRONT_QUERIES_MAX; i++) {
		assert_int_equal(send(udp, query, sizeof(query), 0), sizeof(query));
		wait_for_questions(i + 1);
	}
	assert_int_equal(send(udp, query, sizeof(query), 0), sizeof(query));
	assert_refused(buf, receive(udp, buf, sizeof(buf)));
	assert_int_equal(f.n, DNS_FRONT_QUERIES_MAX);
	/* There is room again. */
	dns_front_answer(f.front, f.id, reply, sizeof(reply));
	assert_int_equal(receive(udp, buf, sizeof(buf)), sizeof(reply));
	assert_int_equal(send(udp, query, sizeof(query), 0), sizeof(query));
	wait_for_questions(DNS_FRONT_QUERIES_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_datagrams, setup, teardown),
		cmocka_unit_test_setup_teardown(the_port_stays_free, setup, teardown),
		cmocka_unit_test_setup_teardown(by_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(hangs_up_on_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(has_limits, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, own_network, NULL);
}
