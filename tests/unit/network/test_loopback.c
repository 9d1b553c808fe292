/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the loopback of a namespace of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/network/listeners.h"
#include "host/network/loopback.h"
#include "host/network/netns.h"
#include "host/network/sk_lookup.h"

#define LIMIT_MS 5000

struct fixture {
	struct loop *loop;
	int netns;
	struct net_loopback *l;
	int fd; /* what was handed over last; -1 */
	struct sockaddr_storage to;
};

static void on_connection(int fd, const struct sockaddr_storage *to, void *arg)
{
	struct fixture *f = arg;

	close_fd(&f->fd);
	f->fd = fd;
	f->to = *to;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->fd = -1;
	f->loop = loop_new();
	f->netns = netns_new(&err);
	if (f->netns >= 0)
		f->l = net_loopback_open(f->loop, f->netns, on_connection, f, &err);
	if (!f->l)
		print_message("# %s\n", err_msg(&err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	net_loopback_close(&f->l);
	close_fd(&f->fd);
	close_fd(&f->netns);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* A socket of the namespace. */
static int socket_there(struct fixture *f, int family)
{
	int home, fd;

	assert_int_equal(netns_enter(f->netns, &home, NULL), 0);
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	netns_leave(&home);
	assert_true(fd >= 0);
	return fd;
}

static socklen_t make_address(const char *text, uint16_t port, struct sockaddr_storage *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof(*v4);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof(*v6);
}

/* 0 or the errno that it came to. */
static int dial(struct fixture *f, const char *text, uint16_t port, int *fd)
{
	struct sockaddr_storage a;
	socklen_t len = make_address(text, port, &a), n = sizeof(int);
	int code = 0;

	*fd = socket_there(f, a.ss_family);
	if (connect(*fd, (struct sockaddr *)&a, len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	assert_int_equal(fd_poll(*fd, POLLOUT, LIMIT_MS) & POLLOUT, POLLOUT);
	assert_int_equal(getsockopt(*fd, SOL_SOCKET, SO_ERROR, &code, &n), 0);
	return code;
}

static int listen_there(struct fixture *f, const char *text, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = make_address(text, port, &a);
	int fd = socket_there(f, a.ss_family), one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void run_until_handed_over(struct fixture *f)
{
	int64_t limit = loop_now_ms() + LIMIT_MS;

	while (f->fd < 0 && loop_now_ms() < limit)
		assert_int_equal(loop_step(f->loop, 100), 0);
	assert_true(f->fd >= 0);
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 5; i++)
		assert_int_equal(loop_step(f->loop, 10), 0);
}

static void test_handed_over(void **state)
{
	static const struct {
		const char *to;
		uint16_t port;
	} cases[] = { { "127.0.0.1", 80 },
		      { "::1", 8080 },
		      { "127.1.2.3", 65535 },
		      { "::ffff:127.0.0.1", 1 } };
	struct fixture *f = *state;
	char buf[8];
	int fd;

	assert_non_null(f->l);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sockaddr_storage want;
		socklen_t len = make_address(cases[i].to + (i == 3 ? 7 : 0), cases[i].port, &want);

		assert_int_equal(dial(f, cases[i].to, cases[i].port, &fd), 0);
		run_until_handed_over(f);
		assert_int_equal(f->to.ss_family, want.ss_family);
		assert_memory_equal(&f->to, &want, len);
		assert_int_equal(write(fd, "hi", 2), 2);
		assert_int_equal(fd_poll(f->fd, POLLIN, LIMIT_MS), POLLIN);
		assert_int_equal(read(f->fd, buf, sizeof(buf)), 2);
		net_loopback_reset(take_fd(&f->fd));
		assert_true(fd_poll(fd, POLLIN, LIMIT_MS) > 0);
		assert_int_equal(read(fd, buf, sizeof(buf)), -1);
		assert_int_equal(errno, ECONNRESET);
		close(fd);
	}
	/* Then as it was. */
	net_loopback_close(&f->l);
	assert_int_equal(dial(f, "127.0.0.1", 80, &fd), ECONNREFUSED);
	close(fd);
}

static void test_others_keep_their_ports(void **state)
{
	struct fixture *f = *state;
	int before, later, fd, there;
	struct err err = ERR_INIT;
	char buf[8];

	assert_non_null(f->l);
	net_loopback_close(&f->l);
	before = listen_there(f, "127.0.0.11", 53);
	f->l = net_loopback_open(f->loop, f->netns, on_connection, f, &err);
	assert_non_null(f->l);
	assert_int_equal(dial(f, "127.0.0.11", 53, &fd), 0);
	settle(f); /* where it is carried */
	there = accept(before, NULL, NULL);
	assert_true(there >= 0);
	close(there);
	close(fd);

	/* Who begins later is found by who connects to him, and reached. */
	later = listen_there(f, "::", 5000);
	assert_int_equal(dial(f, "127.0.0.1", 5000, &fd), 0);
	settle(f);
	assert_int_equal(f->fd, -1);
	there = accept4(later, NULL, NULL, SOCK_CLOEXEC);
	assert_true(there >= 0);
	assert_int_equal(write(fd, "ask", 3), 3);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	settle(f);
	assert_int_equal(read(there, buf, sizeof(buf)), 3);
	settle(f);
	assert_int_equal(read(there, buf, sizeof(buf)), 0);
	assert_int_equal(write(there, "told", 4), 4);
	close(there);
	settle(f);
	assert_int_equal(read(fd, buf, sizeof(buf)), 4);
	assert_int_equal(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	/* From then on without us. */
	assert_int_equal(dial(f, "::1", 5000, &fd), 0);
	there = accept4(later, NULL, NULL, SOCK_CLOEXEC);
	assert_true(there >= 0);
	close(there);
	close(fd);

	/* When he goes his port is the guest's; any connection shows it. */
	close(later);
	assert_int_equal(dial(f, "127.0.0.1", 80, &fd), 0);
	run_until_handed_over(f);
	close_fd(&f->fd);
	close(fd);
	assert_int_equal(dial(f, "127.0.0.1", 5000, &fd), 0);
	run_until_handed_over(f);
	close(fd);
	close(before);
}

static void test_not_the_hosts(void **state)
{
	struct err err = ERR_INIT;
	auto_close int ours = netns_open("/proc/self/ns/net", &err);
	auto_close int first = netns_open("/proc/1/ns/net", &err);
	struct fixture *f = *state;

	assert_null(net_loopback_open(f->loop, ours, on_connection, f, &err));
	assert_int_equal(err.code, -EBUSY);
	err = (struct err)ERR_INIT;
	if (first >= 0)
		assert_null(net_loopback_open(f->loop, first, on_connection, f, &err));
}

/* Several sandboxes share one, and addresses of others are left alone. */
static void test_leaves_the_rest(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct net_loopback *second;
	int fd;

	assert_non_null(f->l);
	second = net_loopback_open(f->loop, f->netns, on_connection, f, &err);
	assert_non_null(second);
	assert_int_equal(dial(f, "127.0.0.1", 80, &fd), 0);
	run_until_handed_over(f);
	close(fd);
	net_loopback_close(&second);
	close_fd(&f->fd);
	assert_int_equal(dial(f, "127.0.0.1", 80, &fd), 0);
	run_until_handed_over(f);
	close(fd);
	assert_int_not_equal(dial(f, "10.0.0.1", 80, &fd), 0);
	close(fd);
}

static void take(struct listeners *l, int family, const char *address, uint16_t port, int state,
		 ino_t inode)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_msg d;
	} m = { .h = { .nlmsg_len = sizeof(m), .nlmsg_type = SOCK_DIAG_BY_FAMILY } };

	m.d.idiag_family = (uint8_t)family;
	m.d.idiag_state = (uint8_t)state;
	m.d.idiag_inode = (uint32_t)inode;
	m.d.id.idiag_sport = htons(port);
	assert_int_equal(inet_pton(family, address, m.d.id.idiag_src), 1);
	listeners_take(&m.h, l);
}

static void test_who_listens(void **state)
{
	static struct listeners l = { .except = { 77 } };

	(void)state;
	take(&l, AF_INET, "0.0.0.0", 1, TCP_LISTEN, 1);
	take(&l, AF_INET, "127.9.9.9", 2, TCP_LISTEN, 1);
	take(&l, AF_INET, "10.0.0.1", 3, TCP_LISTEN, 1);
	take(&l, AF_INET6, "::", 4, TCP_LISTEN, 1);
	take(&l, AF_INET6, "::1", 5, TCP_LISTEN, 1);
	take(&l, AF_INET6, "fd00::1", 6, TCP_LISTEN, 1);
	take(&l, AF_INET6, "::ffff:127.0.0.1", 7, TCP_LISTEN, 1);
	take(&l, AF_INET6, "::ffff:10.0.0.1", 8, TCP_LISTEN, 1);
	take(&l, AF_INET, "0.0.0.0", 9, TCP_ESTABLISHED, 1);
	take(&l, AF_INET, "127.0.0.1", 10, TCP_LISTEN, 77);
	take(&l, AF_INET, "0.0.0.0", 1, TCP_LISTEN, 1);
	assert_int_equal(l.n, 5);
	for (uint16_t port = 1; port <= 10; port++)
		assert_int_equal(listeners_have(&l, port),
				 port == 1 || port == 2 || port == 4 || port == 5 || port == 7);
	for (unsigned port = 100; port < 100 + 2 * LISTENERS_MAX; port++)
		take(&l, AF_INET, "0.0.0.0", (uint16_t)port, TCP_LISTEN, 1);
	assert_int_equal(l.n, LISTENERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_handed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_keep_their_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_the_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leaves_the_rest, setup, teardown),
		cmocka_unit_test(test_who_listens),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
