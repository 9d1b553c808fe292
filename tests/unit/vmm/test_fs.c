/* SPDX-License-Identifier: Apache-2.0 */
/* The file system device in front of a server that this test plays. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "guest_driver.h"
#include "vmm/virtio/fs.h"

#define F_PROTOCOL_FEATURES (1ULL << 30)
#define FEATURES \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | F_PROTOCOL_FEATURES)
#define QUEUE_SIZE 64

struct message {
	uint32_t request, flags, size;
	uint32_t payload[64]; /* little endian, as this machine is */
	int fd[4];
	size_t n_fds;
};

struct fixture {
	struct guest g;
	struct guest_device d;
	int server;
	int kick, call; /* of the ring of requests */
};

/* An answer, which the device finds when it asks. */
static void answer(int fd, uint32_t request, const void *payload, uint32_t size)
{
	uint32_t header[3] = { request, 1 | 4, size };

	assert_int_equal(fd_write_full(fd, header, sizeof(header)), 0);
	assert_int_equal(fd_write_full(fd, payload, size), 0);
}

static void answer_u64(int fd, uint32_t request, uint64_t value)
{
	answer(fd, request, &value, sizeof(value));
}

static void answer_base(int fd, uint32_t ring, uint32_t base)
{
	uint32_t state[2] = { ring, base };

	answer(fd, 11, state, sizeof(state));
}

/* What the device said next; it has to be @request. */
static struct message hear(int fd, uint32_t request)
{
	struct message m = { .n_fds = 4 };
	size_t header = 3 * sizeof(uint32_t);
	int fds[4];

	assert_int_equal(fd_recv(fd, &m, header, fds, &m.n_fds), header);
	memcpy(m.fd, fds, sizeof(fds));
	assert_int_equal(m.request, request);
	assert_int_equal(m.flags, 1);
	assert_true(m.size <= sizeof(m.payload));
	assert_int_equal(fd_read_full(fd, m.payload, m.size), 0);
	return m;
}

static uint64_t u64(const struct message *m, unsigned word)
{
	return m->payload[word] | (uint64_t)m->payload[word + 1] << 32;
}

static void hear_nothing(int fd)
{
	uint8_t byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static struct virtio_device *new_fs(struct fixture *f, const char *tag, uint16_t size,
				    struct err *err)
{
	struct virtio_fs_setup setup = { .tag = tag, .queue_size = size };
	struct virtio_device *dev;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setup.server = pair[0];
	f->server = pair[1];
	answer_u64(f->server, 1, FEATURES);
	answer_u64(f->server, 15, 0xffff);
	dev = virtio_fs_new(&setup, "files", f->g.loop, &f->g.mem, err);
	if (!dev)
		close_fd(&f->server);
	return dev;
}

static void guest_init_shared(struct guest *g)
{
	struct err err = ERR_INIT;

	guest_init(g);
	memory_done(&g->mem);
	assert_int_equal(memory_init(&g->mem, 16 << 20, GUEST_LOW, GUEST_HIGH, true, &err), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct message m;

	guest_init_shared(&f->g);
	guest_device_init(&f->d, &f->g, new_fs(f, "share", QUEUE_SIZE, NULL));
	f->kick = f->call = -1;
	hear(f->server, 3);
	hear(f->server, 1);
	hear(f->server, 15);
	m = hear(f->server, 16);
	assert_int_equal(u64(&m, 0), 0);
	hear_nothing(f->server);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->server);
	guest_device_done(&f->d);
	guest_done(&f->g);
	close_fd(&f->kick);
	close_fd(&f->call);
	free(f);
	return 0;
}

/* All that is said of one ring; what it says of the kick and the call is kept. */
static void hear_ring(struct fixture *f, uint32_t ring, uint32_t base)
{
	struct message m = hear(f->server, 8);

	assert_int_equal(m.payload[0], ring);
	assert_int_equal(m.payload[1], QUEUE_SIZE);
	m = hear(f->server, 10);
	assert_int_equal(m.payload[0], ring);
	assert_int_equal(m.payload[1], base);
	m = hear(f->server, 9);
	assert_int_equal(m.payload[0], ring);
	assert_int_equal(u64(&m, 2), f->d.ring[ring].desc_at);
	assert_int_equal(u64(&m, 4), f->d.ring[ring].used_at);
	assert_int_equal(u64(&m, 6), f->d.ring[ring].avail_at);
	m = hear(f->server, 13);
	assert_int_equal(u64(&m, 0), ring);
	assert_int_equal(m.n_fds, 1);
	close_fd(&f->call);
	f->call = m.fd[0];
	m = hear(f->server, 12);
	assert_int_equal(u64(&m, 0), ring);
	assert_int_equal(m.n_fds, 1);
	close_fd(&f->kick);
	f->kick = m.fd[0];
	m = hear(f->server, 18);
	assert_int_equal(m.payload[0], ring);
	assert_int_equal(m.payload[1], 1);
}

/* Map guest memory from what the device says of it. */
static struct memory hear_memory(struct fixture *f)
{
	struct message m = hear(f->server, 5);
	struct memory mem = { .fd = -1 };

	assert_int_equal(m.payload[0], 2);
	assert_int_equal(m.n_fds, 2);
	for (unsigned i = 0; i < 2; i++) {
		unsigned at = 2 + 8 * i;
		struct memory_region *r = &mem.region[mem.n++];

		r->start = u64(&m, at);
		r->size = u64(&m, at + 2);
		assert_int_equal(u64(&m, at + 4), r->start); /* no address of the monitor */
		r->host = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, m.fd[i],
			       (off_t)u64(&m, at + 6));
		assert_true(r->host != MAP_FAILED);
		close(m.fd[i]);
	}
	assert_int_equal(mem.region[0].size, GUEST_LOW);
	assert_int_equal(mem.region[1].start, GUEST_HIGH);
	return mem;
}

static struct memory start(struct fixture *f)
{
	struct memory mem;
	struct message m;

	guest_device_start(&f->d, FEATURES & ~F_PROTOCOL_FEATURES, 1024);
	m = hear(f->server, 2);
	assert_int_equal(u64(&m, 0), FEATURES);
	mem = hear_memory(f);
	hear_ring(f, 0, 0);
	hear_ring(f, 1, 0);
	hear_nothing(f->server);
	assert_false(guest_device_broken(&f->d));
	return mem;
}

/* A request that the server answers, and nobody in between touches. */
static void server_serves(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);
	struct virtq q = { .max = 1024 };
	struct guest_buffer b[2] = { { .len = 4 }, { .len = 8, .writable = true } };
	struct virtq_chain c;
	uint64_t kicks;
	uint32_t head, written;

	guest_ring_attach(&f->d.ring[1], &q);
	assert_int_equal(virtq_start(&q, &mem, true, true), 0);
	assert_int_equal(read(f->kick, &kicks, sizeof(kicks)), sizeof(kicks)); /* from the start */
	b[0].addr = guest_put(&f->g, "ask?", 4);
	b[1].addr = guest_alloc(&f->g, 8, 8);
	guest_offer(&f->d.ring[1], guest_chain(&f->d.ring[1], b, 2));
	guest_kick(&f->d, 1);
	assert_int_equal(read(f->kick, &kicks, sizeof(kicks)), sizeof(kicks));
	assert_int_equal(virtq_pop(&q, &c), 1);
	assert_memory_equal(c.iov[0].iov_base, "ask?", 4);
	assert_int_equal(virtq_write(&c, 0, "answered", 8), 8);
	virtq_push(&q, c.head, 8);
	guest_interrupted(&f->d);
	kicks = 1;
	assert_int_equal(write(f->call, &kicks, sizeof(kicks)), sizeof(kicks));
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_VRING);
	assert_true(guest_used(&f->d.ring[1], &head, &written));
	assert_int_equal(written, 8);
	assert_memory_equal(guest_ptr(&f->g, b[1].addr, 8), "answered", 8);
	memory_done(&mem);
}

static void reset_stops_the_server(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);
	struct message m;

	answer_base(f->server, 0, 3);
	answer_base(f->server, 1, 4);
	guest_device_reset(&f->d);
	m = hear(f->server, 11);
	assert_int_equal(m.payload[0], 0);
	m = hear(f->server, 11);
	assert_int_equal(m.payload[0], 1);
	/* Another driver: from the beginning, but for what the server knows. */
	guest_device_start(&f->d, FEATURES & ~F_PROTOCOL_FEATURES, 1024);
	hear(f->server, 2);
	hear_ring(f, 0, 0);
	hear_ring(f, 1, 0);
	hear_nothing(f->server);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	answer_base(f->server, 0, 0);
	answer_base(f->server, 1, 0);
	guest_device_reset(&f->d);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	memory_done(&mem);
}

static void pause_keeps_the_place(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);

	answer_base(f->server, 0, 30);
	answer_base(f->server, 1, 40);
	virtio_device_pause(virtio_mmio_device(f->d.t));
	hear(f->server, 11);
	hear(f->server, 11);
	virtio_device_resume(virtio_mmio_device(f->d.t));
	hear_ring(f, 0, 30);
	hear_ring(f, 1, 40);
	assert_false(guest_device_broken(&f->d));
	memory_done(&mem);
}

/* The device stops, the machine goes on, also when the driver tries again. */
static void server_goes(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);

	close_fd(&f->server);
	guest_run(&f->g);
	assert_true(guest_device_broken(&f->d));
	guest_kick(&f->d, 1);
	guest_device_reset(&f->d);
	guest_device_start(&f->d, FEATURES & ~F_PROTOCOL_FEATURES, 1024);
	assert_true(guest_device_broken(&f->d));
	guest_device_reset(&f->d);
	memory_done(&mem);
}

static void server_goes_during_the_reset(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);

	close_fd(&f->server);
	guest_device_reset(&f->d);
	guest_run(&f->g);
	memory_done(&mem);
}

static void server_speaks_unasked(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);

	answer_u64(f->server, 1, 0);
	guest_run(&f->g);
	assert_true(guest_device_broken(&f->d));
	memory_done(&mem);
}

static void server_answers_something_else(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);

	answer_base(f->server, 1, 3); /* of another ring */
	virtio_device_pause(virtio_mmio_device(f->d.t));
	assert_true(guest_device_broken(&f->d));
	memory_done(&mem);
}

/* A byte now and then is no answer: there is one limit for all of them. */
static void server_dribbles(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);
	int64_t began = loop_now_ms();
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		static const uint32_t header[3] = { 11, 1 | 4, 8 };

		for (unsigned i = 0; i < sizeof(header); i++) {
			usleep(700000);
			if (send(f->server, (const uint8_t *)header + i, 1, MSG_NOSIGNAL) < 0)
				break;
		}
		_exit(0);
	}
	virtio_device_pause(virtio_mmio_device(f->d.t));
	assert_true(loop_now_ms() - began < 6000);
	assert_true(guest_device_broken(&f->d));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	memory_done(&mem);
}

/* Fill the counter of @fd, and take care that writers wait. */
static void block(int fd)
{
	uint64_t n = UINT64_MAX - 1;

	(void)!read(fd, &n, sizeof(n));
	n = UINT64_MAX - 1;
	assert_int_equal(write(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(fd_set_nonblock(fd, false), 0);
}

/* It has the eventfds of kicks and of interrupts as well. */
static void server_fills_the_events(void **state)
{
	struct fixture *f = *state;
	struct memory mem = start(f);
	int64_t began = loop_now_ms();

	answer_base(f->server, 0, 0);
	answer_base(f->server, 1, 0);
	virtio_device_pause(virtio_mmio_device(f->d.t));
	block(f->kick);
	virtio_device_resume(virtio_mmio_device(f->d.t));
	guest_run(&f->g);
	assert_false(guest_device_broken(&f->d));
	block(f->call);
	assert_int_equal(send(f->server, "?", 1, MSG_NOSIGNAL), 1);
	guest_run(&f->g);
	assert_true(guest_device_broken(&f->d));
	assert_true(loop_now_ms() - began < 5000);
	memory_done(&mem);
}

static void refusals(void **state)
{
	static const char long_tag[] = "a tag of thirty-seven characters, yes";
	struct fixture f = { .server = -1 };
	struct err err = ERR_INIT;
	int pair[2];
	struct virtio_fs_setup setup = { .tag = "share" };

	(void)state;
	guest_init_shared(&f.g);
	assert_null(new_fs(&f, long_tag, 0, &err));
	assert_string_equal(err_msg(&err), "fs: tag \"a tag of thirty-seven characters, yes\": "
					   "1 to 36 characters are allowed");
	assert_null(new_fs(&f, "", 0, &err));
	assert_null(new_fs(&f, "share", 100, &err));
	assert_null(new_fs(&f, "share", 2048, &err));
	/* A server that leaves without a word, one that answers something else. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setup.server = pair[0];
	close(pair[1]);
	assert_null(virtio_fs_new(&setup, "files", f.g.loop, &f.g.mem, &err));
	assert_string_equal(err_msg(&err), "fs share: the vhost-user back end does not answer: "
					   "Broken pipe");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setup.server = pair[0];
	answer_u64(pair[1], 15, 0);
	assert_null(virtio_fs_new(&setup, "files", f.g.loop, &f.g.mem, &err));
	assert_int_equal(err.code, -EPROTO);
	close(pair[1]);
	/* Memory that only the monitor has. */
	memory_done(&f.g.mem);
	assert_int_equal(memory_init(&f.g.mem, 16 << 20, GUEST_LOW, GUEST_HIGH, false, &err), 0);
	assert_null(new_fs(&f, "share", 0, &err));
	assert_string_equal(err_msg(&err), "fs share: its server needs the guest's memory shared");
	guest_done(&f.g);
}

static void configuration(void **state)
{
	struct fixture *f = *state;
	char tag[36];

	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_DEVICE_ID), 26);
	for (unsigned i = 0; i < sizeof(tag); i++)
		virtio_mmio_read(f->d.t, VIRTIO_MMIO_CONFIG + i, &tag[i], 1);
	assert_memory_equal(tag, "share\0\0\0", 8);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_CONFIG + 36), 1);
	/* What the server cannot do is not offered. */
	assert_int_equal(guest_features(&f->d), FEATURES & ~F_PROTOCOL_FEATURES);
}

int main(void)
{
#define with_device(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		with_device(configuration),
		with_device(server_serves),
		with_device(reset_stops_the_server),
		with_device(pause_keeps_the_place),
		with_device(server_goes),
		with_device(server_goes_during_the_reset),
		with_device(server_speaks_unasked),
		with_device(server_answers_something_else),
		with_device(server_dribbles),
		with_device(server_fills_the_events),
		cmocka_unit_test(refusals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
