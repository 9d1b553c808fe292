/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No kick is lost. Linux prints to its console and spins until the device gives the bytes
 * back, so one that is lost stops a guest for ever, before its first word.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest_driver.h"
#include "vmm/virtio/console.h"

#define EVENTS (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define SIZE   16 /* of a queue */

enum { RX, TX };

struct fixture {
	struct guest g;
	struct guest_device d;
	int out;	    /* an empty file that takes the console's output */
	unsigned from_line; /* bytes to print from within an interrupt */
};

static int setup(void **state)
{
	struct virtio_console_setup setup = { .in = -1, .listener = -1 };
	char path[] = "/tmp/kicks-XXXXXX";
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->out = mkostemp(path, O_CLOEXEC);
	assert_true(f->out >= 0);
	unlink(path);
	setup.out = fcntl(f->out, F_DUPFD_CLOEXEC, 0);
	guest_init(&f->g);
	guest_device_init(&f->d, &f->g,
			  virtio_console_new(&setup, "it", f->g.loop, &f->g.mem, &err));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_device_done(&f->d);
	guest_done(&f->g);
	close_fd(&f->out);
	free(f);
	return 0;
}

/* Offer a byte as a driver does: kicked only if the device asks for it. Was it? */
static bool print(struct fixture *f)
{
	struct guest_ring *r = &f->d.ring[TX];
	struct guest_buffer byte = { 0, 1, false };
	uint16_t old = r->avail->idx;
	bool kick;

	guest_offer(r, guest_chain(r, &byte, 1));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	kick = vring_need_event(guest_asked(r), old + 1, old);
	if (kick)
		guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NOTIFY, TX);
	return kick;
}

static void expect_printed(struct fixture *f, unsigned n)
{
	assert_int_equal(lseek(f->out, 0, SEEK_END), n);
	for (; n > 0; n--)
		assert_true(guest_used(&f->d.ring[TX], NULL, NULL));
	assert_false(guest_used(&f->d.ring[TX], NULL, NULL));
}

/* The loop hears of the start and of the kick at the same time, in either order. */
static void right_behind_the_start(void **state)
{
	struct fixture *f = *state;

	guest_device_begin(&f->d, EVENTS, SIZE);
	assert_true(print(f));
	assert_false(print(f));
	guest_run(&f->g);
	expect_printed(f, 2);
	/* That kick is for nobody; what it is about is found at the start. */
	guest_device_reset(&f->d);
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NOTIFY, TX);
	guest_device_begin(&f->d, EVENTS, SIZE);
	guest_offer(&f->d.ring[TX],
		    guest_chain(&f->d.ring[TX], &(struct guest_buffer){ 0, 1, false }, 1));
	guest_run(&f->g);
	assert_true(guest_used(&f->d.ring[TX], NULL, NULL));
	assert_int_equal(lseek(f->out, 0, SEEK_END), 3);
}

static void print_more(void *arg, uint32_t line)
{
	struct fixture *f = arg;

	(void)line;
	if (f->from_line == 0)
		return;
	f->from_line--;
	f->d.ring[TX].avail->ring[SIZE] = f->d.ring[TX].used->idx; /* and the next */
	assert_false(print(f));
}

/* What comes when the device has looked for the last time, and has not yet asked for kicks. */
static void between_look_and_wish(void **state)
{
	struct fixture *f = *state;

	guest_device_start(&f->d, EVENTS, SIZE);
	virtio_mmio_set_line(f->d.t, print_more, f, 0);
	f->from_line = 3;
	assert_true(print(f));
	for (unsigned i = 0; i < 3; i++)
		guest_run(&f->g);
	assert_int_equal(f->from_line, 0);
	expect_printed(f, 4);
}

static void while_paused(void **state)
{
	struct fixture *f = *state;

	guest_device_start(&f->d, EVENTS, SIZE);
	virtio_device_pause(virtio_mmio_device(f->d.t));
	assert_true(print(f));
	guest_run(&f->g);
	expect_printed(f, 0);
	virtio_device_resume(virtio_mmio_device(f->d.t));
	expect_printed(f, 1);
}

/* A processor beside the loop: starts, and after each of them bytes, each waited for. */
#define STARTS 50
#define BYTES  20

static void *processor(void *arg)
{
	struct fixture *f = arg;
	gpa_t next = f->g.next;

	for (unsigned i = 0; i < STARTS * BYTES; i++) {
		int64_t until = loop_now_ms() + GUEST_WAIT_MS;

		if (i % BYTES == 0) {
			guest_write32(&f->d, VIRTIO_MMIO_STATUS, 0);
			f->g.next = next; /* what lies behind it is nobody's now */
			guest_device_begin(&f->d, EVENTS, SIZE);
		}
		print(f);
		while (!guest_used(&f->d.ring[TX], NULL, NULL))
			if (loop_now_ms() > until)
				return NULL;
	}
	return f;
}

static void beside_the_loop(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *done;

	assert_int_equal(pthread_create(&thread, NULL, processor, f), 0);
	while (pthread_tryjoin_np(thread, &done) == EBUSY)
		assert_int_equal(loop_step(f->g.loop, 10), 0);
	assert_non_null(done);
	assert_int_equal(lseek(f->out, 0, SEEK_END), STARTS * BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(right_behind_the_start, setup, teardown),
		cmocka_unit_test_setup_teardown(between_look_and_wish, setup, teardown),
		cmocka_unit_test_setup_teardown(while_paused, setup, teardown),
		cmocka_unit_test_setup_teardown(beside_the_loop, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
