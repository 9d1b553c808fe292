/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of tests/lab/vmm-vsock.bats: vsock-host SOCKET WHAT [NUMBER...], with the
 * guest's end in vsock-guest.c. Silent and 0 when all went as it should.
 *
 *	wait SECONDS	until the guest's echo answers
 *	sink LEN	the guest gets a pattern whole
 *	deposit LEN	the same without an end of the stream before the answer
 *	source LEN	and so does the host
 *	echo N LEN	N streams at a time, each with LEN bytes there and back
 *	ping N		N times one byte there and back
 *	open N		N streams, one after another
 *	call PORT LEN	the guest connects to <SOCKET>_PORT, where this program echoes
 *	refused PORT	the guest connects to where nobody listens
 *	sleeper LEN	a guest that does not read blocks the writer and nobody else
 *	slow LEN	a host that does not read blocks the guest; what came is not lost
 *	rude		a guest that closes without having read
 *	nobody		a guest's port without a service
 *	rubbish		a client that wants something else is let go
 *	off		the guest ends the machine
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "stream-pattern.h"

#define CHUNK	    (64 << 10)
#define STREAMS_MAX 4000
#define LIMIT_MS    60000

static uint8_t chunk[CHUNK];
static const char *path;

static _Noreturn void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static _Noreturn void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (%s)\n", strerror(errno));
	exit(1);
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", name);
	return sa;
}

static bool wait_for(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1;
}

static int ask_for(unsigned port)
{
	struct sockaddr_un sa = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail("connect %s", path);
	dprintf(fd, "CONNECT %u\n", port);
	return fd;
}

/* Is the stream there, or refused? */
static bool is_open(int fd)
{
	char line[64];
	size_t n = 0;

	while (n < sizeof(line) - 1 && wait_for(fd, POLLIN, LIMIT_MS) && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	if (n > 0 && strncmp(line, "OK ", 3) != 0)
		fail("handshake: %s", line);
	return n > 0;
}

/* A stream to the guest's port; -1: refused. */
static int try_connect(unsigned port)
{
	int fd = ask_for(port);

	if (is_open(fd))
		return fd;
	close(fd);
	return -1;
}

static int open_stream(unsigned port)
{
	int fd = try_connect(port);

	if (fd < 0)
		fail("port %u: refused", port);
	return fd;
}

static void send_pattern(int fd, uint64_t len, uint64_t seed)
{
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;
		ssize_t went;

		pattern_fill(chunk, n, seed, at);
		went = send(fd, chunk, n, MSG_NOSIGNAL);
		if (went <= 0)
			fail("send at %llu", (unsigned long long)at);
		at += (uint64_t)went;
	}
}

static void read_pattern(int fd, uint64_t len, uint64_t seed)
{
	for (uint64_t at = 0; at < len;) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, LIMIT_MS))
			fail("nothing comes at %llu of %llu", (unsigned long long)at,
			     (unsigned long long)len);
		n = read(fd, chunk, len - at < CHUNK ? len - at : CHUNK);
		if (n <= 0)
			fail("ends at %llu of %llu", (unsigned long long)at,
			     (unsigned long long)len);
		if (!pattern_is(chunk, (size_t)n, seed, at))
			fail("wrong bytes at %llu", (unsigned long long)at);
		at += (uint64_t)n;
	}
}

static void expect_end(int fd)
{
	uint8_t byte;

	if (!wait_for(fd, POLLIN, LIMIT_MS) || read(fd, &byte, 1) > 0)
		fail("the stream goes on");
	close(fd);
}

static void expect_line(int fd, const char *want)
{
	char line[128] = "";
	size_t n = 0;

	while (n < sizeof(line) - 1 && wait_for(fd, POLLIN, LIMIT_MS) && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	if (strcmp(line, want) != 0)
		fail("\"%s\" instead of \"%s\"", line, want);
}

static void sink(uint64_t len)
{
	int fd = open_stream(9);
	char want[64];

	send_pattern(fd, len, 0);
	shutdown(fd, SHUT_WR);
	snprintf(want, sizeof(want), "ok %llu\n", (unsigned long long)len);
	expect_line(fd, want);
	expect_end(fd);
}

static void deposit(uint64_t len)
{
	int fd = open_stream(25);
	char want[64];

	dprintf(fd, "%llu\n", (unsigned long long)len);
	send_pattern(fd, len, 0);
	snprintf(want, sizeof(want), "ok %llu\n", (unsigned long long)len);
	expect_line(fd, want);
	expect_end(fd);
}

static void source(uint64_t len)
{
	int fd = open_stream(19);

	dprintf(fd, "%llu\n", (unsigned long long)len);
	read_pattern(fd, len, 0);
	expect_end(fd);
}

static void echo(unsigned n, uint64_t len)
{
	static int fd[STREAMS_MAX];

	for (unsigned i = 0; i < n; i++)
		fd[i] = ask_for(7);
	for (unsigned i = 0; i < n; i++)
		if (!is_open(fd[i]))
			fail("stream %u of %u is refused", i + 1, n);
	for (unsigned i = 0; i < n; i++)
		send_pattern(fd[i], len, i);
	for (unsigned i = 0; i < n; i++) {
		read_pattern(fd[i], len, i);
		shutdown(fd[i], SHUT_WR);
	}
	for (unsigned i = 0; i < n; i++)
		expect_end(fd[i]);
}

static void ping(unsigned n)
{
	int fd = open_stream(7);

	for (unsigned i = 0; i < n; i++) {
		send_pattern(fd, 1, i);
		read_pattern(fd, 1, i);
	}
	shutdown(fd, SHUT_WR);
	expect_end(fd);
}

static void open_and_end(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(open_stream(7));
}

/* Until the guest has shut its half; then ours. */
static void serve_echo(int listener)
{
	int fd;
	ssize_t n;

	if (!wait_for(listener, POLLIN, LIMIT_MS))
		fail("the guest does not call");
	fd = accept(listener, NULL, NULL);
	while ((n = read(fd, chunk, CHUNK)) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t went = send(fd, chunk + done, (size_t)(n - done), MSG_NOSIGNAL);

			if (went <= 0)
				fail("echo");
			done += went;
		}
	close(fd);
}

static void call(unsigned port, uint64_t len)
{
	int fd = open_stream(20), listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	char name[100];

	snprintf(name, sizeof(name), "%s_%u", path, port);
	sa = address(name);
	if (bind(listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(listener, 8) < 0)
		fail("%s", name);
	dprintf(fd, "%u %llu\n", port, (unsigned long long)len);
	serve_echo(listener);
	expect_line(fd, "ok\n");
	expect_end(fd);
	unlink(name);
}

static void refused(unsigned port)
{
	int fd = open_stream(20);

	dprintf(fd, "%u 1\n", port);
	expect_line(fd, "connect: Connection reset by peer\n");
	expect_end(fd);
}

/* How much of a pattern goes until nothing more does. */
static uint64_t send_until_full(int fd, uint64_t len)
{
	uint64_t at = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (at < len && wait_for(fd, POLLOUT, 1000)) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;
		ssize_t went;

		pattern_fill(chunk, n, 0, at);
		went = send(fd, chunk, n, MSG_NOSIGNAL);
		if (went > 0)
			at += (uint64_t)went;
		else if (errno != EAGAIN)
			fail("send at %llu", (unsigned long long)at);
	}
	fcntl(fd, F_SETFL, 0);
	return at;
}

static void sleeper(uint64_t len)
{
	int fd = open_stream(21);
	char want[64];
	uint64_t sent;

	expect_line(fd, "asleep\n");
	sent = send_until_full(fd, len);
	if (sent == len)
		fail("all of %llu bytes went to one who sleeps", (unsigned long long)len);
	echo(4, 10000); /* others are not held up */
	close(open_stream(22));
	shutdown(fd, SHUT_WR);
	snprintf(want, sizeof(want), "ok %llu\n", (unsigned long long)sent);
	expect_line(fd, want);
	expect_end(fd);
}

static void slow(uint64_t len)
{
	int fd = open_stream(19);

	dprintf(fd, "%llu\n", (unsigned long long)len);
	echo(4, 10000); /* others are not held up */
	read_pattern(fd, len, 0);
	expect_end(fd);
}

static void rude(void)
{
	int fd = open_stream(23);

	if (send(fd, chunk, 1000, MSG_NOSIGNAL) != 1000)
		fail("send");
	expect_end(fd);
}

static void rubbish(void)
{
	struct sockaddr_un sa = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		fail("connect %s", path);
	dprintf(fd, "GET / HTTP/1.1\r\n\r\n");
	expect_end(fd);
}

static void wait_seconds(unsigned seconds)
{
	time_t until = time(NULL) + seconds;

	for (;;) {
		int fd = access(path, F_OK) == 0 ? try_connect(7) : -1;

		if (fd >= 0) {
			close(fd);
			return;
		}
		if (time(NULL) > until)
			fail("the guest does not answer");
		usleep(50000);
	}
}

int main(int argc, char **argv)
{
	unsigned long long a = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
	unsigned long long b = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
	const char *what = argc > 2 ? argv[2] : "";

	path = argv[1];
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 8192, 8192 });
	if (strcmp(what, "wait") == 0)
		wait_seconds((unsigned)a);
	else if (strcmp(what, "sink") == 0)
		sink(a);
	else if (strcmp(what, "deposit") == 0)
		deposit(a);
	else if (strcmp(what, "source") == 0)
		source(a);
	else if (strcmp(what, "echo") == 0 && a <= STREAMS_MAX)
		echo((unsigned)a, b);
	else if (strcmp(what, "ping") == 0)
		ping((unsigned)a);
	else if (strcmp(what, "open") == 0)
		open_and_end((unsigned)a);
	else if (strcmp(what, "call") == 0)
		call((unsigned)a, b);
	else if (strcmp(what, "refused") == 0)
		refused((unsigned)a);
	else if (strcmp(what, "sleeper") == 0)
		sleeper(a);
	else if (strcmp(what, "slow") == 0)
		slow(a);
	else if (strcmp(what, "rude") == 0)
		rude();
	else if (strcmp(what, "nobody") == 0 && try_connect(4242) >= 0)
		fail("somebody answers on port 4242");
	else if (strcmp(what, "rubbish") == 0)
		rubbish();
	else if (strcmp(what, "off") == 0)
		expect_end(open_stream(24));
	else if (strcmp(what, "nobody") != 0)
		fail("usage: vsock-host SOCKET WHAT [NUMBER...]");
	return 0;
}
