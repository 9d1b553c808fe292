/* SPDX-License-Identifier: Apache-2.0 */
/* Where questions of names of the host's side of a namespace go. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/network/names.h"
#include "host/network/netns.h"
#include "host/network/scan.h"

static const uint8_t query[DNS_HEADER_LEN] = { 7, 8, 1 };
static const uint8_t reply[DNS_HEADER_LEN] = { 7, 8, 0x81 };

static char noted[64];
static size_t questions;
static struct dns_front *front;

static int note(void *arg, const char *entry, struct err *err)
{
	(void)arg;
	(void)err;
	assert_true(strlen(entry) < sizeof(noted));
	memcpy(noted, entry, strlen(entry) + 1);
	return 0;
}

static void forget(void *arg, const char *entry)
{
	(void)arg;
	assert_string_equal(entry, noted);
	noted[0] = '\0';
}

static void on_query(const struct dns_query *q, void *arg)
{
	(void)arg;
	assert_string_equal(inet_ntoa(q->server), "8.8.4.4");
	questions++;
	dns_front_answer(front, q->id, reply, sizeof(reply));
}

/* 0, or the errno with which there is no way. */
static int connect_from(int netns, int type, uint16_t port, int *fd)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = inet_addr("8.8.4.4") };
	int home, r;

	assert_int_equal(netns_enter(netns, &home, NULL), 0);
	*fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	netns_leave(&home);
	r = connect(*fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
	if (r)
		close_fd(fd);
	return r;
}

static void come_to_us_and_to_nobody_else(void **state)
{
	const struct net_journal journal = { note, forget, NULL };
	auto_net_view struct net_view view = { .links = NULL };
	struct loop *loop = loop_new();
	struct err err = ERR_INIT;
	auto_close int netns = netns_new(&err);
	auto_close int fd = -1;
	struct dns_sockets s;
	uint8_t buf[64];

	(void)state;
	assert_true(netns >= 0);
	assert_int_equal(net_names_open(netns, &journal, &s, &err), 0);
	assert_string_equal(noted, "names lo");
	front = dns_front_open(loop, &s, on_query, NULL, &err);
	assert_non_null(front);
	for (int i = 0; i < 2; i++) {
		const uint8_t head[2] = { 0, sizeof(query) };
		ssize_t n = -1;

		assert_int_equal(connect_from(netns, i ? SOCK_STREAM : SOCK_DGRAM, DNS_PORT, &fd),
				 0);
		if (i)
			assert_int_equal(send(fd, head, 2, 0), 2);
		assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
		for (int k = 0; n < 0 && k < 250; k++) {
			loop_step(loop, 20);
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		}
		assert_int_equal(n, sizeof(reply) + (i ? 2 : 0));
		close_fd(&fd);
	}
	assert_int_equal(questions, 2);
	/* Other ports go where they went: nowhere, here. */
	assert_int_equal(connect_from(netns, SOCK_DGRAM, 54, &fd), ENETUNREACH);
	/* And the guest hears nothing of it. */
	assert_int_equal(net_scan(netns, &view, &err), 0);
	assert_int_equal(view.foreign_rules, 0);
	assert_int_equal(view.n_routes, 0);

	dns_front_close(&front);
	assert_int_equal(net_undo(netns, noted, &err), 0);
	assert_int_equal(connect_from(netns, SOCK_DGRAM, DNS_PORT, &fd), ENETUNREACH);
	/* A second time there is nothing to undo. */
	assert_int_equal(net_undo(netns, noted, &err), 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(come_to_us_and_to_nobody_else),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
