/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How requests meet a file: one that behaves as none should, where the kernel's answers are
 * made up, and one that is in the page cache in part.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/virtio/blk_io.h"

/* From here on every preadv() of the process fails with @number. */
static int preadv_fails(int number)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)number),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(rules), rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return -errno;
	return 0;
}

static void done(struct blk_io_request *req, int result, void *arg)
{
	if (req) /* otherwise: that is all for now */
		*(int *)arg = result;
}

/* What a read of 512 bytes comes to; in a child, which has 10 seconds for it. */
static int read_result(int number)
{
	int result = 1, status;
	struct blk_file f = { .fd = memfd_create("disk", MFD_CLOEXEC),
			      .bytes = 4096,
			      .block = 512 };
	uint8_t data[512];
	struct iovec v = { data, sizeof(data) };
	struct blk_io_request req = { .op = BLK_READ, .len = sizeof(data), .iov = &v, .n = 1 };
	struct err err = ERR_INIT;
	pid_t pid;

	assert_int_equal(ftruncate(f.fd, 4096), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct loop *loop = loop_new();
		struct blk_io *io = blk_io_new(&f, BLK_ENGINE_SYNC, 1, loop, done, &result, &err);

		alarm(10);
		if (!io || (number && preadv_fails(number) < 0))
			_exit(255);
		blk_io_begin(io, &req);
		_exit(-result);
	}
	close(f.fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void reads_end(void **state)
{
	(void)state;
	assert_int_equal(read_result(0), 0);
	assert_int_equal(read_result(ENXIO), -ENXIO);
	/* Not now: but there is an end to that. */
	assert_int_equal(read_result(EAGAIN), -EIO);
	assert_int_equal(read_result(EINTR), -EIO);
}

#define PART (1 << 20)

/* A read of all of the file over a ring; each time from the page cache what is there of it. */
static void read_all(struct blk_file *f, const uint8_t *expected)
{
	struct loop *loop = loop_new();
	auto_free uint8_t *data = calloc(1, PART);
	struct iovec v[] = { { data, 5000 }, { data + 5000, PART - 5000 } };
	struct blk_io_request req = { .op = BLK_READ, .len = PART, .iov = v, .n = 2 };
	struct err err = ERR_INIT;
	int64_t limit = loop_now_ms() + 10000;
	int result = 1;
	struct blk_io *io = blk_io_new(f, BLK_ENGINE_RING, 4, loop, done, &result, &err);

	assert_non_null(io);
	blk_io_begin(io, &req);
	blk_io_commit(io);
	while (result > 0 && loop_now_ms() < limit)
		assert_int_equal(loop_step(loop, 100), 0);
	assert_int_equal(result, 0);
	assert_memory_equal(data, expected, PART);
	blk_io_free(io);
	loop_free(loop);
}

static void reads_what_is_cached_in_part(void **state)
{
	auto_free uint8_t *data = malloc(PART);
	struct blk_file f = { .bytes = PART, .block = 512 };
	auto_close int fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	uint8_t byte;

	(void)state;
	for (size_t i = 0; i < PART; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 9));
	assert_int_equal(write(fd, data, PART), PART);
	f.fd = fd;
	read_all(&f, data);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	/* In the middle of the first buffer, and of the second. */
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	read_all(&f, data);
	assert_int_equal(posix_fadvise(fd, 600000, 0, POSIX_FADV_DONTNEED), 0);
	read_all(&f, data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_end),
		cmocka_unit_test(reads_what_is_cached_in_part),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
