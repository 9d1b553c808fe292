/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_driver.h"
#include "vmm/virtio/rng.h"

struct fixture {
	struct guest g;
	struct guest_device d;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	guest_init(&f->g);
	guest_device_init(&f->d, &f->g, virtio_rng_new("rng", f->g.loop, &f->g.mem, &err));
	guest_device_start(&f->d, 0, 16);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_device_done(&f->d);
	guest_done(&f->g);
	free(f);
	return 0;
}

static void gives_bytes(void **state)
{
	struct fixture *f = *state;
	uint8_t a[64] = "", b[64] = "", none[64] = "";

	assert_int_equal(guest_request(&f->d, 0, NULL, 0, a, sizeof(a)), sizeof(a));
	assert_int_equal(guest_request(&f->d, 0, NULL, 0, b, sizeof(b)), sizeof(b));
	assert_memory_not_equal(a, none, sizeof(a));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_VRING);
}

/* A request for megabytes gets some, spread as asked, and no byte beside them. */
static void gives_some_of_much(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b[] = { { guest_alloc(&f->g, 100, 1), 100, true },
				    { guest_alloc(&f->g, 4 << 20, 1), 4 << 20, true } };
	const uint8_t *big = guest_ptr(&f->g, b[1].addr, b[1].len);
	uint32_t n;

	guest_offer(&f->d.ring[0], guest_chain(&f->d.ring[0], b, 2));
	guest_kick(&f->d, 0);
	n = guest_wait(&f->d, 0, NULL);
	assert_in_range(n, 101, 65536);
	for (uint32_t i = n - 100; i < b[1].len; i++)
		assert_int_equal(big[i], 0);
}

static void nowhere_to_put_it(void **state)
{
	struct fixture *f = *state;
	struct guest_buffer b = { guest_alloc(&f->g, 100, 1), 100, false };
	uint8_t a[8];

	guest_offer(&f->d.ring[0], guest_chain(&f->d.ring[0], &b, 1));
	guest_kick(&f->d, 0);
	assert_true(guest_device_broken(&f->d));
	assert_int_equal(guest_interrupted(&f->d) & VIRTIO_MMIO_INT_CONFIG, VIRTIO_MMIO_INT_CONFIG);
	guest_device_reset(&f->d);
	guest_device_start(&f->d, 0, 16);
	assert_int_equal(guest_request(&f->d, 0, NULL, 0, a, sizeof(a)), sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_some_of_much, setup, teardown),
		cmocka_unit_test_setup_teardown(nowhere_to_put_it, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
