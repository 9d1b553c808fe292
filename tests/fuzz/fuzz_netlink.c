/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of netlink. The first byte chooses what is asked; then come
 * datagrams: which of the questions they answer, two bytes of length, the
 * messages. nl_open() is replaced (--wrap), so that they come from a socket of
 * this target's.
 */
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "fuzz.h"
#include "guest/agent/network.h"

#define DATAGRAMS_MAX 16

int __wrap_nl_open(struct err *err);

static int answers = -1; /* what the next nl_open() gives away */

int __wrap_nl_open(struct err *err)
{
	(void)err;
	return take_fd(&answers);
}

/* What @first counts is kept by nl_send(): one for each question ever. */
static uint32_t first = 1;

static void number(uint8_t *data, size_t size, uint32_t sequence)
{
	while (size >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t step;

		memcpy(&h, data, sizeof(h));
		h.nlmsg_seq = sequence;
		memcpy(data, &h, sizeof(h));
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step < sizeof(h) || step > size)
			return;
		data += step;
		size -= step;
	}
}

static void send_all(int fd, const uint8_t *data, size_t size)
{
	for (int i = 0; i < DATAGRAMS_MAX && size >= 3; i++) {
		size_t len = (size_t)data[1] << 8 | data[2];
		uint8_t *copy;

		if (len > size - 3)
			len = size - 3;
		copy = malloc(len + 1);
		must(copy);
		memcpy(copy, data + 3, len);
		number(copy, len, first + data[0] % 4);
		if (len > 0)
			must(send(fd, copy, len, MSG_NOSIGNAL) == (ssize_t)len);
		free(copy);
		data += 3 + len;
		size -= 3 + len;
	}
}

/* How many questions were asked: they are in the way to us. */
static void count_questions(int fd)
{
	uint8_t buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		first++;
}

static void free_list(void *list, size_t n)
{
	ProtobufCMessage **messages = list;

	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(messages[i], NULL);
	free(list);
}

static void ask(uint8_t what)
{
	Types__Interface want = TYPES__INTERFACE__INIT;
	Types__Interface **interfaces = NULL;
	Types__Route route = TYPES__ROUTE__INIT, *one = &route, **routes = NULL;
	Types__IPAddress ip = TYPES__IPADDRESS__INIT, *ips = &ip;
	size_t n = 0;

	want.name = (char *)"eth0";
	want.hwaddr = (char *)"02:00:00:00:00:01";
	ip.address = (char *)"10.0.0.1";
	ip.mask = (char *)"8";
	want.ipaddresses = &ips;
	want.n_ipaddresses = 1;
	route.device = (char *)"eth0";
	route.gateway = (char *)"10.0.0.2";
	if (what % 3 == 0) {
		(void)net_list_interfaces(&interfaces, &n, NULL);
		free_list(interfaces, n);
	} else if (what % 3 == 1) {
		(void)net_list_routes(&routes, &n, NULL);
		free_list(routes, n);
	} else if (what & 0x80) {
		(void)net_update_routes(&one, 1, true, NULL);
	} else {
		(void)net_update_interface(&want, NULL, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (size == 0)
		return 0;
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	send_all(pair[1], data + 1, size - 1);
	must(shutdown(pair[1], SHUT_WR) == 0);
	answers = pair[0];
	ask(data[0]);
	close_fd(&answers);
	count_questions(pair[1]);
	close(pair[1]);
	return 0;
}
