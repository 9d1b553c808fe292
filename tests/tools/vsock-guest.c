/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's end of tests/lab/vmm-vsock.bats: the first process of a Linux guest whose
 * services answer on vsock ports. Static, because nothing else is in its initrd but the
 * kernel's modules.
 *
 *	7	echo: what comes goes back, until the other side has ended
 *	9	sink: reads a pattern to the end, answers "ok LEN\n" or "bad AT\n"
 *	19	source: reads "LEN\n", sends so much of a pattern, ends
 *	20	caller: reads "PORT LEN\n", connects to the host's PORT, sends the pattern, ends
 *		its half, expects it back and answers "ok\n" or what went wrong
 *	21	sleeper: never reads, until "wake" comes on port 22; then a sink
 *	23	rude: closes with data unread
 *	24	off: ends the machine
 *	25	deposit: reads "LEN\n" and so much of a pattern, and answers as the sink does: for
 *		monitors that cannot pass on that half a stream has ended
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stream-pattern.h"

#define CHUNK (64 << 10)

static uint8_t chunk[CHUNK];

static void die(const char *what)
{
	printf("vsock-guest: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "r");
	char name[128], path[160];

	while (list && fscanf(list, "%127s", name) == 1) {
		int fd;

		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("vsock-guest: %s: %s\n", path, strerror(errno));
		close(fd);
	}
	if (list)
		fclose(list);
}

static struct sockaddr_vm address(unsigned cid, unsigned port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int serve_on(unsigned port)
{
	struct sockaddr_vm sa = address(VMADDR_CID_ANY, port);
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 4096) < 0)
		die("cannot listen");
	return fd;
}

static int say(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

static bool send_pattern(int fd, uint64_t len)
{
	for (uint64_t at = 0; at < len;) {
		size_t n = len - at < CHUNK ? len - at : CHUNK;
		ssize_t went;

		pattern_fill(chunk, n, 0, at);
		went = write(fd, chunk, n);
		if (went <= 0)
			return false;
		at += (uint64_t)went;
	}
	return true;
}

/* Read to the end, or @len: how much it was, -1 when it was no pattern. */
static int64_t read_pattern(int fd, int64_t len)
{
	int64_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, chunk, len - at < CHUNK ? (size_t)(len - at) : CHUNK);

		if (n < 0)
			return -2;
		if (n == 0)
			return at;
		if (!pattern_is(chunk, (size_t)n, 0, (uint64_t)at))
			return -1;
		at += n;
	}
	return at;
}

static void take(int fd, int64_t most)
{
	int64_t len = read_pattern(fd, most);
	char line[64];

	snprintf(line, sizeof(line), len < 0 ? "bad %lld\n" : "ok %lld\n", (long long)len);
	say(fd, line);
}

static void sink(int fd)
{
	take(fd, INT64_MAX);
}

static void read_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
}

static void source(int fd)
{
	char line[64];

	read_line(fd, line, sizeof(line));
	send_pattern(fd, strtoull(line, NULL, 10));
}

static void deposit(int fd)
{
	char line[64];

	read_line(fd, line, sizeof(line));
	take(fd, strtoll(line, NULL, 10));
}

static void call_host(int fd)
{
	unsigned port = 0;
	unsigned long long len = 0;
	struct sockaddr_vm sa;
	char line[64];
	int s = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	read_line(fd, line, sizeof(line));
	sscanf(line, "%u %llu", &port, &len);
	sa = address(VMADDR_CID_HOST, port);
	if (connect(s, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		snprintf(line, sizeof(line), "connect: %s\n", strerror(errno));
		say(fd, line);
		return;
	}
	if (!send_pattern(s, len) || shutdown(s, SHUT_WR) < 0)
		say(fd, "bad send\n");
	else if (read_pattern(s, INT64_MAX) != (int64_t)len)
		say(fd, "bad echo\n");
	else
		say(fd, "ok\n");
}

static void sleeper(int fd)
{
	static int waker = -1;

	waker = serve_on(22);
	say(fd, "asleep\n");
	close(accept(waker, NULL, NULL));
	sink(fd);
}

static void rude(int fd)
{
	char byte;

	/* The rest of what came stays unread. */
	if (recv(fd, &byte, 1, MSG_PEEK) == 1)
		return;
}

static void off(int fd)
{
	(void)fd;
	reboot(RB_POWER_OFF);
}

static const struct service {
	unsigned port;
	void (*serve)(int fd);
} services[] = {
	{ 9, sink },  { 19, source }, { 20, call_host }, { 21, sleeper },
	{ 23, rude }, { 24, off },    { 25, deposit },
};

#define N_SERVICES (sizeof(services) / sizeof(services[0]))

/* One process for each conversation. */
static void converse(const struct service *s, int listener)
{
	int fd = accept(listener, NULL, NULL);
	pid_t pid = fork();

	if (pid == 0) {
		s->serve(fd);
		_exit(0);
	}
	if (fd < 0 || pid < 0)
		printf("vsock-guest: port %u: %s\n", s->port, strerror(errno));
	close(fd);
}

/* Thousands of them: no processes. What does not fit is waited for. */
static void echo(int epoll, int fd)
{
	ssize_t n = read(fd, chunk, 4096), done = 0;

	while (n > 0 && done < n) {
		ssize_t went = write(fd, chunk + done, (size_t)(n - done));

		if (went <= 0)
			break;
		done += went;
	}
	if (n <= 0 || done < n) {
		epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
		close(fd);
	}
}

static void watch(int epoll, int fd, uint64_t what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = what };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll");
}

int main(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener[N_SERVICES], echoes;
	struct epoll_event ev;

	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 8192, 8192 });
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < N_SERVICES; i++) {
		listener[i] = serve_on(services[i].port);
		watch(epoll, listener[i], i);
	}
	echoes = serve_on(7);
	watch(epoll, echoes, N_SERVICES);
	for (;;) {
		if (epoll_wait(epoll, &ev, 1, -1) != 1)
			continue;
		if (ev.data.u64 < N_SERVICES)
			converse(&services[ev.data.u64], listener[ev.data.u64]);
		else if (ev.data.u64 > N_SERVICES)
			echo(epoll, (int)(ev.data.u64 - N_SERVICES - 1));
		else {
			int fd = accept4(echoes, NULL, NULL, SOCK_CLOEXEC);

			if (fd < 0)
				die("accept");
			watch(epoll, fd, N_SERVICES + 1 + (uint64_t)fd);
		}
	}
}
