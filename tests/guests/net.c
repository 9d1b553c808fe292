/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: frames of all sizes go out and come in as they are, also into buffers that are
 * smaller than they; and what is to be cut into segments only at the end of its way goes out
 * and comes in whole. The host is 10.7.0.1 and answers to ARP and to ping; a program of it
 * sends back what has segments. In the end come frames that are none.
 */
#include "virtio.h"

#define FEATURE_CSUM	   0
#define FEATURE_GUEST_CSUM 1
#define FEATURE_MAC	   5
#define FEATURE_GUEST_TSO4 7
#define FEATURE_HOST_TSO4  11
#define FEATURE_MERGE	   15

#define HEADER	     12 /* virtio 1.2, section 5.1.6 */
#define FRAME_MAX    1514
#define LARGE	     9054 /* a frame of segments */
#define SEGMENT	     1448
#define TCP_HEADERS  (14 + 20 + 20)
#define SMALL	     256
#define RX_BUFFERS   8
#define PING_HEADERS (14 + 20 + 8)

enum { RX, TX };

static const uint8_t my_ip[] = { 10, 7, 0, 2 }, host_ip[] = { 10, 7, 0, 1 };

static uint8_t my_mac[6], host_mac[6];
static uint8_t *out, *in, *room[RX_BUFFERS];
static uint8_t in_header[HEADER];
static uint32_t room_size;

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static uint16_t checksum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void start(struct device *d, uint64_t features, uint32_t size)
{
	device_start(d, features | 1ULL << FEATURE_MAC);
	room_size = size;
	for (uint16_t i = 0; i < RX_BUFFERS; i++)
		queue_put(d, RX, i, room[i], size, D_WRITE);
}

/* With what its header says. */
static void send_as_is(struct device *d, uint32_t len)
{
	d->queue[TX].desc[0] = (struct desc){ (uintptr_t)out, HEADER + len, 0, 0 };
	queue_do(d, TX, 0);
}

static void send(struct device *d, uint32_t len)
{
	memset(out, 0, HEADER);
	send_as_is(d, len);
}

/* A frame into @in: its length. */
static uint32_t receive(struct device *d)
{
	uint32_t len = 0, buffers = 1;

	for (uint32_t i = 0; i < buffers; i++) {
		uint32_t n = queue_get(d, RX), skip = i == 0 ? HEADER : 0;
		uint8_t *from = room[d->queue[RX].head];

		must(n > skip && n <= room_size);
		if (i == 0) {
			memcpy(in_header, from, HEADER);
			buffers = from[10] | (uint32_t)from[11] << 8;
		}
		must(buffers >= 1 && buffers <= RX_BUFFERS && len + n - skip <= LARGE);
		memcpy(in + len, from + skip, n - skip);
		len += n - skip;
		queue_offer(d, RX, d->queue[RX].head);
	}
	return len;
}

static void begin(uint16_t type, const uint8_t *to)
{
	memcpy(out + HEADER, to, 6);
	memcpy(out + HEADER + 6, my_mac, 6);
	put16(out + HEADER + 12, type);
}

static void resolve(struct device *d)
{
	static const uint8_t all[] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t request[] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	uint8_t *arp = out + HEADER + 14;

	begin(0x0806, all);
	memcpy(arp, request, sizeof(request));
	memcpy(arp + 8, my_mac, 6);
	memcpy(arp + 14, my_ip, 4);
	memset(arp + 18, 0, 6);
	memcpy(arp + 24, host_ip, 4);
	send(d, 42);
	/* The host has other things to say as well. */
	while (receive(d) < 42 || in[12] != 8 || in[13] != 6 || in[21] != 2)
		;
	memcpy(host_mac, in + 22, 6);
}

/* An IP header for @len bytes of @protocol, which begin where it ends. */
static uint8_t *begin_ip(uint8_t protocol, uint32_t len)
{
	uint8_t *ip = out + HEADER + 14;

	begin(0x0800, host_mac);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + len);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, my_ip, 4);
	memcpy(ip + 16, host_ip, 4);
	put16(ip + 10, checksum(ip, 20));
	return ip + 20;
}

static void ping(struct device *d, uint32_t n, uint32_t len)
{
	uint8_t *icmp = begin_ip(1, 8 + len);

	memset(icmp, 0, 8);
	icmp[0] = 8;
	put16(icmp + 6, n);
	for (uint32_t i = 0; i < len; i++)
		icmp[8 + i] = (uint8_t)(i * 7 + (i >> 8) + n);
	put16(icmp + 2, checksum(icmp, 8 + len));
	send(d, PING_HEADERS + len);
	for (;;) {
		uint32_t got = receive(d);

		if (got < PING_HEADERS + len || in[12] != 8 || in[13] != 0 || in[23] != 1 ||
		    in[34] != 0 || in[40] != n >> 8 || in[41] != (n & 255))
			continue;
		must(memcmp(in + PING_HEADERS, icmp + 8, len) == 0);
		return;
	}
}

static void pings(struct device *d)
{
	static const uint32_t sizes[] = { 0,   1,   17,	 18,   19,   200, 202,
					  203, 458, 459, 1000, 1471, 1472 };

	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ping(d, i, sizes[i]);
	for (uint32_t i = 0; i < 50; i++)
		ping(d, 1000 + i, i * 29);
}

/* Seven segments of TCP in one frame, which the host is asked to cut, and to sum up. */
static void segments(struct device *d)
{
	uint8_t *tcp = begin_ip(6, LARGE - 34), pseudo[12] = { 0 };

	memset(tcp, 0, 20);
	put16(tcp, 1000);
	put16(tcp + 2, 2000);
	tcp[12] = 5 << 4;
	tcp[13] = 0x10; /* ACK */
	for (uint32_t i = 20; i < LARGE - 34; i++)
		tcp[i] = (uint8_t)(i * 11 + (i >> 8));
	memcpy(pseudo, my_ip, 4);
	memcpy(pseudo + 4, host_ip, 4);
	pseudo[9] = 6;
	put16(pseudo + 10, LARGE - 34);
	put16(tcp + 16, ~checksum(pseudo, sizeof(pseudo)) & 0xffff);
	memset(out, 0, HEADER);
	out[0] = 1; /* the checksum is to be completed */
	out[1] = 1; /* segments of TCP over IPv4 */
	out[2] = TCP_HEADERS;
	out[4] = SEGMENT & 0xff;
	out[5] = SEGMENT >> 8;
	out[6] = 34;
	out[8] = 16;
	send_as_is(d, LARGE);
	/* The host itself knows of no such connection, and says so. */
	while (receive(d) != LARGE)
		;
	must(in_header[0] == 1 && in_header[1] == 1);
	must(in_header[4] == (SEGMENT & 0xff) && in_header[5] == SEGMENT >> 8);
	must(memcmp(in + TCP_HEADERS, out + HEADER + TCP_HEADERS, LARGE - TCP_HEADERS) == 0);
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

/*
 * Frames that are none, from addresses that are not ours, with headers that ask for what
 * cannot be done. What is refused is dropped, and the device goes on.
 */
static void nonsense(struct device *d)
{
	static const uint32_t lengths[] = { 0, 1, 13, 14, 33, 60, 1514, LARGE };
	static const uint8_t kinds[] = { 1, 3, 4, 5, 0x81, 0x83, 2, 0xff };

	for (uint32_t i = 0; i < 400; i++) {
		uint32_t len = lengths[i % 8];

		for (uint32_t k = 0; k < HEADER + len; k++)
			out[k] = (uint8_t)next_random();
		if (i & 1) {
			/* As far as it goes a frame of TCP over IPv4, for the host itself. */
			begin_ip(6, len > 34 ? len - 34 : 0);
			put16(out + HEADER + 6, next_random()); /* and of a spoofed sender */
		}
		out[0] = i & 2 ? 1 : (uint8_t)next_random();
		out[1] = i & 4 ? kinds[i / 8 % 8] : 0;
		if (i & 8) /* segments of one byte, or of more than there is */
			out[4] = i & 16 ? 1 : 0xff, out[5] = i & 16 ? 0 : 0xff;
		send_as_is(d, len);
	}
}

void guest_main(void)
{
	struct device d;

	out = take(HEADER + LARGE + 2, 16);
	in = take(LARGE + 2, 16);
	for (unsigned i = 0; i < RX_BUFFERS; i++)
		room[i] = take(2048, 16);
	must(device_find(&d, ID_NET, 0));
	for (unsigned i = 0; i < 6; i++)
		my_mac[i] = d.page[REG_CONFIG + i];
	must(my_mac[0] == 2 && my_mac[5] == 7);
	start(&d, 0, HEADER + FRAME_MAX);
	resolve(&d);
	pings(&d);
	ok("net: frames of all sizes go out and come in");
	device_reset(&d);
	start(&d, 1ULL << FEATURE_MERGE | 1ULL << FEATURE_EVENT, SMALL);
	pings(&d);
	ok("net: the same into small buffers, after a reset");
	device_reset(&d);
	start(&d,
	      1ULL << FEATURE_CSUM | 1ULL << FEATURE_GUEST_CSUM | 1ULL << FEATURE_GUEST_TSO4 |
		      1ULL << FEATURE_HOST_TSO4 | 1ULL << FEATURE_MERGE,
	      2048);
	segments(&d);
	ok("net: segments go out and come in as one frame");
	nonsense(&d);
	device_reset(&d);
	start(&d, 0, HEADER + FRAME_MAX);
	pings(&d);
	ok("net: frames and headers of nonsense harm nobody");
}
