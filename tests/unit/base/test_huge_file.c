/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/huge_file.h"
#include "base/str.h"

#define SIZE (1UL << 34) /* more than half of many a host */

/* How many of the bytes from @at on, which are mapped, huge pages hold. */
static unsigned long long huge_kb(const void *at)
{
	auto_free char *start = xasprintf("\n%lx-", (unsigned long)at);
	static const char what[] = "ShmemPmdMapped:";
	auto_str struct str text = STR_INIT;
	const char *line;

	assert_int_equal(file_read("/proc/self/smaps", 1 << 22, &text, NULL), 0);
	line = strstr(str_text(&text), start);
	line = line ? strstr(line, what) : NULL;
	return line ? strtoull(line + strlen(what), NULL, 10) : 0;
}

static void it_is_memory_that_others_map(void **state)
{
	auto_close int fd = huge_file();
	struct stat st;
	char *a, *b;

	(void)state;
	/* Who may not mount, and in odd kernels: those do without. */
	if (fd == -EPERM || fd == -EINVAL || fd == -ENOSYS)
		return;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	a = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, SIZE - (1 << 20));
	b = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, SIZE - (1 << 20));
	assert_true(a != MAP_FAILED && b != MAP_FAILED);
	a[5] = 'x';
	assert_int_equal(b[5], 'x');
	/* Its holes are none of its size. */
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 <= (1 << 22));
	munmap(a, 1 << 20);
	munmap(b, 1 << 20);
}

static void its_pages_are_huge_where_it_is_advised(void **state)
{
	auto_close int fd = huge_file();
	auto_str struct str policy = STR_INIT;
	uint8_t *all, *at;

	(void)state;
	if (fd < 0 ||
	    file_read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", 128, &policy, NULL) <
		    0 ||
	    strstr(str_text(&policy), "[deny]"))
		return;
	assert_int_equal(ftruncate(fd, 8 << 20), 0);
	all = mmap(NULL, 16 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(all != MAP_FAILED);
	at = (uint8_t *)(((uintptr_t)all + HUGE_FILE_ALIGN - 1) & ~(HUGE_FILE_ALIGN - 1));
	assert_true(mmap(at, 8 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
	assert_int_equal(madvise(at, 8 << 20, MADV_HUGEPAGE), 0);
	for (size_t i = 0; i < 8 << 20; i += HUGE_FILE_ALIGN)
		at[i] = 1;
	/* Memory in one piece may be short; not all of it. */
	assert_true(huge_kb(at) >= HUGE_FILE_ALIGN >> 10);
	munmap(all, 16 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_memory_that_others_map),
		cmocka_unit_test(its_pages_are_huge_where_it_is_advised),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
