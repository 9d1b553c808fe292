/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of what bench/devices measures with a Linux: the guest's first process, and
 * the host's server, which it talks to over its network card. The guest sleeps while it
 * waits, as guests do. Lines are "WHAT COUNT CYCLES", and come to the server's standard
 * output; then the guest resets the machine and the server ends.
 *
 * A conversation with the server begins with a byte that says what it is to be:
 *
 *	e	what comes goes back
 *	s	what comes is thrown away; at its end a byte says so
 *	g	BYTES of nothing are sent
 *	r	what comes is a report; its end is the server's
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOST   "10.213.0.1"
#define GUEST  "10.213.0.2"
#define PORT   7000
#define PINGS  300
#define BLOCKS 300
#define BLOCK  4096
#define PART   (64 << 10)
#define STREAM (16 << 20) /* bytes of a stream */
#define LARGE  (1 << 20)  /* of a request of one */

static uint8_t part[LARGE] __attribute__((aligned(4096)));
static FILE *report;

static uint64_t cycles(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void tell(const char *what, const char *on, unsigned count, uint64_t since)
{
	uint64_t took = cycles() - since;

	fprintf(report, "%s%s 0x%x 0x%llx\n", what, on, count, (unsigned long long)took);
}

static struct sockaddr_in address(const char *of)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = inet_addr(of),
	};
}

static void write_all(int fd, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		ssize_t n = write(fd, part, bytes - at < PART ? bytes - at : PART);

		if (n <= 0)
			err(1, "write");
		at += (size_t)n;
	}
}

/* To the end, or so much. */
static void read_away(int fd, size_t bytes)
{
	ssize_t n;

	for (size_t at = 0; at < bytes && (n = read(fd, part, PART)) != 0; at += (size_t)n)
		if (n < 0)
			err(1, "read");
}

static int talk(char what)
{
	struct sockaddr_in to = address(HOST);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || write(fd, &what, 1) != 1)
		err(1, "connect");
	return fd;
}

static void measure_net(void)
{
	int fd = talk('e');
	uint64_t began = cycles();
	char byte = 0;

	for (unsigned i = 0; i < PINGS; i++)
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			err(1, "ping");
	tell("net-round-trip", "", PINGS, began);
	close(fd);

	fd = talk('s');
	began = cycles();
	write_all(fd, STREAM);
	shutdown(fd, SHUT_WR);
	read_away(fd, 1);
	tell("net-to-host-64k", "", STREAM / PART, began);
	close(fd);

	fd = talk('g');
	began = cycles();
	read_away(fd, STREAM);
	tell("net-to-guest-64k", "", STREAM / PART, began);
	close(fd);
}

static void measure_disk(const char *disk, const char *on)
{
	static const struct {
		const char *what;
		size_t len;
		unsigned count;
		ssize_t (*move)(int fd, void *buf, size_t len, off_t at);
	} moves[] = {
		{ "first-read-4k ", BLOCK, 50, pread },
		{ "read-4k ", BLOCK, BLOCKS, pread },
		{ "write-4k ", BLOCK, BLOCKS, (ssize_t(*)(int, void *, size_t, off_t))pwrite },
		{ "read-1m ", LARGE, STREAM / LARGE, pread },
		{ "write-1m ", LARGE, STREAM / LARGE,
		  (ssize_t(*)(int, void *, size_t, off_t))pwrite },
	};
	int fd = open(disk, O_RDWR | O_DIRECT);

	if (fd < 0)
		err(1, "%s", disk);
	for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
		uint64_t began = cycles();

		for (unsigned n = 0; n < moves[i].count; n++)
			if (moves[i].move(fd, part, moves[i].len, (off_t)(n * moves[i].len)) !=
			    (ssize_t)moves[i].len)
				err(1, "%s%s", moves[i].what, disk);
		tell(moves[i].what, on, moves[i].count, began);
	}
	close(fd);
}

/* What the kernel has built in is not there. */
static void load_modules(void)
{
	FILE *list = fopen("/modules.list", "r");
	char path[256];

	while (list && fscanf(list, "%255s", path) == 1) {
		int fd = open(path, O_RDONLY);

		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			err(1, "%s", path);
		close(fd);
	}
}

static void link_up(void)
{
	struct ifreq request = { .ifr_name = "eth0" };
	struct sockaddr_in self = address(GUEST), mask = address("255.255.255.0");
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(&request.ifr_addr, &self, sizeof(self));
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		err(1, "eth0");
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	if (ioctl(fd, SIOCSIFNETMASK, &request) < 0)
		err(1, "eth0");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		err(1, "eth0");
	close(fd);
}

static void end_machine(void)
{
	reboot(RB_AUTOBOOT);
}

static void guest(void)
{
	char *text;
	size_t len;
	int fd;

	atexit(end_machine);
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	link_up();
	report = open_memstream(&text, &len);
	if (!report)
		err(1, "report");
	measure_disk("/dev/vda", "file");
	measure_disk("/dev/vdb", "device");
	measure_net();
	fclose(report);
	/* The server talks to one after another: this goes last. */
	fd = talk('r');
	if (write(fd, text, len) != (ssize_t)len)
		err(1, "report");
	close(fd);
}

static int serve_one(int fd)
{
	char what = 0;
	ssize_t n;

	if (read(fd, &what, 1) != 1)
		return 0;
	switch (what) {
	case 'e':
		while ((n = read(fd, part, PART)) > 0)
			if (write(fd, part, (size_t)n) != n)
				return -1;
		break;
	case 's':
		read_away(fd, SIZE_MAX);
		return write(fd, "", 1) == 1 ? 0 : -1;
	case 'g':
		write_all(fd, STREAM);
		break;
	case 'r':
		while ((n = read(fd, part, PART)) > 0)
			fwrite(part, 1, (size_t)n, stdout);
		return 1;
	}
	return 0;
}

static int serve(void)
{
	struct sockaddr_in self = address(HOST);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, r = 0;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&self, sizeof(self)) < 0 || listen(listener, 8) < 0)
		err(1, HOST);
	while (r == 0) {
		int fd = accept(listener, NULL, NULL);

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		r = serve_one(fd);
		close(fd);
	}
	return r > 0 ? 0 : 1;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (getpid() != 1)
		return serve();
	guest();
	return 0;
}
