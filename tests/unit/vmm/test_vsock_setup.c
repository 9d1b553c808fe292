/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "vmm/seccomp.h"
#include "vmm/virtio/vsock_doorman.h"
#include "vmm/virtio/vsock_table.h"
#include "vsock_guest.h"

#define PORT 1024

static void handshake_in_pieces(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	char line[32] = "";
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_connect(&v);
	for (const char *c = "connect 99"; *c; c++) {
		assert_int_equal(fd_write_full(fd, c, 1), 0);
		vg_expect_none(&v);
	}
	vg_say(fd, "\nmore\nthan that"); /* behind the line it is the stream's */
	vg_expect(&v, VIRTIO_VSOCK_OP_REQUEST, &p);
	assert_int_equal(p.h.dst_port, 99);
	vg_expect_none(&v);
	vg_send_op(&v, VIRTIO_VSOCK_OP_RESPONSE, p.h.src_port, 99);
	vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
	assert_int_equal(p.h.len, 14);
	assert_memory_equal(p.data, "more\nthan that", 14);
	vg_read(&v, fd, line, 3);
	assert_string_equal(line, "OK ");
	close(fd);
	vg_done(&v);
}

static void rubbish_is_let_go(void **state)
{
	static const char *const lines[] = {
		"CONNECT\n",
		"CONNECT \n",
		"CONNECT -1\n",
		"CONNECT 1x\n",
		"CONNECT 4294967296\n",
		"CONNECT 1 \n",
		"CONNECTED 1\n",
		" CONNECT 1\n",
		"\n",
		"GET / HTTP/1.1\r\n",
		"CONNECT 00000000000000000000000000000001\n",
		"no end of line, and that is too long",
	};
	struct vsock_guest v;
	int fd;

	(void)state;
	vg_init(&v, 8);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		fd = vg_connect(&v);
		vg_say(fd, lines[i]);
		assert_true(vg_ended(&v, fd));
		close(fd);
	}
	/* A line with a NUL, one without its end. */
	fd = vg_connect(&v);
	assert_int_equal(fd_write_full(fd, "CONNECT 1\0002\n", 12), 0);
	assert_true(vg_ended(&v, fd));
	close(fd);
	fd = vg_connect(&v);
	vg_say(fd, "CONNECT 1");
	shutdown(fd, SHUT_WR);
	assert_true(vg_ended(&v, fd));
	close(fd);
	vg_expect_none(&v);
	vg_done(&v);
}

/* Silent clients, and guests that do not answer: their time ends. */
static void setup_has_a_limit(void **state)
{
	int64_t begin = loop_now_ms();
	struct vsock_guest v;
	struct vg_packet p;
	int silent, asking, left;
	uint32_t port;

	(void)state;
	vg_init(&v, 8);
	silent = vg_connect(&v);
	asking = vg_connect(&v);
	vg_say(asking, "CONNECT 7\n");
	vg_expect(&v, VIRTIO_VSOCK_OP_REQUEST, &p);
	port = p.h.src_port;
	left = vg_connect(&v);
	vg_say(left, "CONNECT 8\n");
	vg_expect(&v, VIRTIO_VSOCK_OP_REQUEST, &p);
	close(left); /* it did not want to wait */
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	assert_int_equal(p.h.dst_port, 8);
	assert_false(vg_ended(&v, silent));
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p); /* waits for it */
	assert_true(loop_now_ms() - begin >= 90);
	assert_int_equal(p.h.dst_port, 7);
	assert_int_equal(p.h.src_port, port);
	assert_true(vg_ended(&v, silent));
	assert_true(vg_ended(&v, asking));
	/* Too late. */
	vg_send_op(&v, VIRTIO_VSOCK_OP_RESPONSE, port, 7);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	close(silent);
	close(asking);
	vg_done(&v);
}

static void guest_refuses(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_connect(&v);
	vg_say(fd, "CONNECT 7\n");
	vg_expect(&v, VIRTIO_VSOCK_OP_REQUEST, &p);
	vg_send_op(&v, VIRTIO_VSOCK_OP_RST, p.h.src_port, 7);
	assert_true(vg_ended(&v, fd));
	vg_expect_none(&v);
	close(fd);
	vg_done(&v);
}

static void guest_opens_a_stream(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	int listener, fd;
	uint8_t buf[8];

	(void)state;
	vg_init(&v, 8);
	listener = vg_listen(&v, 77);
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	vg_expect(&v, VIRTIO_VSOCK_OP_RESPONSE, &p);
	assert_int_equal(p.h.src_port, 77);
	assert_int_equal(p.h.dst_port, 5000);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	vg_send_data(&v, 77, 5000, "ping", 4);
	vg_read(&v, fd, buf, 4);
	assert_memory_equal(buf, "ping", 4);
	vg_say(fd, "pong");
	vg_expect(&v, VIRTIO_VSOCK_OP_RW, &p);
	assert_memory_equal(p.data, "pong", 4);
	/* Nobody listens on 78. */
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 78, 5000);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	assert_int_equal(p.h.src_port, 78);
	/* The same ports again, while the stream lives: it ends. */
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	assert_true(vg_ended(&v, fd));
	/* And now they are free. */
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	vg_expect(&v, VIRTIO_VSOCK_OP_RESPONSE, &p);
	close(fd);
	close(listener);
	vg_done(&v);
}

/* Who is nobody's is refused; refusals are never answered. */
static void strangers(void **state)
{
	struct vsock_packet bad;
	struct vsock_guest v;
	struct vg_packet p;
	int listener;

	(void)state;
	vg_init(&v, 8);
	listener = vg_listen(&v, 77);
	bad = vg_packet(VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	bad.dst_cid = 5;
	vg_send(&v, &bad, NULL);
	vg_receive(&v, &p);
	assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(p.h.src_cid, 5);
	bad = vg_packet(VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	bad.type = VIRTIO_VSOCK_TYPE_SEQPACKET; /* not offered */
	vg_send(&v, &bad, NULL);
	vg_receive(&v, &p);
	assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(p.h.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	for (uint16_t op = 0; op < 20; op++) {
		if (op == VIRTIO_VSOCK_OP_RST)
			continue;
		vg_send_op(&v, op, 1234, 5000);
		vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
		assert_int_equal(p.h.src_port, 1234);
		assert_int_equal(p.h.dst_port, 5000);
	}
	vg_send_op(&v, VIRTIO_VSOCK_OP_RST, 1234, 5000);
	bad = vg_packet(VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	bad.src_cid = 4; /* in another's name */
	vg_send(&v, &bad, NULL);
	vg_expect_none(&v);
	close(listener);
	vg_done(&v);
}

/* A driver that begins anew ends what the old one had; who waits to be let in, waits on. */
static void reset(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;
	uint32_t port;
	int fd, early;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	guest_device_reset(&v.d);
	assert_true(vg_ended(&v, fd));
	close(fd);
	early = vg_connect(&v);
	vg_say(early, "CONNECT 5\n");
	guest_run(&v.g);
	vg_restart(&v, 8);
	vg_expect(&v, VIRTIO_VSOCK_OP_REQUEST, &p);
	assert_int_equal(p.h.dst_port, 5);
	close(early);
	vg_done(&v);
}

static void transport_reset_event(void **state)
{
	uint32_t id = 0xffffffff, port, head;
	struct guest_buffer b = { .len = sizeof(id), .writable = true };
	struct vsock_guest v;
	int fd;

	(void)state;
	vg_init(&v, 8);
	fd = vg_open(&v, PORT, &port);
	virtio_vsock_transport_reset(virtio_mmio_device(v.d.t));
	assert_true(vg_ended(&v, fd));
	close(fd);
	/* The driver gives a buffer later. */
	b.addr = guest_put(&v.g, &id, sizeof(id));
	guest_offer(&v.d.ring[2], guest_chain(&v.d.ring[2], &b, 1));
	guest_kick(&v.d, 2);
	assert_int_equal(guest_wait(&v.d, 2, &head), sizeof(id));
	memcpy(&id, guest_ptr(&v.g, b.addr, sizeof(id)), sizeof(id));
	assert_int_equal(id, VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
	vg_done(&v);
}

/* The process itself: it connects, or says why not, and ends with its socket. */
static void doorman(void **state)
{
	struct vsock_call call = { 77, 5000 };
	struct vsock_answer answer;
	struct err err = ERR_INIT;
	struct vsock_guest v;
	int sock, listener, fd, status, r;

	(void)state;
	vg_init(&v, 1);
	sock = vsock_doorman_start(v.path, seccomp_doorman, &err);
	assert_true(sock >= 0);
	assert_int_equal(vsock_doorman_answer(sock, &answer, &fd), 0);
	assert_int_equal(vsock_doorman_call(sock, &call), 0);
	assert_true(fd_poll(sock, POLLIN, GUEST_WAIT_MS) > 0);
	assert_int_equal(vsock_doorman_answer(sock, &answer, &fd), 1);
	assert_int_equal(answer.error, ENOENT);
	assert_int_equal(fd, -1);
	listener = vg_listen(&v, 77);
	assert_int_equal(vsock_doorman_call(sock, &call), 0);
	assert_true(fd_poll(sock, POLLIN, GUEST_WAIT_MS) > 0);
	assert_int_equal(vsock_doorman_answer(sock, &answer, &fd), 1);
	assert_int_equal(answer.call.host_port, 77);
	assert_int_equal(answer.call.guest_port, 5000);
	assert_true(fd >= 0);
	r = accept(listener, NULL, NULL);
	assert_true(r >= 0);
	close(r);
	close(fd);
	close(listener);
	close(sock);
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	vg_done(&v);
}

/* A name that no address has room for: by its directory, under the filter as well. */
static void doorman_of_a_long_name(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX + 8], service[PATH_MAX + 16];
	struct vsock_call call = { 5, 5000 };
	struct vsock_answer answer;
	struct err err = ERR_INIT;
	int sock, listener, fd, status;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-vsock-%0100d-XXXXXX", 0);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/v", dir);
	snprintf(service, sizeof(service), "%s_5", path);
	listener = unix_listen(service, 1, &err);
	assert_true(listener >= 0);
	sock = vsock_doorman_start(path, seccomp_doorman, &err);
	assert_true(sock >= 0);
	assert_int_equal(vsock_doorman_call(sock, &call), 0);
	assert_true(fd_poll(sock, POLLIN, GUEST_WAIT_MS) > 0);
	assert_int_equal(vsock_doorman_answer(sock, &answer, &fd), 1);
	assert_int_equal(answer.error, 0);
	close(fd);
	close(sock);
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	close(listener);
	unlink(service);
	assert_int_equal(rmdir(dir), 0);
}

/* Without it the guest's calls are refused, and the log says so once. */
static void doorman_goes(void **state)
{
	struct vsock_guest v;
	struct vg_packet p;

	(void)state;
	vg_init(&v, 8);
	loop_remove(&v.doorman_src);
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 77, 5000);
	vg_expect_none(&v);
	close_fd(&v.doorman);
	vg_send_op(&v, VIRTIO_VSOCK_OP_REQUEST, 77, 5001);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p);
	assert_int_equal(p.h.dst_port, 5001);
	vg_expect(&v, VIRTIO_VSOCK_OP_RST, &p); /* the first one's time is over */
	assert_int_equal(p.h.dst_port, 5000);
	vg_done(&v);
}

static void configuration(void **state)
{
	struct virtio_vsock_setup bad = { .listener = -1, .doorman = -1, .cid = 2 };
	struct err err = ERR_INIT;
	struct vsock_guest v;

	(void)state;
	vg_init(&v, 1);
	assert_int_equal(guest_read32(&v.d, VIRTIO_MMIO_DEVICE_ID), 19);
	assert_int_equal(guest_read32(&v.d, VIRTIO_MMIO_CONFIG), VG_CID);
	assert_int_equal(guest_read32(&v.d, VIRTIO_MMIO_CONFIG + 4), 0);
	assert_null(virtio_vsock_new(&bad, "x", v.g.loop, &v.g.mem, &err));
	assert_string_equal(err_msg(&err), "vsock: 2 is no CID of a guest");
	bad.cid = UINT32_MAX;
	assert_null(virtio_vsock_new(&bad, "x", v.g.loop, &v.g.mem, &err));
	vg_done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_in_pieces),
		cmocka_unit_test(rubbish_is_let_go),
		cmocka_unit_test(setup_has_a_limit),
		cmocka_unit_test(guest_refuses),
		cmocka_unit_test(guest_opens_a_stream),
		cmocka_unit_test(strangers),
		cmocka_unit_test(reset),
		cmocka_unit_test(transport_reset_event),
		cmocka_unit_test(doorman),
		cmocka_unit_test(doorman_of_a_long_name),
		cmocka_unit_test(doorman_goes),
		cmocka_unit_test(configuration),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
