/* SPDX-License-Identifier: Apache-2.0 */
/* The register file: the way to a running device, and everything that leads elsewhere. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest_driver.h"

#define FEATURE 5 /* that the test's device offers */

/* A device that counts what is done to it; its second queue gives back what it gets. */
struct probe {
	struct virtio_device dev;
	struct virtq queues[2];
	uint8_t config[16];
	unsigned started, kicked[2], reset, written, freed, paused, resumed;
	int start_result;
};

static int probe_start(struct virtio_device *dev)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->started++;
	return p->start_result;
}

static void probe_kick(struct virtio_device *dev, unsigned queue)
{
	struct probe *p = container_of(dev, struct probe, dev);
	struct virtq_chain c;
	int r = 0;

	p->kicked[queue]++;
	while (queue == 1 && (r = virtq_pop(&dev->queues[1], &c)) > 0)
		virtq_push(&dev->queues[1], c.head, 0);
	if (r < 0)
		virtio_break(dev, "bad");
	virtio_notify(dev, queue);
}

static void probe_reset(struct virtio_device *dev)
{
	container_of(dev, struct probe, dev)->reset++;
}

static void probe_config_written(struct virtio_device *dev)
{
	container_of(dev, struct probe, dev)->written++;
}

static void probe_pause(struct virtio_device *dev)
{
	container_of(dev, struct probe, dev)->paused++;
}

static void probe_resume(struct virtio_device *dev)
{
	container_of(dev, struct probe, dev)->resumed++;
}

static void probe_free(struct virtio_device *dev)
{
	container_of(dev, struct probe, dev)->freed++;
}

static const struct virtio_ops probe_ops = {
	.name = "probe",
	.id = 42,
	.start = probe_start,
	.kick = probe_kick,
	.reset = probe_reset,
	.config_written = probe_config_written,
	.pause = probe_pause,
	.resume = probe_resume,
	.free = probe_free,
};

struct fixture {
	struct guest g;
	struct guest_device d;
	struct probe p;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct probe *p = &f->p;

	guest_init(&f->g);
	virtio_device_init(&p->dev, &probe_ops, "it", f->g.loop, &f->g.mem, p->queues, 2, 64);
	p->dev.offered |= 1 << FEATURE;
	p->dev.config = p->config;
	p->dev.config_len = sizeof(p->config);
	p->dev.config_writable_from = 8;
	p->dev.config_writable_to = 12;
	memcpy(p->config, "0123456789abcdef", 16);
	guest_device_init(&f->d, &f->g, &p->dev);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_device_done(&f->d);
	assert_int_equal(f->p.freed, 1);
	assert_int_equal(f->p.reset, f->p.started);
	guest_done(&f->g);
	free(f);
	return 0;
}

static void says_what_it_is(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(guest_features(&f->d),
			 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX |
				 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1 << FEATURE);
	guest_write32(&f->d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static void runs(void **state)
{
	struct fixture *f = *state;

	guest_device_start(&f->d, 1 << FEATURE, 32);
	assert_int_equal(f->p.started, 1);
	assert_int_equal(f->p.dev.features, 1ULL << VIRTIO_F_VERSION_1 | 1 << FEATURE);
	assert_int_equal(f->p.queues[1].size, 32);
	assert_int_equal(f->p.kicked[1], 1); /* what may have waited is looked at */
	assert_int_equal(guest_request(&f->d, 1, "hi", 2, NULL, 0), 0);
	assert_int_equal(f->p.kicked[1], 2);
	assert_int_equal(f->p.kicked[0], 1);
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_VRING);
	assert_int_equal(guest_interrupted(&f->d), 0);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void begins_anew_after_reset(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i < 50; i++) {
		guest_device_start(&f->d, 0, 64);
		assert_int_equal(guest_request(&f->d, 1, "hi", 2, NULL, 0), 0);
		guest_device_reset(&f->d);
		assert_int_equal(f->p.reset, i);
		assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
		assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_null(f->p.queues[1].desc_ring);
		guest_kick(&f->d, 1); /* to nobody */
		guest_interrupted(&f->d);
		f->g.next = 8192;
	}
	assert_int_equal(f->p.kicked[1], 49 * 2);
}

static void features_are_agreed_upon(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t low, high;
		bool good;
	} offers[] = {
		{ 0, 1, true },
		{ 1 << FEATURE, 1, true },
		{ 0, 0, false },		  /* not version 1 */
		{ 1 << (FEATURE + 1), 1, false }, /* not offered */
		{ 0, 3, false },
		{ UINT32_MAX, UINT32_MAX, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 3);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES, offers[i].low);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES, offers[i].high);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 11);
		assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), offers[i].good ? 11 : 3);
		/* Later words change nothing. */
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 15);
		guest_run(&f->g);
		assert_int_equal(f->p.dev.started, offers[i].good);
		if (offers[i].good)
			assert_int_equal(f->p.dev.features,
					 (uint64_t)offers[i].high << 32 | offers[i].low);
	}
}

static void status_only_grows(void **state)
{
	struct fixture *f = *state;

	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 3);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 1);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), 3);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0xffffff40); /* NEEDS_RESET is the device's */
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), 3);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0x80);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), 0x83);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 4); /* before FEATURES_OK */
	guest_run(&f->g);
	assert_int_equal(f->p.started, 0);
}

/* Once the device runs its queues are as they are. */
static void a_running_queue_is_fixed(void **state)
{
	struct fixture *f = *state;

	guest_device_start(&f->d, 0, 64);
	for (uint64_t at = VIRTIO_MMIO_QUEUE_SEL; at <= VIRTIO_MMIO_QUEUE_USED_HIGH; at += 4) {
		if (at == VIRTIO_MMIO_QUEUE_SEL || at == VIRTIO_MMIO_STATUS)
			continue;
		guest_write32(&f->d, at, 0x1000);
	}
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_QUEUE_READY), 1);
	assert_int_equal(guest_request(&f->d, 1, "hi", 2, NULL, 0), 0);
}

static void bad_rings_stop_it(void **state)
{
	struct fixture *f = *state;

	guest_device_start(&f->d, 0, 64);
	guest_device_reset(&f->d);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 3);
	guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 11);
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NUM, 65); /* more than there is: none */
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_READY, 1);
	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 15);
	guest_run(&f->g);
	assert_true(guest_device_broken(&f->d));
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(f->p.started, 1);
}

static void a_start_that_fails_stops_it(void **state)
{
	struct fixture *f = *state;

	f->p.start_result = -EIO;
	guest_device_start(&f->d, 0, 64);
	assert_true(guest_device_broken(&f->d));
	assert_int_equal(f->p.kicked[0], 0);
	guest_kick(&f->d, 0);
	assert_int_equal(f->p.kicked[0], 0);
	guest_device_reset(&f->d);
	f->p.start_result = 0;
	guest_device_start(&f->d, 0, 64);
	assert_false(guest_device_broken(&f->d));
}

static void lies_stop_it(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		guest_device_start(&f->d, 0, 64);
		f->d.ring[1].avail->idx = 1000;
		guest_kick(&f->d, 1);
		assert_true(guest_device_broken(&f->d));
		guest_kick(&f->d, 1);
		assert_int_equal(f->p.kicked[1], 2U * (unsigned)i + 2);
		guest_device_reset(&f->d);
		f->g.next = 8192;
	}
}

static void configuration_space(void **state)
{
	struct fixture *f = *state;
	uint32_t generation = guest_read32(&f->d, VIRTIO_MMIO_CONFIG_GENERATION);
	char b[9] = "";

	virtio_mmio_read(f->d.t, VIRTIO_MMIO_CONFIG, b, 8);
	assert_string_equal(b, "01234567");
	virtio_mmio_read(f->d.t, VIRTIO_MMIO_CONFIG + 15, b, 1);
	assert_int_equal(b[0], 'f');
	virtio_mmio_read(f->d.t, VIRTIO_MMIO_CONFIG + 15, b, 2); /* over the end */
	assert_int_equal(b[0], 0);
	virtio_mmio_write(f->d.t, VIRTIO_MMIO_CONFIG + 7, "XX", 2); /* over the start */
	virtio_mmio_write(f->d.t, VIRTIO_MMIO_CONFIG + 11, "XX", 2);
	virtio_mmio_write(f->d.t, VIRTIO_MMIO_CONFIG + 4, "XXXXXXXX", 8);
	guest_run(&f->g);
	assert_int_equal(f->p.written, 0);
	virtio_mmio_write(f->d.t, VIRTIO_MMIO_CONFIG + 8, "yes!", 4);
	guest_run(&f->g);
	assert_int_equal(f->p.written, 1);
	assert_memory_equal(f->p.config, "01234567yes!cdef", 16);
	virtio_set_config(&f->p.dev, 0, "new", 3);
	assert_int_not_equal(guest_read32(&f->d, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(guest_interrupted(&f->d), 0); /* no driver yet */
	guest_device_start(&f->d, 0, 64);
	virtio_set_config(&f->p.dev, 0, "now", 3);
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_CONFIG);
}

/* Every width at every offset, by reads and by writes, and it still works. */
static void every_access(void **state)
{
	struct fixture *f = *state;
	static const uint32_t widths[] = { 1, 2, 4, 8 };
	static const uint64_t values[] = { 0, 1, UINT64_MAX, 0x100000001, 15 };

	for (uint64_t at = 0; at < VIRTIO_MMIO_SIZE; at++) {
		for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
			uint64_t got = UINT64_MAX;

			virtio_mmio_read(f->d.t, at, &got, widths[w]);
			if (at < VIRTIO_MMIO_CONFIG && (widths[w] != 4 || at % 4))
				assert_int_equal(got & (UINT64_MAX >> (64 - 8 * widths[w])), 0);
			for (size_t v = 0; v < ARRAY_SIZE(values); v++)
				virtio_mmio_write(f->d.t, at, &values[v], widths[w]);
		}
	}
	guest_run(&f->g);
	guest_device_reset(&f->d);
	guest_device_start(&f->d, 0, 64);
	assert_int_equal(guest_request(&f->d, 1, "hi", 2, NULL, 0), 0);
}

static void pauses(void **state)
{
	struct fixture *f = *state;

	virtio_device_pause(&f->p.dev);
	virtio_device_resume(&f->p.dev);
	assert_int_equal(f->p.paused + f->p.resumed, 0); /* not started: nothing to pause */
	guest_device_start(&f->d, 0, 64);
	virtio_device_pause(&f->p.dev);
	guest_kick(&f->d, 1);
	assert_int_equal(f->p.kicked[1], 1);
	virtio_device_resume(&f->p.dev);
	assert_int_equal(f->p.kicked[1], 2);
	assert_int_equal(f->p.paused, 1);
	assert_int_equal(f->p.resumed, 1);
}

/*
 * Processors that start, kick, reset and read all at once while the loop turns. What they
 * get is their own fault; the loop must live and every started device be reset.
 */
static void *storm(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 300; i++) {
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 3);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		guest_write32(&f->d, VIRTIO_MMIO_DRIVER_FEATURES, 1);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 11);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_SEL, 1);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NUM, 64);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0x10000);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x20000);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_USED_LOW, 0x30000);
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_READY, 1);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 15);
		for (int k = 0; k < 20; k++)
			guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
		virtio_mmio_write(f->d.t, VIRTIO_MMIO_CONFIG + 8, "abc", 3);
		guest_read32(&f->d, VIRTIO_MMIO_INTERRUPT_STATUS);
		guest_write32(&f->d, VIRTIO_MMIO_INTERRUPT_ACK, 3);
		guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0);
		guest_read32(&f->d, VIRTIO_MMIO_STATUS);
	}
	return NULL;
}

static void *storms(void *arg)
{
	struct fixture *f = arg;
	pthread_t other[3];

	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_int_equal(pthread_create(&other[i], NULL, storm, f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		pthread_join(other[i], NULL);
	loop_stop(f->g.loop, 0);
	return NULL;
}

static void turn_until_done(struct fixture *f, void *(*other)(void *))
{
	int64_t until = loop_now_ms() + 60000;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, other, f), 0);
	while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
		assert_true(loop_now_ms() < until);
		assert_int_equal(loop_step(f->g.loop, 10), 0);
	}
}

static void reset_storms(void **state)
{
	struct fixture *f = *state;

	turn_until_done(f, storms);
	guest_run(&f->g);
	guest_device_reset(&f->d);
	guest_device_start(&f->d, 0, 64);
	assert_int_equal(guest_request(&f->d, 1, "hi", 2, NULL, 0), 0);
}

/* A processor that waits for its reset goes on as soon as the loop has done it. */
static void *reset_once(void *arg)
{
	struct fixture *f = arg;

	guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_STATUS), 0);
	return NULL;
}

static void reset_waits_for_the_loop(void **state)
{
	struct fixture *f = *state;
	int64_t began = loop_now_ms();
	pthread_t thread;

	guest_device_start(&f->d, 0, 64);
	turn_until_done(f, reset_once);
	assert_int_equal(f->p.reset, 1);
	/* The same by a loop that is busy with waiting for the processor. */
	guest_device_start(&f->d, 0, 64);
	assert_int_equal(pthread_create(&thread, NULL, reset_once, f), 0);
	while (f->p.reset < 2) {
		virtio_mmio_settle(f->d.t);
		usleep(100);
	}
	pthread_join(thread, NULL);
	assert_true(loop_now_ms() - began < VIRTIO_MMIO_WAIT_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(says_what_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(runs, setup, teardown),
		cmocka_unit_test_setup_teardown(begins_anew_after_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(features_are_agreed_upon, setup, teardown),
		cmocka_unit_test_setup_teardown(status_only_grows, setup, teardown),
		cmocka_unit_test_setup_teardown(a_running_queue_is_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_rings_stop_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_start_that_fails_stops_it, setup, teardown),
		cmocka_unit_test_setup_teardown(lies_stop_it, setup, teardown),
		cmocka_unit_test_setup_teardown(configuration_space, setup, teardown),
		cmocka_unit_test_setup_teardown(every_access, setup, teardown),
		cmocka_unit_test_setup_teardown(pauses, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_storms, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_waits_for_the_loop, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
