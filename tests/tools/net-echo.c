/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the tests of networks; static, for in a container it is alone with busybox.
 *
 *	net-echo serve PORT			TCP and UDP, IPv4 and IPv6: sends back what it gets
 *	net-echo ask HOST PORT tcp|udp N SIZE	N connections or datagrams with SIZE bytes each, and
 *						compares what comes back
 *	net-echo hold HOST PORT N		N connections at once; on each a byte goes and comes
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MS 30000
#define LOST_MS	  2000 /* then a datagram is sent again */
#define TRIES	  15
#define SIZE_MAX_ (4u << 20)

static char sent[SIZE_MAX_], got[SIZE_MAX_];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(int type, unsigned port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, type, 0), off = 0, on = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die("bind");
	if (type == SOCK_STREAM && listen(fd, 1024) < 0)
		die("listen");
	return fd;
}

static void serve_stream(int fd)
{
	ssize_t n;

	while ((n = read(fd, got, sizeof(got))) > 0)
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(fd, got + done, (size_t)(n - done));
			if (w < 0)
				_exit(1);
		}
	_exit(0);
}

static void serve_datagram(int fd)
{
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&from, &len);

	if (n >= 0)
		(void)sendto(fd, got, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static _Noreturn void serve(unsigned port)
{
	/* In this order: whom a connection reaches takes datagrams, too. */
	int datagrams = listen_on(SOCK_DGRAM, port), streams = listen_on(SOCK_STREAM, port);
	struct pollfd p[] = { { .fd = streams, .events = POLLIN },
			      { .fd = datagrams, .events = POLLIN } };

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents) {
			int fd = accept(p[0].fd, NULL, NULL);

			if (fd >= 0 && fork() == 0)
				serve_stream(fd);
			close(fd);
		}
		if (p[1].revents)
			serve_datagram(p[1].fd);
	}
}

static int reach(const char *host, unsigned port, int type)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval limit = { .tv_sec = ANSWER_MS / 1000 };
	int v6 = inet_pton(AF_INET6, host, &six.sin6_addr) == 1;
	int fd = socket(v6 ? AF_INET6 : AF_INET, type, 0);

	if (!v6 && inet_pton(AF_INET, host, &four.sin_addr) != 1)
		die(host);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, v6 ? (void *)&six : (void *)&four, v6 ? sizeof(six) : sizeof(four)) < 0)
		die("connect");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void ask_stream(int fd, size_t size)
{
	size_t out = 0, in = 0;

	while (in < size) {
		struct pollfd p = { .fd = fd,
				    .events = (short)(POLLIN | (out < size ? POLLOUT : 0)) };
		ssize_t n;

		if (poll(&p, 1, ANSWER_MS) <= 0) {
			fprintf(stderr, "silence after %zu of %zu bytes\n", in, size);
			exit(1);
		}
		if (out < size && (n = write(fd, sent + out, size - out)) > 0)
			out += (size_t)n;
		n = read(fd, got + in, size - in);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			die("read");
		in += n > 0 ? (size_t)n : 0;
	}
}

static void ask_datagram(int fd, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < TRIES; i++) {
		if (send(fd, sent, size, 0) != (ssize_t)size)
			die("send");
		if (poll(&p, 1, LOST_MS) > 0 && recv(fd, got, sizeof(got), 0) == (ssize_t)size)
			return;
	}
	fprintf(stderr, "no answer to a datagram\n");
	exit(1);
}

static int ask(const char *host, unsigned port, int type, int n, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sent[i] = (char)(i * 7 + i / 251);
	for (int i = 0; i < n; i++) {
		int fd = reach(host, port, type);

		sent[0] = (char)i;
		memset(got, 0, size);
		if (type == SOCK_STREAM)
			ask_stream(fd, size);
		else
			ask_datagram(fd, size);
		if (memcmp(sent, got, size) != 0) {
			fprintf(stderr, "what came back is not what was sent\n");
			return 1;
		}
		close(fd);
	}
	return 0;
}

static int hold(const char *host, unsigned port, int n)
{
	int *fds = calloc((size_t)n, sizeof(int));

	for (int i = 0; i < n; i++)
		fds[i] = reach(host, port, SOCK_STREAM);
	for (int i = 0; i < n; i++) {
		sent[0] = (char)i;
		if (write(fds[i], sent, 1) != 1)
			die("write");
	}
	for (int i = 0; i < n; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };

		if (poll(&p, 1, ANSWER_MS) <= 0 || read(fds[i], got, 2) != 1 || got[0] != (char)i) {
			fprintf(stderr, "of %d connections the %dth does not answer\n", n, i + 1);
			return 1;
		}
	}
	free(fds);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((unsigned)atoi(argv[2]));
	if (argc == 7 && !strcmp(argv[1], "ask") && strtoul(argv[6], NULL, 10) <= SIZE_MAX_)
		return ask(argv[2], (unsigned)atoi(argv[3]),
			   !strcmp(argv[4], "tcp") ? SOCK_STREAM : SOCK_DGRAM, atoi(argv[5]),
			   strtoul(argv[6], NULL, 10));
	if (argc == 5 && !strcmp(argv[1], "hold") && atoi(argv[4]) > 0)
		return hold(argv[2], (unsigned)atoi(argv[3]), atoi(argv[4]));
	fprintf(stderr,
		"usage: net-echo serve PORT | ask HOST PORT tcp|udp N SIZE | hold HOST PORT N\n");
	return 2;
}
