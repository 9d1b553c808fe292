/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "guest_driver.h"
#include "vmm/virtio/balloon.h"

#define PAGE	  4096
#define STATS	  (1ULL << VIRTIO_BALLOON_F_STATS_VQ)
#define REPORTING (1ULL << VIRTIO_BALLOON_F_REPORTING)

enum { INFLATE, DEFLATE };

struct fixture {
	struct guest g;
	struct guest_device d;
	struct virtio_device *dev;
};

static void start(struct fixture *f, uint64_t features, bool shared)
{
	struct virtio_balloon_setup setup = { .mib = 3, .reporting = true };
	struct err err = ERR_INIT;

	guest_init(&f->g);
	if (shared) {
		memory_done(&f->g.mem);
		assert_int_equal(
			memory_init(&f->g.mem, 2 * GUEST_LOW, GUEST_LOW, GUEST_HIGH, true, &err),
			0);
	}
	f->dev = virtio_balloon_new(&setup, "test", f->g.loop, &f->g.mem, &err);
	guest_device_init(&f->d, &f->g, f->dev);
	guest_device_start(&f->d, features, 64);
}

static void stop(struct fixture *f)
{
	guest_device_done(&f->d);
	guest_done(&f->g);
}

/* @n pages of guest memory with something in them. */
static gpa_t use(struct fixture *f, unsigned n)
{
	gpa_t at = guest_alloc(&f->g, (size_t)n * PAGE, PAGE);

	memset(guest_ptr(&f->g, at, (size_t)n * PAGE), 0x5a, (size_t)n * PAGE);
	return at;
}

static bool is_there(struct fixture *f, gpa_t at)
{
	unsigned char there = 0;

	assert_int_equal(mincore(guest_ptr(&f->g, at, PAGE), PAGE, &there), 0);
	return there & 1;
}

static void tell(struct fixture *f, unsigned queue, const uint32_t *pfns, unsigned n)
{
	assert_int_equal(guest_request(&f->d, queue, pfns, n * sizeof(*pfns), NULL, 0), 0);
}

/* Up, down and back: exactly the pages that were named go, and they come back empty. */
static void up_and_down(struct fixture *f)
{
	gpa_t at = use(f, 16);
	uint32_t first = (uint32_t)(at / PAGE);
	/* Ascending, descending, alone, again. */
	uint32_t pfns[] = { first + 1, first + 2, first + 3,  first + 9,
			    first + 8, first + 7, first + 12, first + 12 };
	const bool gone[16] = { [1] = 1, [2] = 1, [3] = 1, [7] = 1, [8] = 1, [9] = 1, [12] = 1 };

	tell(f, INFLATE, pfns, ARRAY_SIZE(pfns));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(is_there(f, at + i * PAGE), !gone[i]);
	tell(f, DEFLATE, pfns, ARRAY_SIZE(pfns));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(*(uint8_t *)guest_ptr(&f->g, at + i * PAGE, 1),
				 gone[i] ? 0 : 0x5a);
	assert_int_equal(virtio_balloon_counters(f->dev)->inflated, ARRAY_SIZE(pfns));
	assert_int_equal(virtio_balloon_counters(f->dev)->deflated, ARRAY_SIZE(pfns));
}

static void private_memory(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0, false);
	up_and_down(&f);
	stop(&f);
}

static void shared_memory(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0, true);
	up_and_down(&f);
	stop(&f);
}

static void size(void **state)
{
	struct err err = ERR_INIT;
	auto_str struct str stats = STR_INIT;
	struct fixture f;
	uint32_t actual = 2 * 256, wanted;

	(void)state;
	start(&f, 0, false);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG, &wanted, 4);
	assert_int_equal(wanted, 3 * 256);
	guest_interrupted(&f.d);
	assert_int_equal(virtio_balloon_resize(f.dev, 5, &err), 0);
	assert_int_equal(guest_interrupted(&f.d), VIRTIO_MMIO_INT_CONFIG);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG, &wanted, 4);
	assert_int_equal(wanted, 5 * 256);
	assert_int_equal(virtio_balloon_resize(f.dev, 16, &err), -ERANGE);
	assert_string_equal(err_msg(&err), "balloon: the guest cannot give up 16 MiB of 16");
	/* The guest may write what it has reached, and nothing else. */
	virtio_mmio_write(f.d.t, VIRTIO_MMIO_CONFIG + 4, &actual, 4);
	virtio_mmio_write(f.d.t, VIRTIO_MMIO_CONFIG, &actual, 4);
	f.dev->ops->stats(f.dev, &stats);
	assert_string_equal(str_text(&stats), " balloon=2 balloon-wanted=5 reported=0");
	/* Whoever resets has nothing in it. */
	guest_device_reset(&f.d);
	virtio_mmio_read(f.d.t, VIRTIO_MMIO_CONFIG + 4, &actual, 4);
	assert_int_equal(actual, 0);
	stop(&f);
}

/* @queue is where it is by the specification (4), or where Linux has it. */
static void report_on(unsigned queue, uint64_t features)
{
	struct fixture f;
	struct guest_buffer b[3];
	gpa_t at;

	start(&f, features, false);
	if (queue != 4) {
		/* As Linux: the last ones are not set up. */
		guest_device_reset(&f.d);
		f.d.n = queue + 1;
		guest_device_start(&f.d, features, 64);
	}
	at = use(&f, 16);
	b[0] = (struct guest_buffer){ at, 4 * PAGE, true };
	/* Only whole pages. */
	b[1] = (struct guest_buffer){ at + 8 * PAGE + 1, 3 * PAGE, true };
	b[2] = (struct guest_buffer){ at + 15 * PAGE, 100, true };
	guest_offer(&f.d.ring[queue], guest_chain(&f.d.ring[queue], b, 3));
	guest_kick(&f.d, queue);
	assert_int_equal(guest_wait(&f.d, queue, NULL), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(is_there(&f, at + i * PAGE), !(i < 4 || i == 9 || i == 10));
	assert_int_equal(virtio_balloon_counters(f.dev)->reported, 7 * PAGE + 100);
	stop(&f);
}

static void reports(void **state)
{
	(void)state;
	report_on(4, REPORTING);
	report_on(4, REPORTING | STATS);
	report_on(2, REPORTING);
	report_on(3, REPORTING | STATS);
}

static void statistics(void **state)
{
	struct virtio_balloon_stat s[] = { { VIRTIO_BALLOON_S_MEMFREE, 5 << 20 },
					   { 777, 1 },
					   { VIRTIO_BALLOON_S_AVAIL, 7 << 20 } };
	struct guest_ring *r;
	struct guest_buffer b;
	struct fixture f;

	(void)state;
	start(&f, STATS, false);
	r = &f.d.ring[2];
	assert_true(virtio_balloon_counters(f.dev)->free == UINT64_MAX);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t written;

		b = (struct guest_buffer){ guest_put(&f.g, s, sizeof(s)), sizeof(s), false };
		guest_offer(r, guest_chain(r, &b, 1));
		guest_kick(&f.d, 2);
		/* The buffer stays until somebody wants to know. */
		assert_false(guest_used(r, NULL, &written));
		assert_int_equal(virtio_balloon_counters(f.dev)->free, s[0].val);
		assert_int_equal(virtio_balloon_counters(f.dev)->available, 7 << 20);
		assert_true(guest_used(r, NULL, &written));
		s[0].val *= 2;
	}
	/* Two at once are one too many. */
	for (unsigned i = 0; i < 2; i++)
		guest_offer(r, guest_chain(r, &b, 1));
	guest_kick(&f.d, 2);
	assert_true(guest_device_broken(&f.d));
	assert_int_equal(virtio_balloon_counters(f.dev)->available, 7 << 20);
	stop(&f);
}

/* Pages that are none: the device stops, the memory beside them stays. */
static void hostile(void **state)
{
	static const uint32_t outside[] = { 0xffffffff, 0x80000, GUEST_LOW / PAGE,
					    (GUEST_HIGH + GUEST_LOW) / PAGE };
	static uint32_t many[8193];
	struct fixture f;

	(void)state;
	start(&f, 0, false);
	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		gpa_t at = use(&f, 2);
		uint32_t pfns[] = { (uint32_t)(at / PAGE), outside[i] };
		struct guest_buffer b = { guest_put(&f.g, pfns, sizeof(pfns)), sizeof(pfns),
					  false };

		guest_offer(&f.d.ring[INFLATE], guest_chain(&f.d.ring[INFLATE], &b, 1));
		guest_kick(&f.d, INFLATE);
		assert_true(guest_device_broken(&f.d));
		assert_false(is_there(&f, at));
		assert_true(is_there(&f, at + PAGE));
		guest_device_reset(&f.d);
		guest_device_start(&f.d, 0, 64);
	}
	{
		/* Neighbours at the memory's end: the inner one goes, the outer one breaks. */
		uint32_t pfns[] = { GUEST_LOW / PAGE - 1, GUEST_LOW / PAGE };
		struct guest_buffer b = { guest_put(&f.g, pfns, sizeof(pfns)), sizeof(pfns),
					  false };

		guest_offer(&f.d.ring[INFLATE], guest_chain(&f.d.ring[INFLATE], &b, 1));
		guest_kick(&f.d, INFLATE);
		assert_true(guest_device_broken(&f.d));
		guest_device_reset(&f.d);
		guest_device_start(&f.d, 0, 64);
	}
	/* Odd lengths: whole numbers count, the rest is nothing. */
	tell(&f, INFLATE, &(uint32_t){ 1 }, 0);
	assert_int_equal(guest_request(&f.d, INFLATE, "abc", 3, NULL, 0), 0);
	{
		struct guest_buffer b = { guest_put(&f.g, many, sizeof(many)), sizeof(many),
					  false };

		guest_offer(&f.d.ring[INFLATE], guest_chain(&f.d.ring[INFLATE], &b, 1));
		guest_kick(&f.d, INFLATE);
		assert_true(guest_device_broken(&f.d));
	}
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(private_memory), cmocka_unit_test(shared_memory),
		cmocka_unit_test(size),		  cmocka_unit_test(reports),
		cmocka_unit_test(statistics),	  cmocka_unit_test(hostile),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
