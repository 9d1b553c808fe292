/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "guest_driver.h"
#include "vmm/terminal.h"
#include "vmm/virtio/backlog.h"
#include "vmm/virtio/console.h"

enum { RX, TX };

struct fixture {
	struct guest g;
	struct guest_device d;
	int in, out; /* our ends */
};

static const struct virtio_console_setup nothing = { .in = -1, .out = -1, .listener = -1 };

static void start(struct fixture *f, const struct virtio_console_setup *setup)
{
	struct err err = ERR_INIT;

	guest_init(&f->g);
	guest_device_init(&f->d, &f->g,
			  virtio_console_new(setup, "test", f->g.loop, &f->g.mem, &err));
	guest_device_start(&f->d, 0, 16);
}

static void stop(struct fixture *f)
{
	guest_device_done(&f->d);
	guest_done(&f->g);
	close_fd(&f->in);
	close_fd(&f->out);
}

/* A console on two pipes. */
static void start_pipes(struct fixture *f)
{
	struct virtio_console_setup setup = nothing;
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
	setup.in = in[0];
	setup.out = out[1];
	f->in = in[1];
	f->out = out[0];
	start(f, &setup);
}

static void print(struct fixture *f, const void *data, uint32_t len)
{
	assert_int_equal(guest_request(&f->d, TX, data, len, NULL, 0), 0);
}

static void expect_read(int fd, const char *want)
{
	char buf[256] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	assert_int_equal(n, strlen(want));
	assert_string_equal(buf, want);
}

/* Room for input; what came is looked at with guest_wait(). */
static gpa_t offer_room(struct fixture *f, uint32_t len)
{
	struct guest_buffer b = { guest_alloc(&f->g, len, 1), len, true };

	guest_offer(&f->d.ring[RX], guest_chain(&f->d.ring[RX], &b, 1));
	guest_kick(&f->d, RX);
	return b.addr;
}

static void prints(void **state)
{
	struct fixture f;
	struct guest_buffer b[3];

	(void)state;
	start_pipes(&f);
	print(&f, "hello", 5);
	expect_read(f.out, "hello");
	b[0] = (struct guest_buffer){ guest_put(&f.g, "in ", 3), 3, false };
	b[1] = (struct guest_buffer){ guest_put(&f.g, "two", 3), 3, false };
	/* Room to write into is nothing that output needs, and nothing comes into it. */
	b[2] = (struct guest_buffer){ guest_alloc(&f.g, 8, 1), 8, true };
	guest_offer(&f.d.ring[TX], guest_chain(&f.d.ring[TX], b, 3));
	guest_kick(&f.d, TX);
	assert_int_equal(guest_wait(&f.d, TX, NULL), 0);
	expect_read(f.out, "in two");
	stop(&f);
}

static void reads(void **state)
{
	struct fixture f;
	gpa_t a, b;

	(void)state;
	start_pipes(&f);
	/* First the words, then the room. */
	assert_int_equal(write(f.in, "echo", 4), 4);
	guest_run(&f.g);
	a = offer_room(&f, 3);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 3);
	assert_memory_equal(guest_ptr(&f.g, a, 3), "ech", 3);
	/* The other way round. */
	b = offer_room(&f, 100);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 1);
	b = offer_room(&f, 100);
	assert_int_equal(write(f.in, "more", 4), 4);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 4);
	assert_memory_equal(guest_ptr(&f.g, b, 4), "more", 4);
	/* At the end of input the console still prints. */
	close_fd(&f.in);
	guest_run(&f.g);
	print(&f, "x", 1);
	expect_read(f.out, "x");
	stop(&f);
}

/* Input that the guest does not take waits in the pipe, and all of it arrives. */
static void slow_guest(void **state)
{
	struct fixture f;
	uint8_t sent[20000];
	size_t got = 0;

	(void)state;
	start_pipes(&f);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(fd_write_full(f.in, sent, sizeof(sent)), 0);
	for (int i = 0; i < 10; i++)
		guest_run(&f.g);
	while (got < sizeof(sent)) {
		gpa_t at = offer_room(&f, 999);
		uint32_t n = guest_wait(&f.d, RX, NULL);

		assert_in_range(n, 1, sizeof(sent) - got);
		assert_memory_equal(guest_ptr(&f.g, at, n), sent + got, n);
		got += n;
	}
	stop(&f);
}

/* Nobody reads: the guest goes on, the newest is kept, and the log says it once. */
static void slow_reader(void **state)
{
	static uint8_t block[8192], all[1 << 20];
	struct fixture f;
	char said[512] = "";
	size_t got = 0;
	ssize_t n;
	int log[2];

	(void)state;
	start_pipes(&f);
	assert_int_equal(pipe2(log, O_CLOEXEC | O_NONBLOCK), 0);
	log_open(log[1], "test", LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	for (unsigned i = 0; i < 64; i++) {
		memset(block, (int)i, sizeof(block));
		print(&f, block, sizeof(block));
	}
	log_open(-1, "", LOG_LEVEL_WARN, LOG_FORMAT_TEXT);
	n = read(log[0], said, sizeof(said) - 1);
	assert_non_null(strstr(said, "console test: output is dropped, its reader is slow\n"));
	assert_int_equal(strchr(said, '\n') - said + 1, n);
	close(log[0]);
	close(log[1]);
	do {
		guest_run(&f.g);
		n = read(f.out, all + got, sizeof(all) - got);
		got += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_int_equal(errno, EAGAIN);
	/* What went into the pipe, a hole, and the last 64 KiB. */
	assert_in_range(got, BACKLOG_BYTES + 1, 63 * sizeof(block));
	for (size_t i = 0; i < BACKLOG_BYTES; i++)
		assert_int_equal(all[got - BACKLOG_BYTES + i], 56 + i / sizeof(block));
	stop(&f);
}

static void reader_goes(void **state)
{
	struct fixture f;

	(void)state;
	start_pipes(&f);
	close_fd(&f.out);
	print(&f, "nobody", 6);
	print(&f, "hears", 5);
	assert_false(guest_device_broken(&f.d));
	stop(&f);
}

/* Who comes finds what was said before; one at a time; the next one after that. */
static void callers(void **state)
{
	struct virtio_console_setup setup = nothing;
	char path[64];
	struct err err = ERR_INIT;
	struct fixture f = { .in = -1, .out = -1 };
	int second;
	gpa_t at;

	(void)state;
	snprintf(path, sizeof(path), "@test-console-%d", (int)getpid());
	setup.listener = unix_listen(path, 4, &err);
	assert_true(setup.listener >= 0);
	start(&f, &setup);
	print(&f, "before ", 7);
	f.in = unix_connect(path, true, &err);
	assert_true(f.in >= 0);
	guest_run(&f.g);
	print(&f, "now", 3);
	expect_read(f.in, "before now");
	second = unix_connect(path, true, &err);
	guest_run(&f.g);
	at = offer_room(&f, 10);
	assert_int_equal(write(second, "wrong", 5), 5);
	assert_int_equal(write(f.in, "right", 5), 5);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 5);
	assert_memory_equal(guest_ptr(&f.g, at, 5), "right", 5);
	close_fd(&f.in);
	at = offer_room(&f, 10);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 5);
	assert_memory_equal(guest_ptr(&f.g, at, 5), "wrong", 5);
	print(&f, "to two", 6);
	expect_read(second, "to two");
	close(second);
	stop(&f);
}

static int temporary_file(const char *content)
{
	char path[] = "/tmp/test-console-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Without descriptors callers wait, and the loop does not turn about it. */
static void callers_without_descriptors(void **state)
{
	struct virtio_console_setup setup = nothing;
	struct fixture f = { .in = -1, .out = -1 };
	struct rlimit was, none;
	struct err err = ERR_INIT;
	int64_t begin;
	char path[64], word[4] = "";

	(void)state;
	snprintf(path, sizeof(path), "@test-console-%d", (int)getpid());
	setup.listener = unix_listen(path, 4, &err);
	start(&f, &setup);
	print(&f, "now", 3);
	f.in = unix_connect(path, true, &err);
	assert_true(f.in >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(loop_step(f.g.loop, 1000), 0);
	begin = loop_now_ms();
	assert_int_equal(loop_step(f.g.loop, 30), 0);
	assert_true(loop_now_ms() - begin >= 25);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	for (begin = loop_now_ms(); read(f.in, word, 3) != 3;) {
		assert_true(loop_now_ms() - begin < 10000);
		assert_int_equal(loop_step(f.g.loop, 1000), 0);
	}
	assert_string_equal(word, "now");
	stop(&f);
}

static void files(void **state)
{
	struct virtio_console_setup setup = nothing;
	struct fixture f = { .in = -1, .out = -1 };
	gpa_t at;
	char buf[16];

	(void)state;
	setup.in = temporary_file("from a file");
	setup.out = temporary_file("");
	f.out = dup(setup.out);
	start(&f, &setup);
	at = offer_room(&f, 4);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 4);
	assert_memory_equal(guest_ptr(&f.g, at, 4), "from", 4);
	at = offer_room(&f, 100);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 7);
	print(&f, "to a file", 9);
	assert_int_equal(pread(f.out, buf, sizeof(buf), 0), 9);
	assert_memory_equal(buf, "to a file", 9);
	stop(&f);
}

/* More than is read at once comes as well, to a guest that waits to be told. */
static void a_long_file(void **state)
{
	struct virtio_console_setup setup = nothing;
	struct fixture f = { .in = -1, .out = -1 };
	static char content[10001];
	uint32_t got = 0;

	(void)state;
	memset(content, 'x', sizeof(content) - 1);
	setup.in = temporary_file(content);
	start(&f, &setup);
	for (int i = 0; i < 3; i++) {
		struct guest_buffer b = { guest_alloc(&f.g, 4096, 1), 4096, true };

		guest_offer(&f.d.ring[RX], guest_chain(&f.d.ring[RX], &b, 1));
	}
	guest_kick(&f.d, RX);
	for (int i = 0; i < 3; i++)
		got += guest_wait(&f.d, RX, NULL);
	assert_int_equal(got, sizeof(content) - 1);
	stop(&f);
}

/* What a guest may do wrong. */
static void bad_guest(void **state)
{
	struct guest_buffer huge, wild = { 0xdead0000, 100, false };
	struct fixture f;
	char c;

	(void)state;
	start_pipes(&f);
	/* 4 MiB at once: the first 64 KiB, and the guest goes on. */
	huge = (struct guest_buffer){ guest_alloc(&f.g, 4 << 20, 1), 4 << 20, false };
	guest_offer(&f.d.ring[TX], guest_chain(&f.d.ring[TX], &huge, 1));
	guest_kick(&f.d, TX);
	guest_wait(&f.d, TX, NULL);
	for (int i = 0; i < 1 << 20 && read(f.out, &c, 1) == 1; i++)
		assert_int_equal(c, 0);
	/* Input into what may only be read, while there is some: nothing is written. */
	huge.writable = false;
	assert_int_equal(write(f.in, "abc", 3), 3);
	guest_run(&f.g);
	guest_offer(&f.d.ring[RX], guest_chain(&f.d.ring[RX], &huge, 1));
	guest_kick(&f.d, RX);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 0);
	guest_offer(&f.d.ring[TX], guest_chain(&f.d.ring[TX], &wild, 1));
	guest_kick(&f.d, TX);
	assert_true(guest_device_broken(&f.d));
	guest_device_reset(&f.d);
	guest_device_start(&f.d, 0, 16);
	offer_room(&f, 10);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 3);
	stop(&f);
}

static unsigned quits;

static void quit(void *arg)
{
	(void)arg;
	quits++;
}

static void keys(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned quits;
	} cases[] = {
		{ "plain", "plain", 0 },     { "a\001xb", "ab", 1 },
		{ "\001\001x", "\001x", 0 }, { "\001cx", "x", 0 },
		{ "1\001", "1", 0 },	     { "x2", "2", 1 }, /* the last one's Ctrl-A */
	};
	struct terminal t = { .quit = quit };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t buf[16];
		size_t n = strlen(cases[i].in);

		memcpy(buf, cases[i].in, n);
		quits = 0;
		n = terminal_keys(&t, buf, n);
		assert_int_equal(n, strlen(cases[i].out));
		assert_memory_equal(buf, cases[i].out, n);
		assert_int_equal(quits, cases[i].quits);
	}
}

static size_t press(void *arg, uint8_t *buf, size_t n)
{
	return terminal_keys(arg, buf, n);
}

/* The way out works though the guest takes no input, however much was typed before. */
static void quits_from_a_deaf_guest(void **state)
{
	struct virtio_console_setup setup = nothing;
	struct terminal t = { .quit = quit };
	struct fixture f = { .in = -1, .out = -1 };
	uint8_t typed[10000];
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setup.in = setup.out = pair[0];
	setup.keys = press;
	setup.arg = &t;
	f.in = pair[1];
	start(&f, &setup);
	memset(typed, 'a', sizeof(typed));
	quits = 0;
	assert_int_equal(fd_write_full(f.in, typed, sizeof(typed)), 0);
	assert_int_equal(fd_write_full(f.in, "\001x", 2), 0);
	for (int i = 0; i < 100 && quits == 0; i++)
		guest_run(&f.g);
	assert_int_equal(quits, 1);
	print(&f, "bye", 3);
	expect_read(f.in, "bye");
	stop(&f);
}

/* Raw while it is ours, and as it was after exit(), for a process that has one. */
static void terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, status;
	struct termios before, after;
	struct err err = ERR_INIT;
	int file = temporary_file("");
	pid_t pid;

	(void)state;
	assert_int_equal(terminal_raw(file, &err), 0);
	close(file);
	assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	pid = fork();
	if (pid == 0) {
		fclose(stdout); /* no test speaks twice */
		if (terminal_raw(slave, &err) != 1 || tcgetattr(slave, &after) < 0 ||
		    after.c_lflag & (ICANON | ECHO | ISIG))
			_exit(1);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	assert_int_equal(after.c_iflag, before.c_iflag);
	close(slave);
	close(master);
}

static void tells_its_size(void **state)
{
	struct virtio_console_setup setup = nothing;
	struct fixture f = { .in = -1, .out = -1 };
	uint16_t size[2];

	(void)state;
	setup.columns = 132;
	setup.rows = 43;
	start(&f, &setup);
	assert_true(guest_features(&f.d) & 1);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG, &size[0], 2);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG + 2, &size[1], 2);
	assert_int_equal(size[0], 132);
	assert_int_equal(size[1], 43);
	/* And prints to nobody. */
	print(&f, "x", 1);
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints),
		cmocka_unit_test(reads),
		cmocka_unit_test(slow_guest),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(reader_goes),
		cmocka_unit_test(callers),
		cmocka_unit_test(callers_without_descriptors),
		cmocka_unit_test(files),
		cmocka_unit_test(bad_guest),
		cmocka_unit_test(a_long_file),
		cmocka_unit_test(keys),
		cmocka_unit_test(quits_from_a_deaf_guest),
		cmocka_unit_test(terminal),
		cmocka_unit_test(tells_its_size),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
