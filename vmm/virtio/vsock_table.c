/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/vsock_table.h"

#include <stdlib.h>

#include "base/cleanup.h"

void vsock_table_init(struct vsock_table *t)
{
	*t = (struct vsock_table){ .pool = VSOCK_ROOM_POOL, .next_port = VSOCK_HOST_PORT_MIN };
	list_init(&t->setup);
	list_init(&t->open);
	list_init(&t->lingering);
}

static struct vsock_stream *first(const struct list *streams)
{
	return container_of(streams->next, struct vsock_stream, link);
}

static uint32_t take_room(struct vsock_table *t)
{
	uint32_t more = t->pool / 16;

	if (more > VSOCK_ROOM_MAX - VSOCK_ROOM_MIN)
		more = VSOCK_ROOM_MAX - VSOCK_ROOM_MIN;
	t->pool -= more;
	return VSOCK_ROOM_MIN + more;
}

bool vsock_table_has_room(const struct vsock_table *t)
{
	return t->n < VSOCK_STREAMS_MAX || !list_empty(&t->lingering);
}

struct vsock_stream *vsock_table_add(struct vsock_table *t)
{
	struct vsock_stream *s;

	if (!vsock_table_has_room(t))
		return NULL;
	if (t->n == VSOCK_STREAMS_MAX)
		vsock_table_drop(t, first(&t->lingering));
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	vsock_stream_init(s, take_room(t));
	list_add_tail(&t->setup, &s->link);
	t->n++;
	return s;
}

/* Ports are the guest's choice, and so are collisions: it slows its own streams. */
static unsigned bucket_of(uint32_t host_port, uint32_t guest_port)
{
	uint32_t hash = host_port * 0x9e3779b1U ^ guest_port * 0x85ebca6bU;

	return (hash >> 16) % VSOCK_BUCKETS;
}

void vsock_table_hash(struct vsock_table *t, struct vsock_stream *s, uint32_t host_port,
		      uint32_t guest_port)
{
	struct vsock_stream **bucket = &t->bucket[bucket_of(host_port, guest_port)];

	s->host_port = host_port;
	s->guest_port = guest_port;
	s->next_in_bucket = *bucket;
	s->hashed = true;
	*bucket = s;
}

void vsock_table_unhash(struct vsock_table *t, struct vsock_stream *s)
{
	struct vsock_stream **p = &t->bucket[bucket_of(s->host_port, s->guest_port)];

	if (!s->hashed)
		return;
	while (*p != s)
		p = &(*p)->next_in_bucket;
	*p = s->next_in_bucket;
	s->hashed = false;
}

struct vsock_stream *vsock_table_find(const struct vsock_table *t, uint32_t host_port,
				      uint32_t guest_port)
{
	struct vsock_stream *s = t->bucket[bucket_of(host_port, guest_port)];

	while (s && (s->host_port != host_port || s->guest_port != guest_port))
		s = s->next_in_bucket;
	return s;
}

/* Ends: there are fewer streams than ports. */
uint32_t vsock_table_free_port(struct vsock_table *t, uint32_t guest_port)
{
	uint32_t port;

	do {
		port = t->next_port++;
		if (t->next_port > INT32_MAX)
			t->next_port = VSOCK_HOST_PORT_MIN;
	} while (vsock_table_find(t, port, guest_port));
	return port;
}

static uint32_t waiting_in(const struct list *streams)
{
	uint32_t sum = 0;
	struct list *it;

	list_for_each(it, streams)
		sum += container_of(it, struct vsock_stream, link)->waiting_len;
	return sum;
}

uint32_t vsock_table_waiting(const struct vsock_table *t)
{
	return waiting_in(&t->open) + waiting_in(&t->lingering);
}

static void move(struct vsock_stream *s, struct list *to)
{
	list_del(&s->link);
	list_add_tail(to, &s->link);
}

void vsock_table_opened(struct vsock_table *t, struct vsock_stream *s)
{
	move(s, &t->open);
}

void vsock_table_linger(struct vsock_table *t, struct vsock_stream *s)
{
	move(s, &t->lingering);
}

void vsock_table_drop(struct vsock_table *t, struct vsock_stream *s)
{
	vsock_table_unhash(t, s);
	list_del(&s->link);
	list_del(&s->ready);
	vsock_stream_close(s);
	t->pool += s->room - VSOCK_ROOM_MIN;
	t->n--;
	free(s);
}

void vsock_table_clear(struct vsock_table *t)
{
	struct list *all[] = { &t->setup, &t->open, &t->lingering };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		while (!list_empty(all[i]))
			vsock_table_drop(t, first(all[i]));
}
