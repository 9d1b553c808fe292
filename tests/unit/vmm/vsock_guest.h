/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's driver of the socket device, as obedient or as bad as a test wants it, and a
 * directory with the device's unix sockets.
 */
#ifndef TESTS_UNIT_VMM_VSOCK_GUEST_H
#define TESTS_UNIT_VMM_VSOCK_GUEST_H

#include <limits.h>

#include "guest_driver.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_packet.h"

#define VG_CID	     3
#define VG_DATA_MAX  4096 /* of a packet that the guest receives, as in Linux */
#define VG_BUF_ALLOC (256U << 10)

struct vsock_guest {
	struct guest g;
	struct guest_device d;
	int doorman; /* its end of the socket */
	struct loop_source *doorman_src;
	char dir[PATH_MAX - 64], path[PATH_MAX]; /* of the device's socket */
	gpa_t tx;				 /* where packets are put together */
	unsigned rx_buffers;
	gpa_t rx[VIRTQ_SIZE_MAX]; /* by head / 2 */
};

/* A packet from the device. */
struct vg_packet {
	struct vsock_packet h;
	uint8_t data[VG_DATA_MAX];
};

/* The device with @rx_buffers for the driver to receive into, ready. */
void vg_init(struct vsock_guest *v, unsigned rx_buffers);
void vg_done(struct vsock_guest *v);
/* The driver begins anew. */
void vg_restart(struct vsock_guest *v, unsigned rx_buffers);

/* A stream packet of the guest's, to be changed as the test likes. */
struct vsock_packet vg_packet(uint16_t op, uint32_t host_port, uint32_t guest_port);
/* Send it, with @p->len bytes of @data behind it unless that is NULL. */
void vg_send(struct vsock_guest *v, const struct vsock_packet *p, const void *data);
void vg_send_op(struct vsock_guest *v, uint16_t op, uint32_t host_port, uint32_t guest_port);
void vg_send_data(struct vsock_guest *v, uint32_t host_port, uint32_t guest_port, const void *data,
		  uint32_t len);

/* The next packet, waited for; its buffer is given back to the device. */
void vg_receive(struct vsock_guest *v, struct vg_packet *p);
/* The same without waiting; false: there is none. */
bool vg_try_receive(struct vsock_guest *v, struct vg_packet *p);
/* Waited for, and it has to be an @op. */
void vg_expect(struct vsock_guest *v, uint16_t op, struct vg_packet *p);
/* Nothing comes. */
void vg_expect_none(struct vsock_guest *v);

/* A client of the host on the device's socket. */
int vg_connect(struct vsock_guest *v);
/* The same with the handshake for @guest_port done by both sides; *@host_port. */
int vg_open(struct vsock_guest *v, uint32_t guest_port, uint32_t *host_port);
/* The host's service for the guest's @port. */
int vg_listen(struct vsock_guest *v, uint32_t port);
void vg_say(int fd, const char *text);
/* Read from @fd without waiting, while the loop turns, until @len bytes are there. */
void vg_read(struct vsock_guest *v, int fd, void *buf, size_t len);
/* Has the other side closed, with nothing left to read? */
bool vg_ended(struct vsock_guest *v, int fd);

#endif
