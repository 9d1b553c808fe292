/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vhost_user.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"

/* Of a message's flags: the version of the protocol, and what tells answers from requests. */
#define VERSION	     1U
#define VERSION_MASK 3U
#define REPLY	     4U

#define F_PROTOCOL_FEATURES (1ULL << 30)

/* In the value of SET_VRING_KICK and the like: the ring's number. */
#define RING_MASK 0xffU

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
};

struct header {
	uint32_t request, flags, size;
};

struct ring_state {
	uint32_t index, num;
};

struct ring_address {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct region {
	uint64_t guest_addr, size, user_addr, mmap_offset;
};

struct memory_table {
	uint32_t n, padding;
	struct region region[MEMORY_REGIONS];
};

struct message {
	struct header header;
	union {
		uint64_t value;
		struct ring_state state;
		struct ring_address address;
		struct memory_table memory;
	} __attribute__((packed));
} __attribute__((packed));

/* 0, or -ETIMEDOUT when the exchange has taken its time. */
static int wait_for(const struct vhost_user *u, short events)
{
	int64_t left = u->deadline_ms - loop_now_ms();
	int r = left > 0 ? fd_poll(u->fd, events, (int)left) : 0;

	if (r < 0)
		return r;
	return r > 0 ? 0 : -ETIMEDOUT;
}

static int send_message(struct vhost_user *u, enum request request, const void *payload,
			uint32_t size, const int *fds, size_t n_fds)
{
	struct message m = { .header = { request, VERSION, size } };
	size_t len = sizeof(m.header) + size;
	ssize_t sent;

	if (size > 0)
		memcpy(&m.value, payload, size);
	while ((sent = fd_send(u->fd, &m, len, fds, n_fds)) == -EAGAIN) {
		int r = wait_for(u, POLLOUT);

		if (r < 0)
			return r;
	}
	if (sent < 0)
		return (int)sent;
	return (size_t)sent == len ? 0 : -EPROTO; /* a few bytes: they go whole or not at all */
}

static int send_value(struct vhost_user *u, enum request request, uint64_t value)
{
	return send_message(u, request, &value, sizeof(value), NULL, 0);
}

static int send_state(struct vhost_user *u, enum request request, uint32_t index, uint32_t num)
{
	struct ring_state state = { index, num };

	return send_message(u, request, &state, sizeof(state), NULL, 0);
}

static int send_eventfd(struct vhost_user *u, enum request request, uint32_t index, int fd)
{
	uint64_t value = index & RING_MASK;

	return send_message(u, request, &value, sizeof(value), &fd, 1);
}

static int read_all(struct vhost_user *u, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = recv(u->fd, (uint8_t *)buf + done, len - done, MSG_DONTWAIT);
		int r = 0;

		if (n == 0)
			return -ECONNRESET;
		if (n > 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			r = wait_for(u, POLLIN);
		else if (errno != EINTR)
			r = -errno;
		if (r < 0)
			return r;
	}
	return 0;
}

static int receive(struct vhost_user *u, enum request request, void *payload, uint32_t size)
{
	struct header h;
	int r = read_all(u, &h, sizeof(h));

	if (r == 0 && (h.request != request || h.size != size || !(h.flags & REPLY) ||
		       (h.flags & VERSION_MASK) != VERSION))
		return -EPROTO;
	return r == 0 ? read_all(u, payload, size) : r;
}

static int ask_value(struct vhost_user *u, enum request request, uint64_t *value)
{
	int r = send_message(u, request, NULL, 0, NULL, 0);

	return r < 0 ? r : receive(u, request, value, sizeof(*value));
}

static int greet(struct vhost_user *u)
{
	uint64_t protocol;
	int r = send_message(u, SET_OWNER, NULL, 0, NULL, 0);

	if (r == 0)
		r = ask_value(u, GET_FEATURES, &u->features);
	if (r < 0 || !(u->features & F_PROTOCOL_FEATURES))
		return r;
	/* Asked for and wanted: nothing. It is this feature itself that enables rings. */
	u->enables = true;
	r = ask_value(u, GET_PROTOCOL_FEATURES, &protocol);
	return r < 0 ? r : send_value(u, SET_PROTOCOL_FEATURES, 0);
}

void vhost_user_begin(struct vhost_user *u)
{
	u->deadline_ms = loop_now_ms() + VHOST_USER_WAIT_MS;
}

int vhost_user_open(struct vhost_user *u, int fd, struct err *err)
{
	int r;

	*u = (struct vhost_user){ .fd = fd };
	vhost_user_begin(u);
	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return err_sys(err, r, "no socket of a vhost-user back end");
	r = greet(u);
	return r < 0 ? err_sys(err, r, "the vhost-user back end does not answer") : 0;
}

int vhost_user_set_features(struct vhost_user *u, uint64_t features)
{
	return send_value(u, SET_FEATURES, features | (u->enables ? F_PROTOCOL_FEATURES : 0));
}

int vhost_user_set_memory(struct vhost_user *u, const struct memory *mem)
{
	struct memory_table table = { .n = mem->n };
	int fds[MEMORY_REGIONS];

	if (mem->fd < 0)
		return -EINVAL;
	for (unsigned i = 0; i < mem->n; i++) {
		const struct memory_region *r = &mem->region[i];

		table.region[i] = (struct region){ r->start, r->size, r->start, r->offset };
		fds[i] = mem->fd;
	}
	return send_message(
		u, SET_MEM_TABLE, &table,
		(uint32_t)(offsetof(struct memory_table, region) + mem->n * sizeof(struct region)),
		fds, mem->n);
}

int vhost_user_start_ring(struct vhost_user *u, uint32_t index, const struct virtq *q,
			  uint16_t base, int kick, int call)
{
	struct ring_address address = {
		.index = index,
		.desc = q->desc,
		.used = q->used,
		.avail = q->avail,
	};
	int r = send_state(u, SET_VRING_NUM, index, q->size);

	if (r == 0)
		r = send_state(u, SET_VRING_BASE, index, base);
	if (r == 0)
		r = send_message(u, SET_VRING_ADDR, &address, sizeof(address), NULL, 0);
	if (r == 0)
		r = send_eventfd(u, SET_VRING_CALL, index, call);
	if (r == 0)
		r = send_eventfd(u, SET_VRING_KICK, index, kick);
	if (r == 0 && u->enables)
		r = send_state(u, SET_VRING_ENABLE, index, 1);
	return r;
}

int vhost_user_stop_ring(struct vhost_user *u, uint32_t index, uint16_t *base)
{
	struct ring_state state;
	int r = send_state(u, GET_VRING_BASE, index, 0);

	if (r == 0)
		r = receive(u, GET_VRING_BASE, &state, sizeof(state));
	if (r == 0 && (state.index != index || state.num > UINT16_MAX))
		r = -EPROTO;
	if (r == 0)
		*base = (uint16_t)state.num;
	return r;
}
