/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "vmm/virtio/vsock_table.h"
#include "vsock_guest.h"

#define PORT 1024

/* Bytes whose place shows: what is lost, doubled or swapped is seen. */
static void pattern(uint8_t *data, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)((at + i) * 2654435761U >> 13);
}

static void check_pattern(const uint8_t *data, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != (uint8_t)((at + i) * 2654435761U >> 13))
			fail_msg("byte %zu of the stream differs", at + i);
}

static void host_opens_a_stream(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	uint8_t buf[16];
	uint32_t port;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	assert_true(port >= VSOCK_HOST_PORT_MIN);
	vg_say(fd, "hello");
	vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
	assert_int_equal(p.h.src_port, port);
	assert_int_equal(p.h.dst_port, PORT);
	assert_int_equal(p.h.len, 5);
	assert_memory_equal(p.data, "hello", 5);
	assert_int_equal(p.h.buf_alloc, VSOCK_ROOM_MAX);
	vg_send_data(&v, port, PORT, "good day", 8);
	vg_read(&v, fd, buf, 8);
	assert_memory_equal(buf, "good day", 8);
	vg_expect_none(&v);
	close(fd);
	vg_done(&v);
}

/* They come to nothing, and stop a read short; what follows them comes all the same. */
static void descriptors_come_along(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	char got[16];
	uint32_t port, n = 0;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	assert_int_equal(fd_send(fd, "one", 3, &fd, 1), 3);
	assert_int_equal(fd_send(fd, "two", 3, &fd, 1), 3);
	vg_say(fd, "three");
	while (n < 11) {
		vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
		assert_true(p.h.len <= 11 - n);
		memcpy(got + n, p.data, p.h.len);
		n += p.h.len;
	}
	assert_memory_equal(got, "onetwothree", 11);
	vg_expect_none(&v);
	close(fd);
	vg_done(&v);
}

/* Each of these ends its own stream; another one goes on. */
static void broken_rules_end_a_stream(void **state)
{
	struct vsock_packet bad[5];
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port, good_port;
	uint8_t buf[4];
	int fd, good;

	(void)state;
	vg_init(&v, 8);
	good = vg_open(&v, PORT, &good_port);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = vg_open(&v, 2000, &port);
		bad[0] = vg_packet(VIRTIO_VSOCK_OP_RW, port, 2000);
		bad[0].len = 100; /* and no data */
		bad[1] = vg_packet(VIRTIO_VSOCK_OP_RW, port, 2000);
		bad[1].len = UINT32_MAX;
		bad[2] = vg_packet(99, port, 2000);
		bad[3] = vg_packet(VIRTIO_VSOCK_OP_INVALID, port, 2000);
		bad[4] = vg_packet(VIRTIO_VSOCK_OP_RESPONSE, port, 2000);
		vg_send(&v, &bad[i], NULL);
		vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
		assert_int_equal(p.h.src_port, port);
		assert_true(vg_ended(&v, fd));
		close(fd);
	}
	vg_send_data(&v, good_port, PORT, "fine", 4);
	vg_read(&v, good, buf, 4);
	assert_false(guest_device_broken(&v.d));
	close(good);
	vg_done(&v);
}

/* What the guest may send of the stream of which it has sent @sent bytes. */
static uint32_t credit(struct vsock_guest *v, uint32_t port, size_t sent)
{
	struct vg_packet p;

	vg_send_op(v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, port, PORT);
	vg_expect(v, VIRTIO_VSOCK_OP_CREDIT_UPDATE, &p);
	while (vg_try_receive(v, &p))
		assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	return p.h.buf_alloc - ((uint32_t)sent - p.h.fwd_cnt);
}

/* Send until there is no more credit: the host's side does not read. How much went. */
static size_t send_all_credit(struct vsock_guest *v, uint32_t port)
{
	static uint8_t chunk[64 << 10];
	size_t sent = 0;
	uint32_t n;

	while ((n = credit(v, port, sent)) > 0) {
		if (n > sizeof(chunk))
			n = sizeof(chunk);
		pattern(chunk, n, sent);
		vg_send_data(v, port, PORT, chunk, n);
		sent += n;
	}
	return sent;
}

static void read_pattern(struct vsock_guest *v, int fd, size_t len)
{
	static uint8_t chunk[10007];

	for (size_t got = 0; got < len;) {
		size_t n = len - got < sizeof(chunk) ? len - got : sizeof(chunk);

		vg_read(v, fd, chunk, n);
		check_pattern(chunk, n, got);
		got += n;
	}
}

/* The reader rests: what the guest may send is bounded, and all of it arrives later. */
static void slow_reader(void **state)
{
	uint32_t port, other_port;
	auto_str struct str stats = STR_INIT;
	struct vsock_guest v;
	struct vg_packet p;
	size_t sent;
	uint8_t byte;
	int fd, other;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	other = vg_open(&v, PORT, &other_port);
	sent = send_all_credit(&v, port);
	assert_true(sent >= VSOCK_ROOM_MAX);
	assert_true(sent < VSOCK_ROOM_MAX + (1 << 20)); /* the rest is in the socket */
	virtio_mmio_device(v.d.t)->ops->stats(virtio_mmio_device(v.d.t), &stats);
	assert_string_equal(str_text(&stats), " vsock-streams=2 vsock-waiting=262144");
	vg_send_data(&v, other_port, PORT, "x", 1); /* nobody else is held up */
	vg_read(&v, other, &byte, 1);
	read_pattern(&v, fd, sent);
	vg_expect(&v, VIRTIO_VSOCK_OP_CREDIT_UPDATE, &p); /* without being asked */
	assert_true(credit(&v, port, sent) > VSOCK_ROOM_MAX / 2);
	close(fd);
	close(other);
	vg_done(&v);
}

static void more_than_the_credit(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	send_all_credit(&v, port);
	vg_send_data(&v, port, PORT, "x", 1);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	close(fd);
	vg_done(&v);
}

/* The guest's credit is kept, and asked for once it is used up. */
static void guest_grants_little(void **state)
{
	static uint8_t data[95000];
	struct vsock_packet update;
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port, got = 0;
	int fd;

	(void)state;
	pattern(data, sizeof(data), 0);
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	update = vg_packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT);
	update.buf_alloc = 10000;
	vg_send(&v, &update, NULL);
	assert_int_equal(send(fd, data, sizeof(data), MSG_DONTWAIT), sizeof(data));
	while (got < sizeof(data)) {
		uint32_t end = got + 10000;

		while (got < end && got < sizeof(data)) {
			vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
			check_pattern(p.data, p.h.len, got);
			got += p.h.len;
			assert_true(got <= end);
		}
		if (got == sizeof(data))
			break;
		vg_expect(&v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, &p);
		vg_expect_none(&v);
		vg_send(&v, &update, NULL); /* nothing new: it does not ask again and again */
		vg_expect_none(&v);
		update.fwd_cnt = got;
		vg_send(&v, &update, NULL);
	}
	vg_expect_none(&v);
	/* It says that it got more than was sent: its own stream stands still. */
	update.fwd_cnt = got + 5;
	vg_send(&v, &update, NULL);
	vg_say(fd, "x");
	vg_expect(&v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, &p);
	vg_expect_none(&v);
	close(fd);
	vg_done(&v);
}

static void half_closes(void **state)
{
	struct vsock_packet end;
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port;
	uint8_t buf[8];
	int fd;

	(void)state;
	vg_init(&v, 8);
	/* The host ends first. */
	fd = vg_open(&v, PORT, &port);
	vg_say(fd, "last");
	shutdown(fd, SHUT_WR);
	vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
	vg_expect(&v, VIRTIO_VSOCK_OP_SHUTDOWN, &p);
	assert_int_equal(p.h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	vg_send_data(&v, port, PORT, "answer", 6);
	vg_read(&v, fd, buf, 6);
	assert_memory_equal(buf, "answer", 6);
	end = vg_packet(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT);
	end.flags = VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV;
	vg_send(&v, &end, NULL);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	assert_true(vg_ended(&v, fd));
	close(fd);
	vg_expect_none(&v);
	/* The guest ends first. */
	fd = vg_open(&v, PORT, &port);
	end = vg_packet(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT);
	end.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
	vg_send(&v, &end, NULL);
	assert_true(vg_ended(&v, fd));
	vg_say(fd, "still there");
	vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
	assert_int_equal(p.h.len, 11);
	/* It must not send after that. */
	vg_send_data(&v, port, PORT, "x", 1);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	close(fd);
	/* The guest will not receive: the host's writer learns it. */
	fd = vg_open(&v, PORT, &port);
	end = vg_packet(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT);
	end.flags = VIRTIO_VSOCK_SHUTDOWN_RCV;
	vg_send(&v, &end, NULL);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	vg_send_data(&v, port, PORT, "one way", 7);
	vg_read(&v, fd, buf, 7);
	close(fd);
	vg_done(&v);
}

/* The guest writes and closes at once; the host, slow, still gets everything. */
static void nothing_is_lost_at_the_end(void **state)
{
	struct vsock_packet end;
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port;
	size_t sent;
	int fd, again;

	(void)state;
	vg_init(&v, 8);
	for (int by_reset = 0; by_reset < 2; by_reset++) {
		fd = vg_open(&v, PORT, &port);
		sent = send_all_credit(&v, port);
		end = vg_packet(VIRTIO_VSOCK_OP_SHUTDOWN, port, PORT);
		end.flags = VIRTIO_VSOCK_SHUTDOWN_SEND | VIRTIO_VSOCK_SHUTDOWN_RCV;
		if (by_reset)
			end.op = VIRTIO_VSOCK_OP_RST;
		vg_send(&v, &end, NULL);
		if (!by_reset)
			vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
		vg_expect_none(&v);
		/* For the guest it is over. */
		vg_send_op(&v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, port, PORT);
		vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
		again = vg_open(&v, PORT, &port);
		read_pattern(&v, fd, sent);
		assert_true(vg_ended(&v, fd));
		close(fd);
		close(again);
		vg_expect(&v, VIRTIO_VSOCK_OP_SHUTDOWN, &p);
	}
	vg_done(&v);
}

/* The host writes and closes at once; the guest, slow, still gets everything. */
static void host_goes(void **state)
{
	struct vsock_packet update;
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	update = vg_packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, port, PORT);
	update.buf_alloc = 0;
	vg_send(&v, &update, NULL);
	vg_say(fd, "testament");
	close(fd);
	vg_expect(&v, VIRTIO_VSOCK_OP_SHUTDOWN, &p); /* it reads no more, that is sure */
	assert_int_equal(p.h.flags, VIRTIO_VSOCK_SHUTDOWN_RCV);
	vg_expect(&v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, &p);
	vg_send_data(&v, port, PORT, "too late", 8); /* crossed on the way: no offence */
	update.buf_alloc = 100;
	vg_send(&v, &update, NULL);
	do {
		vg_receive(&v, &p);
	} while (p.h.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST);
	assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(p.data, "testament", 9);
	vg_expect(&v, VIRTIO_VSOCK_OP_SHUTDOWN, &p);
	assert_int_equal(p.h.flags, VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND);
	vg_send_op(&v, VIRTIO_VSOCK_OP_RST, port, PORT);
	vg_expect_none(&v);
	/* It is forgotten. */
	vg_send_op(&v, VIRTIO_VSOCK_OP_CREDIT_REQUEST, port, PORT);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	vg_done(&v);
}

/* Many at a time, all alive, each with its own bytes in the right place. */
static void a_thousand_streams(void **state)
{
	enum { N = 1000 };
	static uint32_t port[N];
	static int fd[N];
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t word;
	bool seen[N] = { false };

	(void)state;
	vg_init(&v, 64);
	for (uint32_t i = 0; i < N; i++)
		fd[i] = vg_open(&v, i, &port[i]);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(write(fd[i], &i, sizeof(i)), sizeof(i));
	for (uint32_t i = 0; i < N; i++) {
		vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
		assert_true(p.h.dst_port < N);
		assert_false(seen[p.h.dst_port]);
		seen[p.h.dst_port] = true;
		assert_int_equal(p.h.src_port, port[p.h.dst_port]);
		assert_int_equal(p.h.len, sizeof(word));
		memcpy(&word, p.data, sizeof(word));
		assert_int_equal(word, p.h.dst_port);
		vg_send_data(&v, p.h.src_port, p.h.dst_port, &word, sizeof(word));
	}
	for (uint32_t i = 0; i < N; i++) {
		vg_read(&v, fd[i], &word, sizeof(word));
		assert_int_equal(word, i);
		close(fd[i]);
	}
	for (uint32_t i = 0; i < N; i++) {
		vg_expect(&v, VIRTIO_VSOCK_OP_SHUTDOWN, &p);
		vg_send_op(&v, VIRTIO_VSOCK_OP_RST, p.h.src_port, p.h.dst_port);
	}
	vg_expect_none(&v);
	vg_done(&v);
}

/* A flood for which the guest gives no buffers stops the guest, and memory is bounded. */
static void guest_without_buffers(void **state)
{
	struct vsock_packet p = vg_packet(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 78, 0);
	struct guest_ring *tx;
	struct vsock_guest v;
	unsigned taken = 0;

	(void)state;
	vg_init(&v, 0);
	tx = &v.d.ring[1];
	vsock_packet_encode(&p, guest_ptr(&v.g, v.tx, VSOCK_HEADER_LEN));
	for (int i = 0; i < 200; i++) {
		struct guest_buffer b = { v.tx, VSOCK_HEADER_LEN, false };

		guest_offer(tx, guest_chain(tx, &b, 1));
	}
	guest_kick(&v.d, 1);
	while (guest_used(tx, NULL, NULL))
		taken++;
	assert_true(taken > 0 && taken < 100);
	vg_restart(&v, 64); /* a better driver */
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 78, 1);
	{
		struct vg_packet answer;

		vg_expect(&v, VIRTIO_VSOCK_OP_RST, &answer);
		assert_int_equal(answer.h.dst_port, 1);
		vg_expect_none(&v);
	}
	vg_done(&v);
}

/* With buffers the same flood passes, in portions. */
static void guest_gives_buffers_late(void **state)
{
	struct vsock_packet p = vg_packet(VIRTIO_VSOCK_OP_CREDIT_REQUEST, 78, 0);
	struct guest_ring *tx;
	struct vsock_guest v;
	struct vg_packet answer;

	(void)state;
	vg_init(&v, 4);
	tx = &v.d.ring[1];
	vsock_packet_encode(&p, guest_ptr(&v.g, v.tx, VSOCK_HEADER_LEN));
	for (int i = 0; i < 200; i++) {
		struct guest_buffer b = { v.tx, VSOCK_HEADER_LEN, false };

		guest_offer(tx, guest_chain(tx, &b, 1));
	}
	guest_kick(&v.d, 1);
	for (int i = 0; i < 200; i++) {
		vg_expect(&v, VIRTIO_VSOCK_OP_RST, &answer);
		assert_true(guest_used(tx, NULL, NULL));
	}
	vg_expect_none(&v);
	assert_false(guest_used(tx, NULL, NULL));
	vg_done(&v);
}

/* Buffers in pieces of any size, header included. */
static void scattered_buffers(void **state)
{
	struct guest_buffer b[40];
	struct virtq_chain c = { .readable = 0 };
	struct vsock_packet header;
	struct guest_ring *rx;
	struct vsock_guest v;
	uint8_t data[20];
	uint32_t port, head, written;
	int fd;

	(void)state;
	vg_init(&v, 1);
	fd = vg_open(&v, PORT, &port);
	rx = &v.d.ring[0];
	/* The one buffer that is there takes the first packet. */
	vg_say(fd, "first");
	assert_int_equal(guest_wait(&v.d, 0, &head), VSOCK_HEADER_LEN + 5);
	for (unsigned i = 0; i < ARRAY_SIZE(b); i++) {
		uint32_t len = i < 22 ? 2 : 1 + i % 3;

		b[i] = (struct guest_buffer){ guest_alloc(&v.g, len, 1), len, true };
		c.iov[i] = (struct iovec){ guest_ptr(&v.g, b[i].addr, len), len };
		c.readable++;
		c.readable_len += len;
	}
	guest_offer(rx, guest_chain(rx, b, ARRAY_SIZE(b)));
	vg_say(fd, "of a chain in pieces");
	guest_kick(&v.d, 0);
	written = guest_wait(&v.d, 0, &head);
	assert_int_equal(written, VSOCK_HEADER_LEN + 20);
	assert_true(vsock_packet_read(&c, &header));
	assert_int_equal(header.len, 20);
	assert_int_equal(virtq_read(&c, VSOCK_HEADER_LEN, data, 20), 20);
	assert_memory_equal(data, "of a chain in pieces", 20);
	close(fd);
	vg_done(&v);
}

static void bad_buffers_stop_the_device(void **state)
{
	struct guest_buffer small = { .len = VSOCK_HEADER_LEN - 1, .writable = true };
	struct vsock_guest v;
	uint32_t port;
	int fd;

	(void)state;
	vg_init(&v, 1);
	fd = vg_open(&v, PORT, &port);
	vg_say(fd, "first");
	guest_wait(&v.d, 0, NULL);
	small.addr = guest_alloc(&v.g, small.len, 1);
	guest_offer(&v.d.ring[0], guest_chain(&v.d.ring[0], &small, 1));
	vg_say(fd, "second");
	guest_kick(&v.d, 0);
	assert_true(guest_device_broken(&v.d));
	assert_true(vg_ended(&v, fd)); /* the host's program learns it */
	close(fd);
	/* Another driver makes it work again. */
	vg_restart(&v, 8);
	fd = vg_open(&v, PORT, &port);
	close(fd);
	vg_done(&v);
}

/* A header that is none is nobody's: it is taken and forgotten. */
static void short_packets(void **state)
{
	struct vsock_guest v;

	(void)state;
	vg_init(&v, 8);
	for (uint32_t len = 1; len < VSOCK_HEADER_LEN; len += 7) {
		struct guest_buffer b = { v.tx, len, false };

		guest_offer(&v.d.ring[1], guest_chain(&v.d.ring[1], &b, 1));
		guest_kick(&v.d, 1);
		assert_int_equal(guest_wait(&v.d, 1, NULL), 0);
	}
	vg_expect_none(&v);
	vg_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_opens_a_stream),
		cmocka_unit_test(descriptors_come_along),
		cmocka_unit_test(broken_rules_end_a_stream),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(more_than_the_credit),
		cmocka_unit_test(guest_grants_little),
		cmocka_unit_test(half_closes),
		cmocka_unit_test(nothing_is_lost_at_the_end),
		cmocka_unit_test(host_goes),
		cmocka_unit_test(a_thousand_streams),
		cmocka_unit_test(guest_without_buffers),
		cmocka_unit_test(guest_gives_buffers_late),
		cmocka_unit_test(scattered_buffers),
		cmocka_unit_test(bad_buffers_stop_the_device),
		cmocka_unit_test(short_packets),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
