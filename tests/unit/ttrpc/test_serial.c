/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serial links. Where peers come and go, a pseudo-terminal plays the port: its
 * master, which the server has, hangs up when nobody has the slave open and
 * comes back when somebody does, and what was not read stays for the next one.
 * It delivers when it likes, so a pair of sockets plays the port elsewhere.
 */
#include "ttrpc/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>

#include "fixture.h"

#define NONCE_A	 "AAAAAAAA"
#define NONCE_B	 "BBBB\xff\x00xx"
#define MARK_LEN (SERIAL_MAGIC_LEN + SERIAL_NONCE_LEN)

static int64_t ahead_ms;
static char port[64];

/* In place of the C library's: lets time pass without waiting. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	ts->tv_sec += ahead_ms / 1000;
	ts->tv_nsec += ahead_ms % 1000 * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_nsec -= 1000000000;
		ts->tv_sec++;
	}
	return r;
}

static int open_port(void)
{
	int fd = open(port, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	assert_true(fd >= 0);
	assert_int_equal(tcgetattr(fd, &t), 0);
	cfmakeraw(&t);
	assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
	return fd;
}

/* A new port that meets what an old conversation left. */
static void serve_pair_serial(struct fixture *f)
{
	int s[2];

	close_fd(&f->raw);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	f->raw = s[1];
	assert_int_equal(ttrpc_server_serve_serial(f->srv, s[0]), 0);
}

static int setup_pair(void **state)
{
	setup(state);
	ahead_ms = 0;
	serve_pair_serial(*state);
	return 0;
}

static int setup_port(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct fixture *f;

	setup(state);
	f = *state;
	ahead_ms = 0;
	assert_true(master >= 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, port, sizeof(port)), 0);
	f->raw = open_port();
	assert_int_equal(fcntl(f->raw, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(ttrpc_server_serve_serial(f->srv, master), 0);
	return 0;
}

static void put_mark(struct str *s, const char *magic, const char *nonce)
{
	str_add(s, magic, SERIAL_MAGIC_LEN);
	str_add(s, nonce, SERIAL_NONCE_LEN);
}

static void steps(struct fixture *f, int n)
{
	while (n-- > 0)
		assert_int_equal(loop_step(f->loop, 0), 0);
}

static void say(struct fixture *f, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(f->raw, data, len);

		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		steps(f, 2);
	}
}

static void say_str(struct fixture *f, const struct str *s)
{
	say(f, s->data, s->len);
}

/* Read @len bytes into @buf. */
static void hear(struct fixture *f, void *buf, size_t len)
{
	int64_t end = loop_now_ms() + LIMIT_MS;
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = read(f->raw, p, len);

		if (n <= 0) {
			assert_true(loop_now_ms() < end);
			assert_int_equal(loop_step(f->loop, 10), 0);
			continue;
		}
		p += n;
		len -= (size_t)n;
	}
}

static void hear_nothing(struct fixture *f)
{
	char c;

	steps(f, 5);
	assert_true(read(f->raw, &c, 1) <= 0);
}

static void hear_welcome(struct fixture *f, const char *nonce)
{
	char buf[MARK_LEN];

	hear(f, buf, sizeof(buf));
	assert_memory_equal(buf, SERIAL_WELCOME, SERIAL_MAGIC_LEN);
	assert_memory_equal(buf + SERIAL_MAGIC_LEN, nonce, SERIAL_NONCE_LEN);
}

static void hear_version(struct fixture *f, uint32_t stream, const char *name)
{
	uint8_t head[TTRPC_HEADER_LEN], data[256];
	struct frame_header h;

	hear(f, head, sizeof(head));
	frame_decode(head, &h);
	assert_int_equal(h.stream, stream);
	assert_true(h.length < sizeof(data));
	hear(f, data, h.length);
	assert_memory_equal(data + h.length - strlen(name), name, strlen(name));
}

static void greet(struct fixture *f, const char *nonce)
{
	auto_str struct str s = STR_INIT;

	put_mark(&s, SERIAL_HELLO, nonce);
	say_str(f, &s);
	hear_welcome(f, nonce);
}

static void ask_version(struct fixture *f, uint32_t stream, const char *name)
{
	auto_str struct str s = STR_INIT;

	put_version(&s, stream, name);
	say_str(f, &s);
	hear_version(f, stream, name);
}

static void magic_is_what_it_is_said_to_be(void **state)
{
	(void)state;
	assert_int_equal(sizeof(SERIAL_HELLO) - 1, SERIAL_MAGIC_LEN);
	assert_int_equal(sizeof(SERIAL_WELCOME) - 1, SERIAL_MAGIC_LEN);
}

/* ---- the server -------------------------------------------------------------------- */

static void says_nothing_before_the_hello(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	put_version(&s, 1, "too early");
	say_str(f, &s);
	hear_nothing(f);
	assert_int_equal(f->versions, 0);
	greet(f, NONCE_A);
	ask_version(f, 1, "now");
}

static void hello_split_anywhere_behind_a_tail(void **state)
{
	static const char tail[] = "\x00\x01tail\xff\xffKATA-C-HELLO-\xffKATA";
	struct fixture *f = *state;
	char nonce[SERIAL_NONCE_LEN + 1] = "nonce000";
	auto_str struct str s = STR_INIT;

	put_mark(&s, SERIAL_HELLO, nonce);
	for (size_t at = 0; at <= s.len; at++) {
		serve_pair_serial(f);
		nonce[7]++;
		memcpy(s.data + SERIAL_MAGIC_LEN, nonce, SERIAL_NONCE_LEN);
		say(f, tail, sizeof(tail) - 1);
		say(f, s.data, at);
		say(f, s.data + at, s.len - at);
		hear_welcome(f, nonce);
		ask_version(f, 1, "found");
	}
}

/* A client says it again until it hears the welcome: each is answered, calls go on. */
static void hellos_between_frames(void **state)
{
	struct fixture *f = *state;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;
	auto_str struct str s = STR_INIT;

	greet(f, NONCE_B);
	put_request(&s, 1, 0, "grpc.AgentService", "WriteStdin", &req.base, 0, NULL);
	put_mark(&s, SERIAL_HELLO, NONCE_B);
	put_version(&s, 3, "between");
	put_mark(&s, SERIAL_HELLO, NONCE_B);
	say_str(f, &s);
	hear_welcome(f, NONCE_B);
	hear_version(f, 3, "between");
	hear_welcome(f, NONCE_B);
	assert_int_equal(f->cancelled, 0);

	/* another one: the calls of the first have nobody any more, streams start anew */
	greet(f, NONCE_A);
	assert_int_equal(f->cancelled, 1);
	answer_kept(f, 0, 1);
	ask_version(f, 1, "anew");
}

static void magic_inside_a_payload(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	auto_str struct str id = STR_INIT;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	greet(f, NONCE_A);
	put_mark(&id, SERIAL_HELLO, NONCE_B);
	put_mark(&id, SERIAL_HELLO, NONCE_B);
	req.data.data = (uint8_t *)id.data;
	req.data.len = id.len;
	put_request(&s, 1, 0, "grpc.AgentService", "WriteStdin", &req.base, 0, NULL);
	for (size_t i = 0; i < s.len; i++)
		say(f, s.data + i, 1);
	assert_int_equal(f->n_kept, 1);
	hear_nothing(f);
	assert_int_equal(f->cancelled, 0);
	ask_version(f, 3, "on");
}

/* The next client comes without the port having hung up in between. */
static void torn_frame_then_a_new_client(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	auto_str struct str hello = STR_INIT;
	int waiting;

	greet(f, NONCE_A);
	put_version(&s, 1,
		    "a long enough name to swallow what comes next, ........................");
	say(f, s.data, 40);
	put_mark(&hello, SERIAL_HELLO, NONCE_B);
	say_str(f, &hello);
	hear_nothing(f);
	ahead_ms += SERIAL_STALL_MS;
	steps(f, 2);
	assert_int_equal(ioctl(f->raw, FIONREAD, &waiting), 0);
	assert_int_equal(waiting, MARK_LEN); /* at once, the hello was kept */
	hear_welcome(f, NONCE_B);
	ask_version(f, 1, "mine");
	assert_int_equal(f->versions, 1);
}

static void torn_frame_and_silence(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	greet(f, NONCE_A);
	put_version(&s, 1, "torn");
	say(f, s.data, 20);
	ahead_ms += SERIAL_STALL_MS;
	steps(f, 3);
	say(f, s.data + 20, s.len - 20); /* too late: frames count after a hello only */
	hear_nothing(f);
	greet(f, NONCE_B);
	ask_version(f, 1, "next");
	assert_int_equal(f->versions, 1);
}

/* Slow is not torn, as long as something comes. */
static void slow_frame(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;

	greet(f, NONCE_A);
	put_version(&s, 1, "slow");
	for (size_t i = 0; i < s.len; i++) {
		say(f, s.data + i, 1);
		ahead_ms += SERIAL_STALL_MS / 2 + 1;
		steps(f, 2);
	}
	hear_version(f, 1, "slow");
}

static void garbage_between_frames(void **state)
{
	static const char *const junk[] = { "GET / HTTP/1.0\r\n", "\xffKATA-C-HELLO-2\n",
					    "\xff\xff" };
	struct fixture *f = *state;

	greet(f, NONCE_A);
	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		ask_version(f, 1, "before");
		say(f, junk[i], strlen(junk[i]));
		greet(f, i % 2 ? NONCE_A : NONCE_B);
	}
	say(f, "\x00\x7f\xff\xff\x00\x00\x00\x01\x01\x00", 10); /* longer than any frame */
	greet(f, "last one");
	ask_version(f, 1, "at once");
}

static void peer_hangs_up_and_comes_back(void **state)
{
	struct fixture *f = *state;
	auto_str struct str s = STR_INIT;
	Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

	put_request(&s, 1, 0, "grpc.AgentService", "WriteStdin", &req.base, 0, NULL);
	for (unsigned int i = 1; i <= 3; i++) {
		int64_t end;
		unsigned int rounds = 0;

		greet(f, NONCE_A);
		say_str(f, &s);
		run_until_kept(f, i);
		say(f, s.data, 20); /* and dies in the middle of the next */
		close_fd(&f->raw);
		run_until_count(f, &f->cancelled, i);
		answer_kept(f, i - 1, 1);
		/* meanwhile the loop rests: it wakes for the poll of the port only */
		for (end = loop_now_ms() + 120; loop_now_ms() < end; rounds++)
			assert_int_equal(loop_step(f->loop, 20), 0);
		assert_true(rounds < 20);
		f->raw = open_port();
		assert_int_equal(fcntl(f->raw, F_SETFL, O_NONBLOCK), 0);
	}
	assert_int_equal(ttrpc_server_connections(f->srv), 1);
	greet(f, NONCE_A);
	ask_version(f, 1, "back");
}

static void server_freed_while_the_port_is_hung_up(void **state)
{
	struct fixture *f = *state;

	greet(f, NONCE_A);
	close_fd(&f->raw);
	for (int i = 0; i < 3; i++)
		assert_int_equal(loop_step(f->loop, 20), 0);
	ttrpc_server_free(f->srv);
	f->srv = NULL;
	assert_int_equal(loop_run(f->loop), 0); /* nothing is left in it */
}

/* ---- the client --------------------------------------------------------------------- */

struct end {
	bool done;
	int code;
	char text[ERR_MSG_MAX];
};

static void on_closed(const struct err *err, void *arg)
{
	struct end *e = arg;

	e->done = true;
	e->code = err->code;
	snprintf(e->text, sizeof(e->text), "%s", err->msg);
}

/* Clients one after another on one port, each leaving something behind. */
static void clients_follow_each_other(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->raw);
	for (int i = 0; i < 5; i++) {
		struct result r[2] = { 0 };

		f->client = ttrpc_client_new_serial(f->loop, open_port(), 5000, NULL, NULL);
		call_version(f, "by serial", 5000, &r[0]);
		run_until(f, &r[0].done);
		assert_int_equal(r[0].code, 0);
		assert_string_equal(r[0].text, "by serial");
		call_write(f, "c", 0, &r[1]);
		if (i % 2)
			run_until_kept(f, f->n_kept + 1);
		ttrpc_client_free(f->client);
		f->client = NULL;
	}
}

/* A client on one end of a pair, the test on the other. */
static void connect_client(struct fixture *f, int64_t sync_ms, struct end *e)
{
	int s[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s), 0);
	close_fd(&f->raw);
	f->raw = s[1];
	f->client = ttrpc_client_new_serial(f->loop, s[0], sync_ms, on_closed, e);
	assert_non_null(f->client);
}

static void hear_hello(struct fixture *f, char *nonce)
{
	char buf[MARK_LEN];

	hear(f, buf, sizeof(buf));
	assert_memory_equal(buf, SERIAL_HELLO, SERIAL_MAGIC_LEN);
	memcpy(nonce, buf + SERIAL_MAGIC_LEN, SERIAL_NONCE_LEN);
}

static void put_answer(struct str *s, uint32_t stream, const char *name)
{
	auto_str struct str data = STR_INIT;

	str_add(&data, "\x12", 1);
	str_putc(&data, (char)(strlen(name) + 2));
	str_add(&data, "\x12", 1);
	str_putc(&data, (char)strlen(name));
	str_puts(&data, name);
	put_frame(s, stream, FRAME_RESPONSE, 0, data.data, data.len);
}

static void client_waits_for_its_own_welcome(void **state)
{
	struct fixture *f = *state;
	char nonce[SERIAL_NONCE_LEN], again[SERIAL_NONCE_LEN];
	auto_str struct str s = STR_INIT;
	struct result r = { 0 };
	uint8_t head[TTRPC_HEADER_LEN];
	struct frame_header h;
	struct end e = { 0 };

	connect_client(f, 5000, &e);
	call_version(f, "x", 0, &r);
	hear_hello(f, nonce);
	hear_nothing(f); /* the call waits */
	put_answer(&s, 1, "of an old conversation");
	put_mark(&s, SERIAL_WELCOME, "notmine!");
	put_answer(&s, 1, "of another's");
	say_str(f, &s);
	ahead_ms += SERIAL_RETRY_MS;
	hear_hello(f, again);
	assert_memory_equal(nonce, again, sizeof(nonce));
	assert_false(r.done);

	str_free(&s);
	put_mark(&s, SERIAL_WELCOME, nonce);
	for (size_t i = 0; i < s.len; i++)
		say(f, s.data + i, 1);
	hear(f, head, sizeof(head));
	frame_decode(head, &h);
	assert_int_equal(h.type, FRAME_REQUEST);
	auto_free char *data = xmalloc(h.length);

	hear(f, data, h.length);
	put_answer(&s, 1, "mine"); /* behind the answer to the second hello */
	say_str(f, &s);
	run_until(f, &r.done);
	assert_string_equal(r.text, "mine");
	ahead_ms += 10 * SERIAL_RETRY_MS;
	hear_nothing(f);
	assert_false(e.done);

	say(f, "\xffKATA-C-READY-1\nnotmine!", MARK_LEN);
	run_until(f, &e.done);
	assert_int_equal(e.code, -ECONNRESET);
	assert_string_equal(e.text, "received something else than frames on the serial link");
}

static void client_gives_up(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };
	struct end e = { 0 };

	connect_client(f, 700, &e);
	call_version(f, "x", 0, &r);
	ahead_ms += 699;
	steps(f, 3);
	ahead_ms += 10;
	run_until(f, &e.done);
	assert_int_equal(e.code, -ETIMEDOUT);
	assert_int_equal(r.code, -ETIMEDOUT);
	assert_string_equal(r.text, "no answer on the serial link within 700 ms");
}

static void client_hears_of_the_end(void **state)
{
	struct fixture *f = *state;
	struct result r = { 0 };
	struct end e = { 0 };

	connect_client(f, 5000, &e);
	call_version(f, "x", 0, &r);
	close_fd(&f->raw);
	run_until(f, &e.done);
	assert_int_equal(e.code, -ECONNRESET);
	assert_int_equal(r.code, -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup_pair, teardown)
#define P(name) cmocka_unit_test_setup_teardown(name, setup_port, teardown)
		cmocka_unit_test(magic_is_what_it_is_said_to_be),
		T(says_nothing_before_the_hello),
		T(hello_split_anywhere_behind_a_tail),
		T(hellos_between_frames),
		T(magic_inside_a_payload),
		T(torn_frame_then_a_new_client),
		T(torn_frame_and_silence),
		T(slow_frame),
		T(garbage_between_frames),
		P(peer_hangs_up_and_comes_back),
		P(server_freed_while_the_port_is_hung_up),
		P(clients_follow_each_other),
		T(client_waits_for_its_own_welcome),
		T(client_gives_up),
		T(client_hears_of_the_end),
#undef T
#undef P
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
