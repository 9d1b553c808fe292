/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest_driver.h"
#include "vmm/virtio/blk.h"

static void what_is_no_disk(void **state)
{
	struct guest g;
	static const struct {
		const char *path;
		off_t bytes;
		const char *why;
	} bad[] = {
		{ NULL, 0, "disk root: it is empty" },
		{ NULL, 1000, "disk root: its 1000 bytes are not whole sectors of 512" },
		{ "/dev/null", 0, "disk root: neither a regular file nor a block device" },
		{ "/", 0, "disk root: neither a regular file nor a block device" },
		{ NULL, -1, "disk root: cannot look at it: Bad file descriptor" },
	};

	(void)state;
	guest_init(&g);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct virtio_blk_setup how = { .fd = -1 };
		char path[] = "test-blk-XXXXXX";
		bool made = false;
		struct err err = ERR_INIT;

		if (bad[i].path)
			how.fd = open(bad[i].path, O_RDONLY | O_CLOEXEC);
		else if (bad[i].bytes >= 0)
			made = (how.fd = mkstemp(path)) >= 0 &&
			       ftruncate(how.fd, bad[i].bytes) == 0;
		assert_null(virtio_blk_new(&how, "root", g.loop, &g.mem, &err));
		assert_string_equal(err.msg, bad[i].why);
		if (how.fd >= 0)
			assert_int_equal(fcntl(how.fd, F_GETFD), -1); /* taken over and closed */
		if (made)
			unlink(path);
	}
	guest_done(&g);
}

/* What is said of a file is what is so. */
static void what_is_one(void **state)
{
	char path[] = "test-blk-XXXXXX";
	int fd = mkstemp(path), ro = open(path, O_RDONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	struct blk_file f;

	(void)state;
	assert_true(fd >= 0 && ro >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, 3 * SECTOR), 0);
	assert_int_equal(blk_file_look(&f, fd, false, &err), 0);
	assert_int_equal(f.bytes, 3 * SECTOR);
	assert_int_equal(f.block, SECTOR);
	assert_true(f.physical >= f.block && (f.physical & (f.physical - 1)) == 0);
	assert_false(f.direct);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * SECTOR); /* looking changes nothing */
	assert_int_equal(blk_file_look(&f, ro, false, &err), 0);
	assert_false(f.can_discard);
	close(fd);
	close(ro);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_disk),
		cmocka_unit_test(what_is_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("blk_file", tests, NULL, NULL);
}
