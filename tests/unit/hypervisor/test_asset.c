/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration names and what the host has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/hugepages.h"

#define MIB 1048576

/* A disk of @size bytes whose first partition has the type @type, from sector @start. */
static char *image(size_t size, unsigned char type, uint32_t start, uint32_t sectors, bool mark)
{
	char *disk = xcalloc(1, size);

	if (size < 512)
		return disk;
	disk[446 + 4] = (char)type;
	memcpy(disk + 446 + 8, &start, sizeof(start));
	memcpy(disk + 446 + 12, &sectors, sizeof(sectors));
	if (mark)
		memcpy(disk + 510, "\x55\xaa", 2);
	return disk;
}

static void images(void **state)
{
	static const struct {
		size_t size;
		unsigned char type;
		uint32_t start, sectors;
		bool mark;
		const char *want; /* NULL: fine */
	} cases[] = {
		{ 2 * MIB, 0x83, 2048, 2048, true, NULL },
		{ 2 * MIB, 0xee, 1, 0xffffffff, true, NULL }, /* GPT */
		{ 2 * MIB, 0x83, 2048, 2049, true, "k IMAGE: the image is cut short" },
		{ 2 * MIB, 0x83, 0xffffffff, 0xffffffff, true, "k IMAGE: the image is cut short" },
		{ 2 * MIB, 0x83, 2048, 0, true, "k IMAGE: has no first partition" },
		{ 2 * MIB, 0x83, 2048, 2048, false, "k IMAGE: has no partition table" },
		{ 100, 0, 0, 0, false, "k IMAGE: has no partition table" },
		{ 0, 0, 0, 0, false, "k IMAGE: the file is empty" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[] = "/tmp/asset-test-XXXXXX";
		int fd = mkstemp(path);
		auto_free char *disk = image(cases[i].size ? cases[i].size : 1, cases[i].type,
					     cases[i].start, cases[i].sectors, cases[i].mark);
		auto_free char *want = NULL;
		struct err err = ERR_INIT;
		int r;

		assert_true(fd >= 0);
		close(fd);
		assert_int_equal(file_replace(path, disk, cases[i].size, 0600, NULL), 0);
		r = asset_check_image("k", path, &err);
		unlink(path);
		if (!cases[i].want) {
			assert_int_equal(r, 0);
			continue;
		}
		want = xasprintf("k %s%s", path, cases[i].want + strlen("k IMAGE"));
		assert_true(r < 0);
		assert_string_equal(err_msg(&err), want);
	}
}

static void places(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(asset_check_access("k", "/dev/urandom", false, &err), 0);
	assert_int_equal(asset_check_access("k", "/tmp", true, &err), 0);
	assert_int_equal(asset_check_access("k", "/dev/urandom", true, &err), -ENOTDIR);
	assert_string_equal(err_msg(&err), "k /dev/urandom: is no directory");
	assert_int_equal(asset_check_access("k", "/nonexistent", false, &err), -ENOENT);
	assert_string_equal(err_msg(&err), "k /nonexistent: No such file or directory");
}

#define PAGES(FREE, RSVD)                                                                       \
	"MemTotal: 1 kB\nHugePages_Total: 200\nHugePages_Free: " FREE "\nHugePages_Rsvd: " RSVD \
	"\nHugepagesize: 2048 kB\n"

static void huge_pages(void **state)
{
	static const struct {
		const char *meminfo;
		uint64_t more;
		const char *want; /* NULL: enough for 255 MiB */
	} cases[] = {
		{ PAGES("128", "0"), 0, NULL },
		{ PAGES("100", "0"), 28, NULL },
		{ PAGES("127", "0"), 0,
		  "k: 255 MiB of memory take 128 huge pages of 2048 kB, and 127 are free "
		  "(vm.nr_hugepages)" },
		{ PAGES("130", "10"), 0, "and 120 are free" },
		{ PAGES("1", "10"), 0, "and 0 are free" },
		{ "MemTotal: 1 kB\n", 500, "k: this host has no huge pages" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		int r = hugepages_judge("k", 255, cases[i].meminfo, cases[i].more, &err);

		assert_int_equal(r == 0, !cases[i].want);
		if (cases[i].want)
			assert_non_null(strstr(err_msg(&err), cases[i].want));
	}
	/* No host has so many. */
	assert_true(hugepages_check("k", UINT32_MAX, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images),
		cmocka_unit_test(places),
		cmocka_unit_test(huge_pages),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("assets", tests, NULL, NULL);
}
