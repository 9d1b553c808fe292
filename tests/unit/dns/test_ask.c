/* SPDX-License-Identifier: Apache-2.0 */
/* One question, to servers that behave in all ways. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "dns/ask.h"

#define LIMIT_MS 5000

static const uint8_t query[DNS_HEADER_LEN] = { 7, 8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t reply[DNS_HEADER_LEN + 2] = { 7, 8, 0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2 };

struct fixture {
	struct loop *loop;
	int server; /* its socket; of TCP it listens */
	struct sockaddr_in at;
	bool told;
	size_t len; /* of the answer; 0: none */
	uint8_t data[64];
};

static void on_answer(const uint8_t *data, size_t len, void *arg)
{
	struct fixture *f = arg;

	assert_false(f->told);
	f->told = true;
	f->len = data ? len : 0;
	assert_true(len <= sizeof(f->data));
	if (data)
		memcpy(f->data, data, len);
}

static void begin(struct fixture *f, bool tcp)
{
	socklen_t len = sizeof(f->at);

	*f = (struct fixture){
		.loop = loop_new(),
		.server = socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0),
		.at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
	};
	assert_int_equal(bind(f->server, (struct sockaddr *)&f->at, sizeof(f->at)), 0);
	assert_int_equal(getsockname(f->server, (struct sockaddr *)&f->at, &len), 0);
	if (tcp)
		assert_int_equal(listen(f->server, 1), 0);
}

static struct dns_ask *ask(struct fixture *f, bool tcp, int64_t ms)
{
	int fd = dns_ask_socket(tcp);

	assert_true(fd >= 0);
	return dns_ask(f->loop, fd, tcp, &f->at, query, sizeof(query), ms, on_answer, f);
}

static void wait_until_told(struct fixture *f)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (!f->told && loop_now_ms() < end)
		loop_step(f->loop, 50);
	assert_true(f->told);
}

static void end(struct fixture *f)
{
	close_fd(&f->server);
	loop_free(f->loop);
}

static void takes_its_answer_among_others(void **state)
{
	uint8_t buf[64], stranger[DNS_HEADER_LEN];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct fixture f;

	(void)state;
	begin(&f, false);
	ask(&f, false, LIMIT_MS);
	loop_step(f.loop, 100);
	assert_int_equal(recvfrom(f.server, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len),
			 sizeof(query));
	assert_memory_equal(buf, query, sizeof(query));
	memcpy(stranger, reply, sizeof(stranger));
	stranger[0]++;
	sendto(f.server, stranger, sizeof(stranger), 0, (struct sockaddr *)&from, len);
	sendto(f.server, reply, sizeof(reply), 0, (struct sockaddr *)&from, len);
	wait_until_told(&f);
	assert_int_equal(f.len, sizeof(reply));
	assert_memory_equal(f.data, reply, sizeof(reply));
	end(&f);
}

static void nobody_answers(void **state)
{
	struct dns_ask *a;
	struct fixture f;

	(void)state;
	/* It says nothing. */
	begin(&f, false);
	ask(&f, false, 20);
	wait_until_told(&f);
	assert_int_equal(f.len, 0);
	/* It is not there. */
	close_fd(&f.server);
	f.told = false;
	ask(&f, false, LIMIT_MS * 2);
	wait_until_told(&f);
	assert_int_equal(f.len, 0);
	f.told = false;
	ask(&f, true, LIMIT_MS * 2);
	wait_until_told(&f);
	assert_int_equal(f.len, 0);
	/* It cannot be sent to. */
	f.told = false;
	f.at.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	ask(&f, false, LIMIT_MS * 2);
	assert_false(f.told);
	wait_until_told(&f);
	assert_int_equal(f.len, 0);
	/* Nobody wants to know. */
	f.told = false;
	f.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a = ask(&f, false, 1);
	dns_ask_cancel(&a);
	assert_null(a);
	loop_step(f.loop, 20);
	assert_false(f.told);
	end(&f);
}

static void by_a_stream(void **state)
{
	static const struct {
		uint8_t head[2];
		size_t size; /* of the reply */
		size_t taken;
	} cases[] = {
		{ { 0, sizeof(reply) }, sizeof(reply), sizeof(reply) },
		{ { 0, sizeof(reply) }, sizeof(reply) - 1, 0 }, /* it hangs up before the end */
		{ { 0, 0 }, 0, 0 },
		{ { 0, 5 }, 5, 0 },
		{ { 0xff, 0xff }, sizeof(reply), 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[64];
		struct fixture f;
		int fd;

		begin(&f, true);
		ask(&f, true, LIMIT_MS);
		fd = accept(f.server, NULL, NULL);
		assert_true(fd >= 0);
		loop_step(f.loop, 100);
		assert_int_equal(recv(fd, buf, sizeof(buf), 0), sizeof(query) + 2);
		assert_int_equal(buf[0] << 8 | buf[1], sizeof(query));
		assert_memory_equal(buf + 2, query, sizeof(query));
		/* In pieces. */
		assert_int_equal(send(fd, cases[i].head, 1, MSG_NOSIGNAL), 1);
		loop_step(f.loop, 10);
		assert_int_equal(send(fd, cases[i].head + 1, 1, MSG_NOSIGNAL), 1);
		loop_step(f.loop, 10);
		for (size_t k = 0; k < cases[i].size; k++) {
			(void)send(fd, reply + k, 1, MSG_NOSIGNAL);
			loop_step(f.loop, 0);
		}
		close(fd);
		wait_until_told(&f);
		assert_int_equal(f.len, cases[i].taken);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_its_answer_among_others),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(by_a_stream),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
