/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of bench/network; static, for in a container it is alone with busybox.
 *
 *	network-ends serve PORT
 *	network-ends in HOST PORT MS		bytes each second that the server gets
 *	network-ends out HOST PORT MS		bytes each second that it sends
 *	network-ends latency HOST PORT N	median of N requests of a byte, in ns
 *
 * A conversation begins with a byte that says what it is to be: 'e', what comes goes back;
 * 's', what comes is counted, and at its end so many have come; 'g', whatever fits is sent.
 * All is timed by the asking end: a guest's clock may be odd.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PART	  (128 << 10)
#define ANSWER_S  20
#define SAMPLES	  100000
#define PORT_MAX_ 65535

static char part[PART];

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- the server ----------------------------------------------------------------------- */

static void count(int fd)
{
	uint64_t sum = 0;
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		sum += (uint64_t)n;
	(void)!write(fd, &sum, sizeof(sum));
}

static void give(int fd)
{
	while (write(fd, part, sizeof(part)) > 0)
		;
}

static void echo(int fd)
{
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		if (write(fd, part, (size_t)n) != n)
			return;
}

static void converse(int fd)
{
	char what = 0;

	no_delay(fd);
	if (read(fd, &what, 1) != 1)
		return;
	if (what == 's')
		count(fd);
	else if (what == 'g')
		give(fd);
	else
		echo(fd);
}

static _Noreturn void serve(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(s, 64) < 0)
		err(1, "port %u", port);
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd < 0)
			continue;
		if (fork() == 0) {
			converse(fd);
			_exit(0);
		}
		close(fd);
	}
}

/* ---- who asks ---------------------------------------------------------------------------- */

static int reach(const char *host, uint16_t port, char what)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = ANSWER_S };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		errx(2, "%s: no address", host);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "%s", host);
	no_delay(fd);
	if (write(fd, &what, 1) != 1)
		err(1, "%s", host);
	return fd;
}

static uint64_t stream_in(int fd, int64_t end)
{
	uint64_t sum = 0;

	while (now() < end)
		if (write(fd, part, sizeof(part)) < 0)
			err(1, "write");
	shutdown(fd, SHUT_WR);
	if (read(fd, &sum, sizeof(sum)) != sizeof(sum))
		err(1, "no count has come");
	return sum;
}

static uint64_t stream_out(int fd, int64_t end)
{
	uint64_t sum = 0;
	ssize_t n = 0;

	while (now() < end && (n = read(fd, part, sizeof(part))) > 0)
		sum += (uint64_t)n;
	if (n <= 0)
		err(1, "read");
	return sum;
}

static int smaller(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t latency(int fd, int n)
{
	static int64_t took[SAMPLES];
	char byte = 'x';

	for (int i = 0; i < n; i++) {
		int64_t from = now();

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			err(1, "no answer");
		took[i] = now() - from;
	}
	qsort(took, (size_t)n, sizeof(*took), smaller);
	return took[n / 2];
}

static int ask(const char *what, const char *host, uint16_t port, int n)
{
	bool in = !strcmp(what, "in");
	int fd = reach(host, port, !strcmp(what, "latency") ? 'e' : in ? 's' : 'g');
	int64_t from = now(), end = from + n * 1000000ll;
	uint64_t sum;

	if (!strcmp(what, "latency")) {
		printf("%lld\n", (long long)latency(fd, n < SAMPLES ? n : SAMPLES));
		return 0;
	}
	sum = in ? stream_in(fd, end) : stream_out(fd, end);
	printf("%.0f\n", (double)sum * 1e9 / (double)(now() - from));
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long port = argc > 2 ? strtoul(argv[argc == 3 ? 2 : 3], NULL, 10) : 0;

	signal(SIGPIPE, SIG_IGN);
	if (port == 0 || port > PORT_MAX_)
		argc = 0;
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((uint16_t)port);
	if (argc == 5 && atoi(argv[4]) > 0)
		return ask(argv[1], argv[2], (uint16_t)port, atoi(argv[4]));
	errx(2, "usage: network-ends serve PORT | in|out HOST PORT MS | latency HOST PORT N");
}
