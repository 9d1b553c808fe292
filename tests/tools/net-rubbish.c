/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest may send that means no good, by its own kernel: from a container with
 * CAP_NET_RAW. Static, for there it is alone with busybox.
 *
 *	net-rubbish IFACE N SEED	N frames: of any type and length, from any sender; frames
 *					that are to be cut into segments of any size
 *
 * Prints how many the guest's kernel has taken, all of them and those with segments.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE 65000

static uint32_t state;

static uint32_t any(void)
{
	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void fill(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)any();
}

/* A header that the guest's kernel may believe, and the host's may not. */
static size_t make(struct virtio_net_hdr *h, uint8_t *frame, uint32_t i)
{
	static const uint16_t types[] = { ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, 0x8100, 0x88cc, 0x1234 };
	static const uint8_t segments[] = { VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
					    VIRTIO_NET_HDR_GSO_UDP, 5 /* UDP_L4 */ };
	bool large = i % 3 == 0;
	size_t len = large ? 60 + any() % (LARGE - 60) : 14 + any() % 1500;
	uint16_t type = htons(types[any() % 6]);

	memset(h, 0, sizeof(*h));
	fill(frame, len);
	memcpy(frame + 12, &type, 2);
	if (i % 5 == 0)
		memset(frame, 0xff, 6); /* to all, from anybody */
	frame[0] &= i % 5 ? 0xfe : 0xff;
	if (large) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->gso_type = segments[any() % 4];
		h->gso_size = (uint16_t)(i % 2 ? any() : 1 + any() % 8);
		h->hdr_len = (uint16_t)(any() % 200);
		h->csum_start = 34;
		h->csum_offset = 16;
		type = htons(h->gso_type == VIRTIO_NET_HDR_GSO_TCPV6 ? ETH_P_IPV6 : ETH_P_IP);
		memcpy(frame + 12, &type, 2);
		frame[14] = type == htons(ETH_P_IP) ? 0x45 : 0x60;
		frame[23] = h->gso_type == VIRTIO_NET_HDR_GSO_TCPV4 ? 6 : 17;
	}
	return len;
}

int main(int argc, char **argv)
{
	static uint8_t packet[sizeof(struct virtio_net_hdr) + LARGE];
	struct virtio_net_hdr *h = (struct virtio_net_hdr *)packet;
	uint8_t *frame = packet + sizeof(*h);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = 6 };
	unsigned taken = 0, segmented = 0, n = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), on = 1;

	if (fd < 0 || n == 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) < 0) {
		perror("net-rubbish");
		return 1;
	}
	state = (uint32_t)atoi(argv[3]);
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	for (unsigned i = 0; i < n; i++) {
		size_t len = make(h, frame, i);

		memcpy(to.sll_addr, frame, 6);
		if (sendto(fd, packet, sizeof(*h) + len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			continue;
		taken++;
		segmented += h->gso_type != 0;
	}
	printf("taken %u segmented %u\n", taken, segmented);
	return 0;
}
