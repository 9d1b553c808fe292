/* SPDX-License-Identifier: Apache-2.0 */
/* A disk on a real file, by both engines: every request, and every bad one. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest_driver.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/uring.h"

#define SECTORS	  8192U
#define NO_STATUS 0xee

#define ALL_FEATURES                                                        \
	(1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_BLK_F_FLUSH | \
	 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES | \
	 1ULL << VIRTIO_BLK_F_CONFIG_WCE)

static enum blk_engine engine = BLK_ENGINE_SYNC;

struct fixture {
	struct guest g;
	struct guest_device d;
	char path[32];
	int fd; /* the test's own look at the file */
	gpa_t data, header, status;
};

static int make_file(struct fixture *f, off_t bytes)
{
	int fd;

	strncpy(f->path, "test-blk-XXXXXX", sizeof(f->path) - 1);
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static void begin(struct fixture *f, struct virtio_blk_setup setup)
{
	struct err err = ERR_INIT;
	struct virtio_device *dev;
	uint64_t wanted;

	setup.engine = engine;
	guest_init(&f->g);
	f->data = guest_alloc(&f->g, 4 << 20, 4096);
	f->header = guest_alloc(&f->g, 4096, 4096);
	f->status = f->header + 2048;
	f->fd = make_file(f, SECTORS * SECTOR);
	setup.fd = open(f->path, O_RDWR | O_CLOEXEC);
	dev = virtio_blk_new(&setup, "root", f->g.loop, &f->g.mem, &err);
	if (!dev)
		print_message("# %s\n", err_msg(&err));
	guest_device_init(&f->d, &f->g, dev);
	wanted = ALL_FEATURES & guest_features(&f->d);
	guest_device_start(&f->d, wanted, 128);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	begin(f, (struct virtio_blk_setup){ .fd = -1 });
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	guest_device_done(&f->d);
	guest_done(&f->g);
	close(f->fd);
	unlink(f->path);
	free(f);
	return 0;
}

/* The same disk with other properties. */
static void again(void **state, struct virtio_blk_setup how)
{
	struct fixture *f;

	teardown(state);
	f = calloc(1, sizeof(*f));
	begin(f, how);
	*state = f;
}

/* Offer one request with @len bytes of f->data, from @skip on. */
static void ask(struct fixture *f, uint32_t type, uint64_t sector, uint32_t skip, uint32_t len)
{
	struct virtio_blk_outhdr *h = guest_ptr(&f->g, f->header, sizeof(*h));
	struct guest_buffer b[] = {
		{ f->header, sizeof(*h), false },
		{ f->data + skip, len, type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID },
		{ f->status, 1, true },
	};

	*h = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(uint8_t *)guest_ptr(&f->g, f->status, 1) = NO_STATUS;
	guest_offer(&f->d.ring[0], guest_chain(&f->d.ring[0], b, 3));
}

static uint8_t answer(struct fixture *f, uint32_t *written)
{
	uint32_t n = guest_wait(&f->d, 0, NULL);

	if (written)
		*written = n;
	return *(uint8_t *)guest_ptr(&f->g, f->status, 1);
}

static uint8_t do_at(struct fixture *f, uint32_t type, uint64_t sector, uint32_t skip, uint32_t len)
{
	ask(f, type, sector, skip, len);
	guest_kick(&f->d, 0);
	return answer(f, NULL);
}

static uint8_t do_request(struct fixture *f, uint32_t type, uint64_t sector, uint32_t len)
{
	return do_at(f, type, sector, 0, len);
}

static uint8_t *data(struct fixture *f)
{
	return guest_ptr(&f->g, f->data, 4 << 20);
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i * 31 + i / 512 + seed) ^ seed >> 3);
}

static void says_what_it_is(void **state)
{
	struct fixture *f = *state;
	struct virtio_blk_config c;

	virtio_mmio_read(f->d.t, VIRTIO_MMIO_CONFIG, &c.capacity, 8);
	assert_int_equal(c.capacity, SECTORS);
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_CONFIG + 12), 126); /* seg_max */
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_CONFIG + 20), 512); /* blk_size */
	assert_int_equal(guest_read32(&f->d, VIRTIO_MMIO_DEVICE_ID), 2);
}

static void reads_and_writes(void **state)
{
	struct fixture *f = *state;
	uint8_t want[8192], file[8192];
	uint32_t written;

	fill(want, sizeof(want), 1);
	memcpy(data(f), want, sizeof(want));
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 100, sizeof(want)), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(f->fd, file, sizeof(file), 100 * SECTOR), sizeof(file));
	assert_memory_equal(file, want, sizeof(want));
	memset(data(f), 0, sizeof(want));
	ask(f, VIRTIO_BLK_T_IN, 100, 0, sizeof(want));
	guest_kick(&f->d, 0);
	assert_int_equal(answer(f, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, sizeof(want) + 1);
	assert_memory_equal(data(f), want, sizeof(want));
	assert_int_equal(guest_interrupted(&f->d), VIRTIO_MMIO_INT_VRING);
	/* The last sector, and a big one. */
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, SECTORS - 1, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTORS * SECTOR), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(f) + 100 * SECTOR, want, sizeof(want));
	assert_int_equal(do_request(f, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

/* Where buffers begin and end means nothing: the header in three, data with status. */
static void any_framing(void **state)
{
	struct fixture *f = *state;
	struct virtio_blk_outhdr *h = guest_ptr(&f->g, f->header, sizeof(*h));
	struct guest_ring *r = &f->d.ring[0];
	const struct guest_buffer in[] = {
		{ f->header, 1, false }, { f->header + 1, 10, false }, { f->header + 11, 5, false },
		{ f->data, 100, true },	 { f->data + 200, 413, true },
	};
	const struct guest_buffer out[] = { { f->header, 600, false },
					    { f->header + 600, 440, false },
					    { f->status, 1, true } };
	uint8_t want[1024];

	fill(want, sizeof(want), 2);
	memcpy(h + 1, want, sizeof(want));
	*h = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT, .sector = 7 };
	guest_offer(r, guest_indirect(r, out, 3));
	guest_kick(&f->d, 0);
	assert_int_equal(answer(f, NULL), VIRTIO_BLK_S_OK);
	*h = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = 8 };
	data(f)[612] = NO_STATUS;
	guest_offer(r, guest_chain(r, in, 5));
	guest_kick(&f->d, 0);
	guest_wait(&f->d, 0, NULL);
	assert_memory_equal(data(f), want + 512, 100);
	assert_memory_equal(data(f) + 200, want + 612, 412);
	assert_int_equal(data(f)[612], VIRTIO_BLK_S_OK);
}

static void refuses_what_is_not_on_it(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		uint8_t status;
	} bad[] = {
		{ VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 1ULL << 55, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, 15, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 32, VIRTIO_BLK_S_IOERR },
		{ 14 /* SECURE_ERASE */, 0, 16, VIRTIO_BLK_S_UNSUPP },
		{ 10 /* GET_LIFETIME */, 0, 512, VIRTIO_BLK_S_UNSUPP },
		{ 0x7fffffff, 0, 512, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_OK },
		{ VIRTIO_BLK_T_OUT, SECTORS, 0, VIRTIO_BLK_S_OK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t got = do_request(f, bad[i].type, bad[i].sector, bad[i].len);

		if (got != bad[i].status)
			fail_msg("%zu: %u", i, got);
	}
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void has_a_name(void **state)
{
	struct fixture *f = *state;

	memset(data(f), 'x', 32);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	assert_string_equal(data(f), "root");
	again(state, (struct virtio_blk_setup){ .serial = "0123456789abcdefghijklmnop" });
	f = *state;
	memset(data(f), 'x', 32);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_GET_ID, 0, 32), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(f), "0123456789abcdefghijxxxxxxxxxxxx", 32);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_GET_ID, 0, 4), VIRTIO_BLK_S_OK);
}

static uint8_t range(struct fixture *f, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes r = { sector, n, flags };

	memcpy(data(f), &r, sizeof(r));
	return do_request(f, type, 0, sizeof(r));
}

static bool all_zero(struct fixture *f, uint64_t sector, size_t n)
{
	uint8_t b[SECTOR];

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pread(f->fd, b, SECTOR, (off_t)((sector + i) * SECTOR)), SECTOR);
		for (size_t j = 0; j < SECTOR; j++) {
			if (b[j])
				return false;
		}
	}
	return true;
}

static void discards_and_zeroes(void **state)
{
	struct fixture *f = *state;
	const uint32_t unmap = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	struct stat before, st;

	if (!(guest_features(&f->d) & 1ULL << VIRTIO_BLK_F_DISCARD))
		skip();
	memset(data(f), 0xff, 1 << 20);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 0, 1 << 20), VIRTIO_BLK_S_OK);
	assert_int_equal(fsync(f->fd), 0);
	assert_int_equal(fstat(f->fd, &before), 0);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, 8, 800, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_true(st.st_blocks < before.st_blocks);
	assert_int_equal(st.st_size, SECTORS * SECTOR);
	assert_true(all_zero(f, 8, 800));
	assert_false(all_zero(f, 7, 1));
	assert_false(all_zero(f, 808, 1));
	assert_int_equal(range(f, VIRTIO_BLK_T_WRITE_ZEROES, 900, 3, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(range(f, VIRTIO_BLK_T_WRITE_ZEROES, 910, 80, unmap), VIRTIO_BLK_S_OK);
	assert_true(all_zero(f, 900, 3) && all_zero(f, 910, 80));
	assert_false(all_zero(f, 903, 1));
	assert_false(all_zero(f, 990, 1));
	assert_int_equal(range(f, VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 2, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, 0, 8, unmap), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 6), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, 0, 0, 0), VIRTIO_BLK_S_OK);
	/* Not agreed upon, not done. */
	guest_device_reset(&f->d);
	guest_device_start(&f->d, 0, 128);
	assert_int_equal(range(f, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_false(all_zero(f, 0, 1));
}

/* Read-only is what the monitor says, not what the driver agreed upon. */
static void read_only(void **state)
{
	struct fixture *f;

	again(state, (struct virtio_blk_setup){ .read_only = true });
	f = *state;
	assert_true(guest_features(&f->d) & 1ULL << VIRTIO_BLK_F_RO);
	assert_false(guest_features(&f->d) & 1ULL << VIRTIO_BLK_F_DISCARD);
	memset(data(f), 0xff, SECTOR);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_IOERR);
	assert_true(all_zero(f, 0, 1));
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(data(f)[0], 0);
}

/* The ways to keep what was written: none is seen here but that each of them works. */
static void caches(void **state)
{
	struct fixture *f = *state;
	uint64_t wce = VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce);
	uint8_t v = 0;

	virtio_mmio_write(f->d.t, wce, &v, 1);
	guest_run(&f->g);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_OK);
	virtio_mmio_read(f->d.t, wce, &v, 1);
	assert_int_equal(v, 0);
	guest_device_reset(&f->d);
	guest_device_start(&f->d, 0, 128);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_OK);
	again(state, (struct virtio_blk_setup){ .no_flush = true });
	f = *state;
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

static void errors_of_the_file(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small = { .rlim_cur = 1 << 20 };

	/* Somebody cut it while it was in use. */
	assert_int_equal(ftruncate(f->fd, SECTOR), 0);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 4000, SECTOR), VIRTIO_BLK_S_IOERR);
	/* A limit stands for a disk that is full. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 4000, SECTOR), VIRTIO_BLK_S_IOERR);
	/* The part that fits is no success either. */
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 2047, 2 * SECTOR), VIRTIO_BLK_S_IOERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 4000, SECTOR), VIRTIO_BLK_S_OK);
	assert_false(guest_device_broken(&f->d));
}

static void direct(void **state)
{
	struct fixture *f;
	uint8_t want[80 * 1024], file[80 * 1024];
	struct virtio_blk_setup how = { .direct = true };
	int probe = open("test-blk-direct", O_RDWR | O_CREAT | O_DIRECT, 0600);

	unlink("test-blk-direct");
	if (probe < 0)
		skip();
	close(probe);
	again(state, how);
	f = *state;
	fill(want, sizeof(want), 5);
	memcpy(data(f), want, sizeof(want));
	assert_int_equal(do_request(f, VIRTIO_BLK_T_OUT, 8, sizeof(want)), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(f->fd, file, sizeof(file), 8 * SECTOR), sizeof(file));
	assert_memory_equal(file, want, sizeof(want));
	/* The same with buffers as crooked as can be. */
	fill(want, sizeof(want), 6);
	memcpy(data(f) + 3, want, sizeof(want));
	assert_int_equal(do_at(f, VIRTIO_BLK_T_OUT, 16, 3, sizeof(want)), VIRTIO_BLK_S_OK);
	memset(data(f), 0, sizeof(want) + 16);
	assert_int_equal(do_at(f, VIRTIO_BLK_T_IN, 16, 5, sizeof(want)), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(f) + 5, want, sizeof(want));
	assert_int_equal(data(f)[4] | data(f)[5 + sizeof(want)], 0);
}

/* A whole queue at once, each checked; then the same again with a reset in the middle. */
static void many_at_once(void **state)
{
	struct fixture *f = *state;
	struct guest_ring *r = &f->d.ring[0];
	struct virtio_blk_outhdr *h = guest_ptr(&f->g, f->header, 2048);
	uint8_t *status = guest_ptr(&f->g, f->status, 64);

	fill(data(f), 64 * 4096, 9);
	assert_int_equal(pwrite(f->fd, data(f), 64 * 4096, 0), 64 * 4096);
	for (int round = 0; round < 2; round++) {
		memset(data(f), 0, 64 * 4096);
		memset(status, NO_STATUS, 64);
		for (unsigned i = 0; i < 64; i++) {
			struct guest_buffer b[] = { { f->header + i * sizeof(*h), 16, false },
						    { f->data + i * 4096, 4096, true },
						    { f->status + i, 1, true } };

			h[i] = (struct virtio_blk_outhdr){ .sector = 8 * (63 - i) };
			guest_offer(r, guest_indirect(r, b, 3));
		}
		guest_kick(&f->d, 0);
		if (round == 1)
			break;
		for (unsigned i = 0; i < 64; i++)
			guest_wait(&f->d, 0, NULL);
		for (unsigned i = 0; i < 64; i++) {
			uint8_t want[4096];

			assert_int_equal(status[i], VIRTIO_BLK_S_OK);
			assert_int_equal(pread(f->fd, want, 4096, (63 - i) * 4096), 4096);
			assert_memory_equal(data(f) + i * 4096, want, 4096);
		}
		assert_false(guest_used(r, NULL, NULL));
	}
	guest_device_reset(&f->d);
	/* Nothing comes after the reset. */
	memset(data(f), 0x55, 64 * 4096);
	usleep(20000);
	guest_run(&f->g);
	for (size_t i = 0; i < (size_t)64 * 4096; i++)
		assert_int_equal(data(f)[i], 0x55);
	guest_device_start(&f->d, 0, 128);
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

static void pauses(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *dev = virtio_mmio_device(f->d.t);

	ask(f, VIRTIO_BLK_T_IN, 0, 0, 4096);
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	virtio_device_pause(dev);
	guest_run(&f->g);
	assert_false(guest_used(&f->d.ring[0], NULL, NULL));
	virtio_device_resume(dev);
	assert_int_equal(answer(f, NULL), VIRTIO_BLK_S_OK);
	/* What was begun is finished when the pause begins. */
	ask(f, VIRTIO_BLK_T_IN, 0, 0, 1 << 20);
	virtio_device_kick(dev, 0);
	virtio_device_pause(dev);
	assert_true(guest_used(&f->d.ring[0], NULL, NULL));
	virtio_device_resume(dev);
}

/* No status, no header, half a header: nothing can be answered. */
static void chains_without_an_end(void **state)
{
	struct fixture *f = *state;
	const struct guest_buffer bad[][2] = {
		{ { f->header, 16, false }, { f->data, 512, false } },
		{ { f->header, 16, true }, { f->data, 512, true } },
		{ { f->header, 15, false }, { f->status, 1, true } },
		{ { f->header, 0, false }, { f->status, 0, true } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct guest_ring *r = &f->d.ring[0];

		guest_offer(r, guest_chain(r, bad[i], 2));
		guest_kick(&f->d, 0);
		assert_true(guest_device_broken(&f->d));
		assert_false(guest_used(r, NULL, NULL));
		guest_device_reset(&f->d);
		guest_device_start(&f->d, 0, 128);
	}
	assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
}

static void is_held_back(void **state)
{
	const struct virtio_blk_setup how = { .limits = { .ops = 20 } };
	struct fixture *f;
	int64_t began;

	again(state, how);
	f = *state;
	began = loop_now_ms();
	for (int i = 0; i < 25; i++)
		assert_int_equal(do_request(f, VIRTIO_BLK_T_IN, 0, SECTOR), VIRTIO_BLK_S_OK);
	assert_in_range(loop_now_ms() - began, 200, 5000);
	/* A reset while it waits. */
	ask(f, VIRTIO_BLK_T_IN, 0, 0, SECTOR);
	guest_kick(&f->d, 0);
	guest_device_reset(&f->d);
	usleep(60000);
	guest_run(&f->g);
	assert_false(guest_used(&f->d.ring[0], NULL, NULL));
}

/* So much that others have their turn in between; nothing of it is lost. */
static void takes_turns(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 8; i++)
		ask(f, VIRTIO_BLK_T_IN, 0, 0, SECTORS * SECTOR);
	guest_write32(&f->d, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	loop_step(f->g.loop, 0);
	assert_in_range(f->d.ring[0].used->idx, 0, 5);
	for (int i = 0; i < 8; i++)
		assert_int_equal(answer(f, NULL), VIRTIO_BLK_S_OK);
}

/* Each by both engines, but where this kernel has no io_uring. */
static int setup_ring(void **state)
{
	struct uring *ring = uring_new(8);

	engine = ring ? BLK_ENGINE_RING : BLK_ENGINE_SYNC;
	uring_free(ring);
	return setup(state);
}

#define T(name)                                                           \
	cmocka_unit_test_setup_teardown(name, setup, teardown),           \
	{                                                                 \
#name "_by_a_ring", name, setup_ring, teardown_ring, NULL \
	}

static int teardown_ring(void **state)
{
	engine = BLK_ENGINE_SYNC;
	return teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(says_what_it_is),
		T(reads_and_writes),
		T(any_framing),
		T(refuses_what_is_not_on_it),
		T(has_a_name),
		T(discards_and_zeroes),
		T(read_only),
		T(caches),
		T(errors_of_the_file),
		T(direct),
		T(many_at_once),
		T(pauses),
		T(chains_without_an_end),
		T(is_held_back),
		T(takes_turns),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
