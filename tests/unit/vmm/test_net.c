/* SPDX-License-Identifier: Apache-2.0 */
/* A socket pair stands for the tap: its other end sees headers and frames as they are. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "guest_driver.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/tap.h"

#define HEADER	   12
#define STALE_TYPE 0x88b5 /* for experiments */
#define EVENTS	   (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define MERGE	   (1ULL << VIRTIO_NET_F_MRG_RXBUF)

enum { RX, TX };

struct fixture {
	struct guest g;
	struct guest_device d;
	const struct virtio_net_counters *counters;
	int peer;
};

static void start_on(struct fixture *f, struct virtio_net_setup *setup, uint64_t features)
{
	struct err err = ERR_INIT;
	struct virtio_device *dev;

	guest_init(&f->g);
	dev = virtio_net_new(setup, "test", f->g.loop, &f->g.mem, &err);
	if (!dev)
		fail_msg("%s", err_msg(&err));
	f->counters = virtio_net_counters(dev);
	guest_device_init(&f->d, &f->g, dev);
	guest_device_start(&f->d, features, 256);
}

static void start(struct fixture *f, struct virtio_net_setup *setup, uint64_t features)
{
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	setup->tap = pair[0];
	f->peer = pair[1];
	start_on(f, setup, features);
}

static void stop(struct fixture *f)
{
	guest_device_done(&f->d);
	guest_done(&f->g);
	close_fd(&f->peer);
}

/* @n chains of @len bytes each; the first one's address. */
static gpa_t offer_room(struct fixture *f, unsigned n, uint32_t len)
{
	gpa_t all = guest_alloc(&f->g, (size_t)n * len, 1);

	for (unsigned i = 0; i < n; i++) {
		struct guest_buffer b = { all + i * (gpa_t)len, len, true };

		guest_offer(&f->d.ring[RX], guest_chain(&f->d.ring[RX], &b, 1));
	}
	guest_kick(&f->d, RX);
	return all;
}

static void offer_frame(struct fixture *f, const void *data, uint32_t len)
{
	struct guest_buffer b = { guest_put(&f->g, data, len), len, false };

	guest_offer(&f->d.ring[TX], guest_chain(&f->d.ring[TX], &b, 1));
}

static void fill(uint8_t *frame, size_t len, unsigned seed)
{
	memset(frame, 0, HEADER);
	for (size_t i = HEADER; i < len; i++)
		frame[i] = (uint8_t)(i * 31 + i / 256 + seed);
}

static unsigned count_of(struct fixture *f, gpa_t at)
{
	const uint8_t *h = guest_ptr(&f->g, at, HEADER);

	return h[10] | h[11] << 8;
}

static void both_ways(void **state)
{
	struct virtio_net_setup setup = { .has_mac = true,
					  .mac = { 2, 1, 2, 3, 4, 5 },
					  .mtu = 1400 };
	uint8_t frame[HEADER + 60], got[2000];
	struct fixture f;
	gpa_t at;

	(void)state;
	start(&f, &setup, 0);
	assert_int_equal(guest_features(&f.d) >> VIRTIO_NET_F_MTU & 5, 5);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG, got, 8);
	assert_memory_equal(got, setup.mac, 6);
	assert_int_equal(got[6], VIRTIO_NET_S_LINK_UP);

	fill(frame, sizeof(frame), 1);
	frame[1] = 0xff; /* whatever the guest says goes to the tap */
	assert_int_equal(guest_request(&f.d, TX, frame, sizeof(frame), NULL, 0), 0);
	assert_int_equal(read(f.peer, got, sizeof(got)), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));

	at = offer_room(&f, 2, 1514 + HEADER);
	fill(frame, sizeof(frame), 2);
	assert_int_equal(write(f.peer, frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(guest_wait(&f.d, RX, NULL), sizeof(frame));
	assert_memory_equal(guest_ptr(&f.g, at + HEADER, 60), frame + HEADER, 60);
	assert_int_equal(count_of(&f, at), 1);
	assert_int_equal(f.counters->rx_frames, 1);
	assert_int_equal(f.counters->rx_bytes, 60);
	assert_int_equal(f.counters->tx_frames, 1);
	assert_int_equal(f.counters->tx_bytes, 60);
	stop(&f);
}

/* A frame over several chains, whose rest serves the next frame. */
static void merged(void **state)
{
	static uint8_t frame[65562];
	struct virtio_net_setup setup = { 0 };
	struct fixture f;
	uint32_t written;
	gpa_t at;

	(void)state;
	start(&f, &setup,
	      MERGE | 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4);
	at = offer_room(&f, 100, 1000);
	for (unsigned i = 0; i < 3; i++) {
		static const size_t lens[] = { 4500, 1000, 60000 };
		unsigned chains = (unsigned)((lens[i] + 999) / 1000);

		fill(frame, lens[i], i);
		assert_int_equal(write(f.peer, frame, lens[i]), lens[i]);
		assert_int_equal(guest_wait(&f.d, RX, NULL), lens[i] < 1000 ? lens[i] : 1000);
		assert_int_equal(count_of(&f, at), chains);
		assert_memory_equal(guest_ptr(&f.g, at + HEADER, lens[i] - HEADER), frame + HEADER,
				    lens[i] - HEADER);
		/* All of them are told of at once, and no more. */
		for (unsigned c = 1; c < chains; c++) {
			assert_true(guest_used(&f.d.ring[RX], NULL, &written));
			assert_int_equal(written, c + 1 < chains ? 1000 : lens[i] - c * 1000);
		}
		assert_false(guest_used(&f.d.ring[RX], NULL, &written));
		at += chains * 1000;
	}
	stop(&f);
}

/* Buffers of one byte: the header's count lands where it belongs. */
static void in_crumbs(void **state)
{
	struct virtio_net_setup setup = { 0 };
	struct guest_buffer b[100];
	uint8_t frame[100];
	struct fixture f;
	gpa_t at;

	(void)state;
	start(&f, &setup, MERGE);
	at = guest_alloc(&f.g, sizeof(b), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = (struct guest_buffer){ at + i, 1, true };
	guest_offer(&f.d.ring[RX], guest_chain(&f.d.ring[RX], b, ARRAY_SIZE(b)));
	guest_kick(&f.d, RX);
	fill(frame, sizeof(frame), 3);
	assert_int_equal(write(f.peer, frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(guest_wait(&f.d, RX, NULL), sizeof(frame));
	assert_int_equal(count_of(&f, at), 1);
	assert_memory_equal(guest_ptr(&f.g, at + HEADER, 88), frame + HEADER, 88);
	stop(&f);
}

/* Frames wait in the tap while there is no room; what is too big is dropped, and only that. */
static void room(void **state)
{
	struct virtio_net_setup setup = { 0 };
	static uint8_t big[9000];
	uint8_t frame[100];
	struct fixture f;

	(void)state;
	start(&f, &setup, 0);
	for (unsigned i = 0; i < 3; i++) {
		fill(frame, sizeof(frame), i);
		assert_int_equal(write(f.peer, frame, sizeof(frame)), sizeof(frame));
	}
	guest_run(&f.g);
	for (unsigned i = 0; i < 3; i++) {
		gpa_t at = offer_room(&f, 1, 1526);

		fill(frame, sizeof(frame), i);
		assert_int_equal(guest_wait(&f.d, RX, NULL), sizeof(frame));
		assert_memory_equal(guest_ptr(&f.g, at + HEADER, 88), frame + HEADER, 88);
	}
	offer_room(&f, 1, 1526);
	assert_int_equal(write(f.peer, big, sizeof(big)), sizeof(big));
	assert_int_equal(write(f.peer, frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(guest_wait(&f.d, RX, NULL), sizeof(frame));
	assert_int_equal(f.counters->rx_dropped, 1);
	/* Less than a header is no frame. */
	offer_room(&f, 1, 1526);
	assert_int_equal(write(f.peer, frame, 7), 7);
	guest_run(&f.g);
	assert_int_equal(f.counters->rx_dropped, 2);
	stop(&f);
}

/*
 * No frame is read while the guest offers too little for the biggest: it may be one. But a
 * guest that has no more gets those that fit.
 */
static void too_little_room(void **state)
{
	static uint8_t frame[60000];
	struct virtio_net_setup setup = { 0 };
	struct fixture f;

	(void)state;
	start(&f, &setup, MERGE);
	fill(frame, sizeof(frame), 1);
	offer_room(&f, 20, 2000);
	assert_int_equal(write(f.peer, frame, sizeof(frame)), sizeof(frame));
	guest_run(&f.g);
	assert_int_equal(f.counters->rx_frames + f.counters->rx_dropped, 0);
	offer_room(&f, 20, 2000);
	assert_int_equal(guest_wait(&f.d, RX, NULL), 2000);
	assert_int_equal(f.counters->rx_frames, 1);

	/* 10 are left: enough for these, and not waited for again and again. */
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(write(f.peer, frame, 2000), 2000);
	for (unsigned i = 0; i < 29 + 3; i++)
		assert_int_equal(guest_wait(&f.d, RX, NULL), 2000);
	assert_int_equal(f.counters->rx_frames, 4);
	assert_int_equal(write(f.peer, frame, 2000), 2000);
	guest_run(&f.g);
	assert_int_equal(f.counters->rx_frames, 5);
	assert_int_equal(f.counters->rx_dropped, 0);
	stop(&f);
}

static void hostile_frames(void **state)
{
	struct virtio_net_setup setup = { 0 };
	struct guest_buffer wild[] = { { 100, 100, false }, { 0xdead00000000, 100, false } };
	static uint8_t huge[70000];
	uint8_t frame[100], got[200];
	struct fixture f;

	(void)state;
	start(&f, &setup, 0);
	/* Without a whole header; header alone; no Ethernet header; too long. */
	assert_int_equal(guest_request(&f.d, TX, huge, 3, NULL, 0), 0);
	assert_int_equal(guest_request(&f.d, TX, huge, HEADER, NULL, 0), 0);
	assert_int_equal(guest_request(&f.d, TX, huge, HEADER + 13, NULL, 0), 0);
	assert_int_equal(guest_request(&f.d, TX, huge, sizeof(huge), NULL, 0), 0);
	/* Nothing to read at all. */
	assert_int_equal(guest_request(&f.d, TX, NULL, 0, got, 100), 0);
	assert_int_equal(f.counters->tx_dropped, 5);
	assert_int_equal(read(f.peer, got, sizeof(got)), -1);
	for (unsigned queue = RX; queue <= TX; queue++) {
		wild[1].writable = queue == RX;
		guest_offer(&f.d.ring[queue], guest_chain(&f.d.ring[queue], wild, 2));
		guest_kick(&f.d, queue);
		assert_true(guest_device_broken(&f.d));
		/* A broken one takes nothing from the tap either, and comes back by a reset. */
		assert_int_equal(write(f.peer, huge, 60), 60);
		guest_run(&f.g);
		guest_device_reset(&f.d);
		guest_device_start(&f.d, 0, 256);
	}
	/* Room that cannot hold a header is a driver that does not know the device. */
	offer_room(&f, 1, 4);
	assert_true(guest_device_broken(&f.d));
	guest_device_reset(&f.d);
	guest_device_start(&f.d, MERGE, 256);
	fill(frame, sizeof(frame), 1);
	assert_int_equal(guest_request(&f.d, TX, frame, sizeof(frame), NULL, 0), 0);
	assert_int_equal(read(f.peer, got, sizeof(got)), sizeof(frame));
	stop(&f);
}

/* A tap that is full holds frames up, loses none and changes no order. */
static void full_tap(void **state)
{
	struct virtio_net_setup setup = { 0 };
	static uint8_t frame[8000], got[8000];
	struct fixture f;
	unsigned n = 0;

	(void)state;
	start(&f, &setup, 0);
	for (unsigned i = 0; i < 200; i++) {
		fill(frame, sizeof(frame), i);
		offer_frame(&f, frame, sizeof(frame));
	}
	guest_kick(&f.d, TX);
	assert_in_range(f.counters->tx_frames, 1, 199);
	while (n < 200) {
		fill(frame, sizeof(frame), n);
		if (read(f.peer, got, sizeof(got)) < 0) {
			guest_run(&f.g);
			continue;
		}
		assert_memory_equal(got, frame, sizeof(frame));
		n++;
	}
	for (unsigned i = 0; i < 200; i++)
		guest_wait(&f.d, TX, NULL);
	assert_int_equal(f.counters->tx_dropped, 0);
	stop(&f);
}

/* A batch is one interrupt, and none where none is wanted. */
static void interrupts(void **state)
{
	struct virtio_net_setup setup = { 0 };
	uint8_t frame[100];
	struct fixture f;

	(void)state;
	start(&f, &setup, EVENTS | MERGE);
	fill(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 50; i++)
		offer_frame(&f, frame, sizeof(frame));
	guest_want_interrupt(&f.d.ring[TX]);
	guest_kick(&f.d, TX);
	assert_int_equal(guest_interrupted(&f.d), VIRTIO_MMIO_INT_VRING);
	assert_int_equal(guest_interrupted(&f.d), 0);
	for (unsigned i = 0; i < 50; i++)
		offer_frame(&f, frame, sizeof(frame));
	guest_kick(&f.d, TX);
	assert_int_equal(f.counters->tx_frames, 100);
	assert_int_equal(guest_interrupted(&f.d), 0);
	stop(&f);
}

/* In a stream the driver is not asked to kick before nothing more comes; else at once. */
static void streams(void **state)
{
	static const unsigned frames[] = { 50, 50, 0, 1 }, asked[] = { 0, 0, 100, 101 };
	struct virtio_net_setup setup = { 0 };
	uint8_t frame[100];
	struct fixture f;

	(void)state;
	start(&f, &setup, EVENTS | MERGE);
	fill(frame, sizeof(frame), 0);
	for (unsigned turn = 0; turn < ARRAY_SIZE(frames); turn++) {
		for (unsigned i = 0; i < frames[turn]; i++)
			offer_frame(&f, frame, sizeof(frame));
		if (frames[turn] > 0)
			guest_write32(&f.d, VIRTIO_MMIO_QUEUE_NOTIFY, TX);
		assert_int_equal(loop_step(f.g.loop, 0), 0);
		assert_int_equal(guest_asked(&f.d.ring[TX]), asked[turn]);
	}
	assert_int_equal(f.counters->tx_frames, 101);
	stop(&f);
}

/* A second's worth at once, the rest when it is due. */
static void limited(void **state)
{
	struct virtio_net_setup setup = { .rx_bps = 50000, .tx_bps = 50000 };
	uint8_t frame[HEADER + 1000];
	struct fixture f;
	int64_t begin;

	(void)state;
	start(&f, &setup, MERGE);
	fill(frame, sizeof(frame), 0);
	begin = loop_now_ms();
	for (unsigned i = 0; i < 60; i++)
		offer_frame(&f, frame, sizeof(frame));
	guest_kick(&f.d, TX);
	assert_in_range(f.counters->tx_frames, 50, 59);
	for (unsigned i = 0; i < 60; i++)
		guest_wait(&f.d, TX, NULL);
	assert_in_range(loop_now_ms() - begin, 150, GUEST_WAIT_MS);

	offer_room(&f, 130, sizeof(frame)); /* all the time enough for any frame */
	begin = loop_now_ms();
	for (unsigned i = 0; i < 60; i++) {
		while (write(f.peer, frame, sizeof(frame)) < 0)
			guest_run(&f.g);
		guest_run(&f.g);
	}
	assert_in_range(f.counters->rx_frames, 50, 59);
	for (unsigned i = 0; i < 60; i++)
		guest_wait(&f.d, RX, NULL);
	assert_in_range(loop_now_ms() - begin, 100, GUEST_WAIT_MS);
	stop(&f);
}

static void the_peer_goes(void **state)
{
	struct virtio_net_setup setup = { 0 };
	uint8_t frame[100] = "", got[8];
	struct fixture f;

	(void)state;
	start(&f, &setup, 0);
	offer_room(&f, 1, 2000);
	close_fd(&f.peer);
	guest_run(&f.g);
	assert_int_equal(guest_interrupted(&f.d), VIRTIO_MMIO_INT_CONFIG);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG, got, 8);
	assert_int_equal(got[6], 0); /* link down */
	assert_int_equal(guest_request(&f.d, TX, frame, sizeof(frame), NULL, 0), 0);
	assert_int_equal(f.counters->tx_dropped, 1);
	assert_false(guest_device_broken(&f.d));
	stop(&f);
}

static void wrong_descriptors(void **state)
{
	struct loop *loop = loop_new();
	struct memory mem = { .fd = -1 };
	struct virtio_net_setup setup = { 0 };
	struct err err = ERR_INIT;
	int pair[2];

	(void)state;
	setup.tap = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_null(virtio_net_new(&setup, "eth0", loop, &mem, &err));
	assert_non_null(strstr(err_msg(&err), "is no tap device"));
	/* A stream has no frames. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	setup.tap = pair[0];
	assert_null(virtio_net_new(&setup, "eth0", loop, &mem, &err));
	close(pair[1]);
	assert_int_equal(fcntl(pair[0], F_GETFD), -1);
	loop_free(loop);
	assert_int_equal(tap_open("a-name-that-is-too-long", &err), -ENAMETOOLONG);
}

static void up(const char *name, const char *address)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	auto_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(ifr.ifr_name, name, strlen(name));
	assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
	memcpy(&ifr.ifr_addr, &in, sizeof(in));
	assert_int_equal(ioctl(s, SIOCSIFADDR, &ifr), 0);
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
}

static void arp(struct fixture *f)
{
	/* To all, who has 10.9.8.1: asked by 2:1:2:3:4:5, 10.9.8.2. */
	static const char who_has[] = "\xff\xff\xff\xff\xff\xff\2\1\2\3\4\5\x08\6"
				      "\0\1\x08\0\6\4\0\1\2\1\2\3\4\5\x0a\x09\x08\2"
				      "\0\0\0\0\0\0\x0a\x09\x08\1";
	uint8_t request[HEADER + 42] = { 0 };
	gpa_t at = offer_room(f, 64, 2048);
	const uint8_t *frame;

	memcpy(request + HEADER, who_has, 42);
	assert_int_equal(guest_request(&f->d, TX, request, sizeof(request), NULL, 0), 0);
	/* Other frames of the host's (IPv6 looks for neighbours) may come before. */
	for (unsigned i = 0; i < 64; i++, at += 2048) {
		guest_wait(&f->d, RX, NULL);
		frame = guest_ptr(&f->g, at + HEADER, 42);
		assert_false(frame[12] == STALE_TYPE >> 8 && frame[13] == (STALE_TYPE & 0xff));
		if (frame[12] == 8 && frame[13] == 6)
			break;
	}
	assert_int_equal(frame[21], 2); /* a reply, from whom was asked for */
	assert_memory_equal(frame + 28, request + HEADER + 38, 4);
	assert_memory_equal(frame, request + HEADER + 6, 6);
}

/* Headers as no driver would make them: the kernel refuses some, and nothing else happens. */
static void garbage(struct fixture *f)
{
	uint8_t frame[300];
	uint32_t seed = 1;

	for (unsigned i = 0; i < 2000; i++) {
		for (unsigned j = 0; j < sizeof(frame); j++)
			frame[j] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
		if (i % 2)
			frame[1] &= 0x87; /* a type that there is */
		if (i % 8 == 1)
			memset(frame, 0, HEADER); /* nothing to do */
		offer_frame(f, frame, HEADER + 14 + seed % (sizeof(frame) - HEADER - 14));
		guest_kick(&f->d, TX);
		guest_wait(&f->d, TX, NULL);
		if (i % 100 == 99)
			f->g.next = (f->g.next + 4095) & ~4095ULL;
	}
	assert_int_equal(f->counters->tx_frames + f->counters->tx_dropped, 2001);
	assert_true(f->counters->tx_frames > 1 && f->counters->tx_dropped > 0);
}

/* Frames wait in the tap for a driver that has no room. */
static void make_stale(const char *name)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	auto_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll at = { .sll_family = AF_PACKET };
	struct ifreq ifr = { 0 };

	frame[12] = STALE_TYPE >> 8;
	frame[13] = STALE_TYPE & 0xff;
	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	assert_int_equal(ioctl(fd, SIOCGIFINDEX, &ifr), 0);
	at.sll_ifindex = ifr.ifr_ifindex;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&at, sizeof(at)),
			sizeof(frame));
}

/* The last test: its network namespace goes with the process. */
static void a_real_tap(void **state)
{
	struct virtio_net_setup setup = { 0 };
	struct err err = ERR_INIT;
	struct fixture f = { .peer = -1 };
	uint64_t wanted = MERGE | 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
			  1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO4;
	struct ifreq plain = { .ifr_name = "plain", .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
		print_message("# no tap devices for this user\n");
		return;
	}
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_int_equal(ioctl(fd, TUNSETIFF, &plain), 0);
	assert_int_equal(tap_init(&(struct tap){ 0 }, fd, &err), -EINVAL);
	assert_non_null(strstr(err_msg(&err), "plain is no tap device with virtio's headers"));
	close(fd);

	setup.tap = tap_open("tap7", &err);
	assert_true(setup.tap >= 0);
	up("tap7", "10.9.8.1");
	start_on(&f, &setup, wanted);
	arp(&f);
	garbage(&f);
	guest_device_reset(&f.d);
	make_stale("tap7");
	guest_device_start(&f.d, 0, 256);
	arp(&f); /* and the next driver gets none of what came for the one before it */
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),	   cmocka_unit_test(merged),
		cmocka_unit_test(in_crumbs),	   cmocka_unit_test(room),
		cmocka_unit_test(too_little_room), cmocka_unit_test(hostile_frames),
		cmocka_unit_test(full_tap),	   cmocka_unit_test(interrupts),
		cmocka_unit_test(streams),	   cmocka_unit_test(limited),
		cmocka_unit_test(the_peer_goes),   cmocka_unit_test(wrong_descriptors),
		cmocka_unit_test(a_real_tap),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
