/* SPDX-License-Identifier: Apache-2.0 */
/* A split ring from the device's side: what a good driver asks, and every lie. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_driver.h"

#define SIZE 8

struct fixture {
	struct guest g;
	struct guest_ring r;
	struct virtq q;
	struct virtq_chain c;
	gpa_t page;
};

static int setup_with(void **state, bool event_idx, bool indirect)
{
	struct fixture *f = calloc(1, sizeof(*f));

	guest_init(&f->g);
	f->page = guest_alloc(&f->g, 4096, 4096);
	guest_ring_init(&f->r, &f->g, SIZE);
	f->q.max = 16;
	guest_ring_attach(&f->r, &f->q);
	assert_int_equal(virtq_start(&f->q, &f->g.mem, event_idx, indirect), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, true, true);
}

static int setup_plain(void **state)
{
	return setup_with(state, false, false);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_done(&f->g);
	free(f);
	return 0;
}

static void takes_and_gives_back(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b[] = { { f->page, 100, false },
				    { f->page + 100, 0, false },
				    { f->page + 200, 50, false },
				    { f->page + 300, 20, true } };
	uint32_t head, written;
	char text[8] = "";

	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	memcpy(guest_ptr(&f->g, f->page + 98, 2), "he", 2);
	memcpy(guest_ptr(&f->g, f->page + 200, 3), "llo", 3);
	guest_offer(&f->r, guest_chain(&f->r, b, 4));
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable, 2); /* the empty one is left out */
	assert_int_equal(f->c.writable, 1);
	assert_int_equal(f->c.readable_len, 150);
	assert_int_equal(f->c.writable_len, 20);
	assert_int_equal(virtq_read(&f->c, 98, text, 5), 5);
	assert_string_equal(text, "hello");
	assert_int_equal(virtq_read(&f->c, 149, text, 5), 1);
	assert_int_equal(virtq_read(&f->c, 150, text, 5), 0);
	assert_int_equal(virtq_write(&f->c, 18, "abc", 3), 2);
	assert_memory_equal(guest_ptr(&f->g, f->page + 318, 2), "ab", 2);
	assert_int_equal(virtq_pop(&f->q, &f->c), 0);
	assert_false(guest_used(&f->r, &head, &written));
	virtq_push(&f->q, f->c.head, 20);
	assert_true(guest_used(&f->r, &head, &written));
	assert_int_equal(written, 20);
	assert_int_equal(head, 0);
}

static void a_chain_put_back_comes_again(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	guest_offer(&f->r, guest_chain(&f->r, &b, 1));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		assert_int_equal(f->q.taken, 1);
		virtq_unpop(&f->q, f->c.head);
		assert_int_equal(f->q.taken, 0);
	}
}

/* Several of them, the last one first. */
static void chains_put_back_come_in_order(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };
	uint16_t head[3], popped[3];

	for (int i = 0; i < 3; i++) {
		head[i] = guest_chain(&f->r, &b, 1);
		guest_offer(&f->r, head[i]);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3; i++) {
			assert_int_equal(virtq_pop(&f->q, &f->c), 1);
			popped[i] = f->c.head;
			assert_int_equal(popped[i], head[i]);
		}
		assert_int_equal(virtq_pop(&f->q, &f->c), 0);
		for (int i = 2; i >= 0; i--)
			virtq_unpop(&f->q, popped[i]);
		assert_int_equal(f->q.taken, 0);
	}
}

/* Indices are 16 bits and run on; more than 65536 chains go through all their values. */
static void indices_wrap(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };
	uint32_t head, written;

	for (uint32_t i = 0; i < 70000; i++) {
		guest_offer(&f->r, guest_chain(&f->r, &b, 1));
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		virtq_push(&f->q, f->c.head, i);
		assert_true(guest_used(&f->r, &head, &written));
		assert_int_equal(head, i % SIZE);
		assert_int_equal(written, i);
	}
}

static void a_table_is_a_chain(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b[40];

	/* Longer than the queue: that is what tables are for. */
	for (unsigned i = 0; i < 40; i++)
		b[i] = (struct guest_buffer){ f->page + 16 * i, 16, i >= 30 };
	guest_offer(&f->r, guest_indirect(&f->r, b, 40));
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable, 30);
	assert_int_equal(f->c.writable, 10);
	/* Ordinary descriptors may come before the table (section 2.7.5.3.1). */
	guest_chain(&f->r, b, 1);
	guest_offer(&f->r, 1);
	f->r.desc[1].flags = VRING_DESC_F_NEXT;
	f->r.desc[1].next = 2;
	guest_indirect(&f->r, b, 40);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable, 31);
}

static void interrupts_as_the_driver_wants(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	assert_false(virtq_wants_interrupt(&f->q)); /* for nothing */
	for (int i = 0; i < 3; i++)
		guest_offer(&f->r, guest_chain(&f->r, &b, 1));
	f->r.avail->ring[SIZE] = 1; /* with the second */
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_push(&f->q, f->c.head, 0);
	assert_false(virtq_wants_interrupt(&f->q));
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_push(&f->q, f->c.head, 0);
	assert_true(virtq_wants_interrupt(&f->q));
	assert_false(virtq_wants_interrupt(&f->q)); /* told once */
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	virtq_push(&f->q, f->c.head, 0);
	assert_false(virtq_wants_interrupt(&f->q));
}

static void interrupts_by_flag(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	for (int i = 0; i < 2; i++) {
		guest_offer(&f->r, guest_chain(&f->r, &b, 1));
		assert_int_equal(virtq_pop(&f->q, &f->c), 1);
		virtq_push(&f->q, f->c.head, 0);
		f->r.avail->flags = i ? VRING_AVAIL_F_NO_INTERRUPT : 0;
		assert_int_equal(virtq_wants_interrupt(&f->q), !i);
	}
}

static void asks_for_kicks(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };
	const uint16_t *event = (uint16_t *)(void *)&f->r.used->ring[SIZE];

	assert_false(virtq_kicks(&f->q, true));
	assert_int_equal(*event, 0);
	guest_offer(&f->r, guest_chain(&f->r, &b, 1));
	assert_true(virtq_kicks(&f->q, true)); /* one came meanwhile */
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_false(virtq_kicks(&f->q, false));
	assert_int_equal(*event, 0); /* stays behind */
	assert_false(virtq_kicks(&f->q, true));
	assert_int_equal(*event, 1);
}

static void asks_for_kicks_by_flag(void **state)
{
	struct fixture *f = *state;

	virtq_kicks(&f->q, false);
	assert_int_equal(f->r.used->flags, VRING_USED_F_NO_NOTIFY);
	virtq_kicks(&f->q, true);
	assert_int_equal(f->r.used->flags, 0);
}

static void a_queue_that_is_not_ready_is_silent(void **state)
{
	struct fixture *f = *state;
	struct virtq q = { .max = 16 };

	assert_int_equal(virtq_start(&q, &f->g.mem, true, true), 0);
	assert_int_equal(virtq_pop(&q, &f->c), 0);
	assert_false(virtq_kicks(&q, true));
	assert_false(virtq_wants_interrupt(&q));
}

/* Where a ring may not lie. */
static void rings_are_checked(void **state)
{
	struct fixture *f = *state;
	const struct virtq good = { .max = 16,
				    .size = SIZE,
				    .ready = true,
				    .desc = f->r.desc_at,
				    .avail = f->r.avail_at,
				    .used = f->r.used_at };
	const struct {
		gpa_t desc, avail, used;
		uint16_t size;
	} bad[] = {
		{ good.desc, good.avail, good.used, 0 },
		{ good.desc, good.avail, good.used, 7 },
		{ good.desc, good.avail, good.used, 32 },
		{ good.desc + 8, good.avail, good.used, SIZE },
		{ good.desc, good.avail + 1, good.used, SIZE },
		{ good.desc, good.avail, good.used + 2, SIZE },
		{ GUEST_LOW, good.avail, good.used, SIZE },
		{ GUEST_LOW - 16 * (SIZE - 1), good.avail, good.used, SIZE },
		{ good.desc, GUEST_LOW - 20, good.used, SIZE },
		{ good.desc, good.avail, GUEST_LOW - 68, SIZE },
		{ good.desc, good.avail, UINT64_MAX - 3, SIZE },
		{ UINT64_MAX - 15, good.avail, good.used, SIZE },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct virtq q = { .max = 16,
				   .ready = true,
				   .size = bad[i].size,
				   .desc = bad[i].desc,
				   .avail = bad[i].avail,
				   .used = bad[i].used };

		assert_int_equal(virtq_start(&q, &f->g.mem, true, true), -EPROTO);
		assert_int_equal(virtq_pop(&q, &f->c), 0);
	}
}

/* One lie about a chain: what is written over the first descriptors. */
struct lie {
	const char *name;
	struct vring_desc d[3];
};

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define PAGE	 4096 /* where the fixture's page lies */

static const struct lie lies[] = {
	{ "next past the table", { { PAGE, 8, NEXT, SIZE } } },
	{ "next far past the table", { { PAGE, 8, NEXT, 0xffff } } },
	{ "a circle of one", { { PAGE, 8, NEXT, 0 } } },
	{ "a circle of two", { { PAGE, 8, NEXT, 1 }, { PAGE, 8, NEXT, 0 } } },
	{ "a circle of empty ones", { { PAGE, 0, NEXT, 1 }, { PAGE, 0, NEXT, 0 } } },
	{ "readable after writable", { { PAGE, 8, NEXT | WRITE, 1 }, { PAGE, 8, 0, 0 } } },
	{ "in no memory", { { GUEST_LOW, 8, 0, 0 } } },
	{ "over the end of memory", { { GUEST_LOW - 4, 8, 0, 0 } } },
	{ "in the hole", { { 3ULL << 30, 8, 0, 0 } } },
	{ "wrapping", { { UINT64_MAX - 3, 8, 0, 0 } } },
	{ "wrapping to the start", { { UINT64_MAX, UINT32_MAX, WRITE, 0 } } },
	{ "4 GiB", { { 0, UINT32_MAX, WRITE, 0 } } },
	{ "4 GiB in high memory", { { GUEST_HIGH, UINT32_MAX, WRITE, 0 } } },
	{ "table: not whole descriptors", { { PAGE, 24, INDIRECT, 0 } } },
	{ "table: empty", { { PAGE, 0, INDIRECT, 0 } } },
	{ "table: too long", { { PAGE, 16 * (VIRTQ_SIZE_MAX + 1), INDIRECT, 0 } } },
	{ "table: 4 GiB", { { PAGE, 0xfffffff0, INDIRECT, 0 } } },
	{ "table: in no memory", { { GUEST_LOW, 16, INDIRECT, 0 } } },
	{ "table: wrapping", { { UINT64_MAX - 7, 16, INDIRECT, 0 } } },
	{ "table: misaligned", { { PAGE + 4, 16, INDIRECT, 0 } } },
	{ "table: goes on", { { PAGE, 16, INDIRECT | NEXT, 1 }, { PAGE, 8, 0, 0 } } },
};

static void lies_of_chains_are_seen(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->page, PAGE);
	guest_offer(&f->r, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		memcpy(f->r.desc, lies[i].d, sizeof(lies[i].d));
		if (virtq_pop(&f->q, &f->c) != -EPROTO)
			fail_msg("believed: %s", lies[i].name);
		assert_int_equal(f->q.taken, 0);
	}
	/* A table that is the ring itself, and so stands in itself. */
	f->r.desc[0] = (struct vring_desc){ f->r.desc_at, 16, INDIRECT, 0 };
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	f->r.desc[0] = (struct vring_desc){ PAGE, 8, 0, 0 };
	assert_int_equal(virtq_pop(&f->q, &f->c), 1); /* the queue itself is as it was */
}

/* The same inside a table, and what only a table can say. */
static void lies_of_tables_are_seen(void **state)
{
	struct fixture *f = *state;
	struct vring_desc *table = guest_ptr(&f->g, f->page, 4096);
	static const struct lie inside[] = {
		{ "a table in a table", { { PAGE, 16, INDIRECT, 0 } } },
		{ "next past the table", { { 0, 8, NEXT, 3 } } },
		{ "a circle", { { 0, 8, NEXT, 1 }, { 0, 8, NEXT, 2 }, { 0, 8, NEXT, 0 } } },
		{ "a circle of empty ones", { { 0, 0, NEXT, 1 }, { 0, 0, NEXT, 0 } } },
		{ "in no memory", { { 0, 8, NEXT, 1 }, { GUEST_LOW, 8, 0, 0 } } },
	};

	guest_offer(&f->r, 0);
	f->r.desc[0] = (struct vring_desc){ PAGE, 48, INDIRECT, 0 };
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		memcpy(table, inside[i].d, sizeof(inside[i].d));
		if (virtq_pop(&f->q, &f->c) != -EPROTO)
			fail_msg("believed: %s", inside[i].name);
	}
}

/* More buffers than any queue has: ordinary ones, then a table that is as long as it may be. */
static void chains_are_bounded(void **state)
{
	struct fixture *f = *state;
	gpa_t at = guest_alloc(&f->g, 16 * VIRTQ_SIZE_MAX, 16);
	struct vring_desc *table = guest_ptr(&f->g, at, 16 * VIRTQ_SIZE_MAX);

	for (unsigned i = 0; i < VIRTQ_SIZE_MAX; i++)
		table[i] = (struct vring_desc){ 0, 8, i + 1 < VIRTQ_SIZE_MAX ? NEXT : 0, i + 1 };
	f->r.desc[0] = (struct vring_desc){ at, 16 * VIRTQ_SIZE_MAX, INDIRECT, 0 };
	f->r.desc[1] = (struct vring_desc){ 0, 8, NEXT, 0 };
	guest_offer(&f->r, 0);
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(f->c.readable, VIRTQ_SIZE_MAX);
	virtq_push(&f->q, 0, 0);
	guest_offer(&f->r, 1);
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
}

static void indirect_must_be_agreed_upon(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	guest_offer(&f->r, guest_indirect(&f->r, &b, 1));
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
}

static void lies_of_indices_are_seen(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	guest_chain(&f->r, &b, 1);
	f->r.avail->idx = SIZE + 1; /* more than there can be */
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	f->r.avail->idx = (uint16_t)-1; /* backwards */
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	f->r.avail->idx = 1;
	f->r.avail->ring[0] = SIZE; /* no descriptor */
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	f->r.avail->ring[0] = 0xffff;
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	f->r.avail->ring[0] = f->r.avail->ring[1] = 0;
	f->r.avail->idx = 2; /* the same chain twice */
	assert_int_equal(virtq_pop(&f->q, &f->c), 1);
	assert_int_equal(virtq_pop(&f->q, &f->c), -EPROTO);
	assert_int_equal(f->q.taken, 1);
}

/* Rings laid over each other, as a driver may ask: wrong answers for it, none for us. */
static void overlapping_rings_hurt_nobody(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { f->page, 10, true };

	virtq_stop(&f->q);
	guest_ring_attach(&f->r, &f->q);
	f->q.used = f->q.avail = f->q.desc;
	assert_int_equal(virtq_start(&f->q, &f->g.mem, true, true), 0);
	guest_chain(&f->r, &b, 1);
	for (int i = 0; i < 100000; i++) {
		int r = virtq_pop(&f->q, &f->c);

		if (r > 0)
			virtq_push(&f->q, f->c.head, (uint32_t)i);
		virtq_wants_interrupt(&f->q);
		virtq_kicks(&f->q, i & 1);
		f->r.desc[0].addr += 0x10001;
		assert_true(f->q.taken <= SIZE);
	}
}

/* A second processor changes a descriptor all the time: whatever is seen is a whole truth. */
struct race {
	struct vring_desc *d;
	uint16_t *index;
	bool stop;
};

static void *change(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED); i++) {
		__atomic_store_n(&r->d->addr, i & 1 ? 4096 : UINT64_MAX - 8, __ATOMIC_RELAXED);
		__atomic_store_n(&r->d->len, i & 2 ? 16 : UINT32_MAX, __ATOMIC_RELAXED);
		__atomic_store_n(&r->d->next, (uint16_t)(i >> 2), __ATOMIC_RELAXED);
		__atomic_store_n(&r->d->flags, (uint16_t)(i >> 4 & 7), __ATOMIC_RELAXED);
		__atomic_store_n(r->index, (uint16_t)(i % 3 ? 0 : i), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void what_is_checked_is_what_is_used(void **state)
{
	struct fixture *f = *state;
	struct race race = { .d = &f->r.desc[0], .index = &f->r.avail->ring[0] };
	const uint8_t *low = guest_ptr(&f->g, 0, GUEST_LOW);
	int64_t until = loop_now_ms() + GUEST_WAIT_MS;
	unsigned good = 0, bad = 0;
	pthread_t other;

	guest_offer(&f->r, 0);
	assert_int_equal(pthread_create(&other, NULL, change, &race), 0);
	while (good + bad < 50000 || ((good == 0 || bad == 0) && loop_now_ms() < until)) {
		int r = virtq_pop(&f->q, &f->c);

		if (r == -EPROTO) {
			bad++;
			continue;
		}
		assert_int_equal(r, 1);
		good++;
		assert_true(f->c.head < SIZE);
		for (unsigned j = 0; j < f->c.readable + f->c.writable; j++) {
			const uint8_t *p = f->c.iov[j].iov_base;

			assert_true(p >= low && p < low + GUEST_LOW &&
				    f->c.iov[j].iov_len <= (size_t)(low + GUEST_LOW - p));
		}
		virtq_unpop(&f->q, f->c.head);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
	assert_true(good > 0);
	assert_true(bad > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_and_gives_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_chain_put_back_comes_again, setup, teardown),
		cmocka_unit_test_setup_teardown(chains_put_back_come_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(indices_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(a_table_is_a_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupts_as_the_driver_wants, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupts_by_flag, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(asks_for_kicks, setup, teardown),
		cmocka_unit_test_setup_teardown(asks_for_kicks_by_flag, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(a_queue_that_is_not_ready_is_silent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rings_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(lies_of_chains_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(lies_of_tables_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(chains_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(indirect_must_be_agreed_upon, setup_plain,
						teardown),
		cmocka_unit_test_setup_teardown(lies_of_indices_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(overlapping_rings_hurt_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_checked_is_what_is_used, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
