/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock_guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "vmm/virtio/vsock_doorman.h"

#define RX	  0
#define TX	  1
#define RING_SIZE 256
#define TX_MAX	  (64 << 10)

/* Two descriptors, as Linux does: the header apart from the data. */
static void offer_rx(struct vsock_guest *v, gpa_t at)
{
	struct guest_buffer b[2] = {
		{ at, VSOCK_HEADER_LEN, true },
		{ at + VSOCK_HEADER_LEN, VG_DATA_MAX, true },
	};
	uint16_t head = guest_chain(&v->d.ring[RX], b, 2);

	v->rx[head / 2] = at;
	guest_offer(&v->d.ring[RX], head);
}

static void start(struct vsock_guest *v, unsigned rx_buffers)
{
	guest_device_start(&v->d, 1ULL << VIRTIO_RING_F_EVENT_IDX, RING_SIZE);
	for (unsigned i = 0; i < rx_buffers; i++)
		offer_rx(v, guest_alloc(&v->g, VSOCK_HEADER_LEN + VG_DATA_MAX, 16));
	v->rx_buffers = rx_buffers;
	if (rx_buffers > 0)
		guest_kick(&v->d, RX);
}

static void on_call(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct vsock_guest *v = arg;

	(void)src;
	(void)events;
	assert_int_equal(vsock_doorman_serve(fd, v->path), 1);
}

void vg_init(struct vsock_guest *v, unsigned rx_buffers)
{
	struct virtio_vsock_setup setup = { .cid = VG_CID, .setup_ms = 100 };
	struct err err = ERR_INIT;
	int pair[2];

	guest_init(&v->g);
	snprintf(v->dir, sizeof(v->dir), "/tmp/test-vsock-XXXXXX");
	assert_non_null(mkdtemp(v->dir));
	snprintf(v->path, sizeof(v->path), "%s/v", v->dir);
	setup.listener = unix_listen(v->path, 4096, &err);
	assert_true(setup.listener >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	setup.doorman = pair[0];
	v->doorman = pair[1];
	v->doorman_src = loop_add_fd(v->g.loop, v->doorman, EPOLLIN, on_call, v);
	guest_device_init(&v->d, &v->g,
			  virtio_vsock_new(&setup, "test", v->g.loop, &v->g.mem, &err));
	v->tx = guest_alloc(&v->g, VSOCK_HEADER_LEN + TX_MAX, 16);
	start(v, rx_buffers);
}

void vg_restart(struct vsock_guest *v, unsigned rx_buffers)
{
	guest_device_reset(&v->d);
	start(v, rx_buffers);
}

void vg_done(struct vsock_guest *v)
{
	char command[PATH_MAX + 16];

	loop_remove(&v->doorman_src);
	close_fd(&v->doorman);
	guest_device_done(&v->d);
	guest_done(&v->g);
	unlink(v->path);
	for (uint32_t port = 0; port < 100; port++) {
		snprintf(command, sizeof(command), "%s_%u", v->path, port);
		unlink(command);
	}
	assert_int_equal(rmdir(v->dir), 0);
}

struct vsock_packet vg_packet(uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	return (struct vsock_packet){
		.src_cid = VG_CID,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = guest_port,
		.dst_port = host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = VG_BUF_ALLOC,
	};
}

void vg_send(struct vsock_guest *v, const struct vsock_packet *p, const void *data)
{
	struct virtio_vsock_hdr *hdr = guest_ptr(&v->g, v->tx, sizeof(*hdr));
	struct guest_buffer b[2] = {
		{ v->tx, sizeof(*hdr), false },
		{ v->tx + sizeof(*hdr), p->len, false },
	};
	uint32_t head;

	vsock_packet_encode(p, hdr);
	if (data)
		memcpy(guest_ptr(&v->g, b[1].addr, p->len), data, p->len);
	guest_offer(&v->d.ring[TX], guest_chain(&v->d.ring[TX], b, data ? 2 : 1));
	guest_kick(&v->d, TX);
	assert_int_equal(guest_wait(&v->d, TX, &head), 0);
}

void vg_send_op(struct vsock_guest *v, uint16_t op, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_packet p = vg_packet(op, host_port, guest_port);

	vg_send(v, &p, NULL);
}

void vg_send_data(struct vsock_guest *v, uint32_t host_port, uint32_t guest_port, const void *data,
		  uint32_t len)
{
	struct vsock_packet p = vg_packet(VIRTIO_VSOCK_OP_RW, host_port, guest_port);

	assert_true(len <= TX_MAX);
	p.len = len;
	vg_send(v, &p, data);
}

static void decode(struct vsock_guest *v, gpa_t at, struct vg_packet *p)
{
	uint32_t len = sizeof(struct virtio_vsock_hdr) + VG_DATA_MAX;
	struct virtq_chain c = { .readable = 1, .readable_len = len };

	c.iov[0] = (struct iovec){ guest_ptr(&v->g, at, len), len };
	assert_true(vsock_packet_read(&c, &p->h));
	assert_true(p->h.len <= VG_DATA_MAX);
	virtq_read(&c, sizeof(struct virtio_vsock_hdr), p->data, p->h.len);
}

static void take(struct vsock_guest *v, struct vg_packet *p, uint32_t head, uint32_t written)
{
	gpa_t at = v->rx[head / 2];

	decode(v, at, p);
	assert_int_equal(written, VSOCK_HEADER_LEN + p->h.len);
	assert_int_equal(p->h.dst_cid, VG_CID);
	assert_true(p->h.len == 0 || p->h.op == VIRTIO_VSOCK_OP_RW);
	offer_rx(v, at);
	guest_kick(&v->d, RX);
}

void vg_receive(struct vsock_guest *v, struct vg_packet *p)
{
	uint32_t head, written = guest_wait(&v->d, RX, &head);

	take(v, p, head, written);
}

bool vg_try_receive(struct vsock_guest *v, struct vg_packet *p)
{
	uint32_t head, written;

	guest_run(&v->g);
	if (!guest_used(&v->d.ring[RX], &head, &written))
		return false;
	take(v, p, head, written);
	return true;
}

void vg_expect(struct vsock_guest *v, uint16_t op, struct vg_packet *p)
{
	vg_receive(v, p);
	assert_int_equal(p->h.op, op);
	assert_int_equal(p->h.src_cid, VSOCK_CID_HOST);
	assert_int_equal(p->h.type, VIRTIO_VSOCK_TYPE_STREAM);
}

void vg_expect_none(struct vsock_guest *v)
{
	struct vg_packet p;

	assert_false(vg_try_receive(v, &p));
}

int vg_connect(struct vsock_guest *v)
{
	struct err err = ERR_INIT;
	int fd = unix_connect(v->path, true, &err);

	assert_true(fd >= 0);
	return fd;
}

int vg_open(struct vsock_guest *v, uint32_t guest_port, uint32_t *host_port)
{
	char want[32], line[32] = "";
	struct vg_packet p;
	int fd = vg_connect(v);

	snprintf(line, sizeof(line), "CONNECT %u\n", guest_port);
	assert_int_equal(fd_write_full(fd, line, strlen(line)), 0);
	vg_expect(v, VIRTIO_VSOCK_OP_REQUEST, &p);
	assert_int_equal(p.h.dst_port, guest_port);
	*host_port = p.h.src_port;
	vg_send_op(v, VIRTIO_VSOCK_OP_RESPONSE, *host_port, guest_port);
	snprintf(want, sizeof(want), "OK %u\n", *host_port);
	memset(line, 0, sizeof(line));
	vg_read(v, fd, line, strlen(want));
	assert_string_equal(line, want);
	return fd;
}

int vg_listen(struct vsock_guest *v, uint32_t port)
{
	struct err err = ERR_INIT;
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s_%u", v->path, port);
	fd = unix_listen(path, 4096, &err);
	assert_true(fd >= 0);
	return fd;
}

void vg_say(int fd, const char *text)
{
	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

void vg_read(struct vsock_guest *v, int fd, void *buf, size_t len)
{
	int64_t until = loop_now_ms() + GUEST_WAIT_MS;

	while (len > 0) {
		ssize_t n = recv(fd, buf, len, MSG_DONTWAIT);

		if (n > 0) {
			buf = (uint8_t *)buf + n;
			len -= (size_t)n;
			continue;
		}
		assert_int_equal(n, -1);
		assert_int_equal(errno, EAGAIN);
		assert_true(loop_now_ms() < until);
		loop_step(v->g.loop, 10);
	}
}

bool vg_ended(struct vsock_guest *v, int fd)
{
	uint8_t byte;
	ssize_t n;

	guest_run(&v->g);
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}
