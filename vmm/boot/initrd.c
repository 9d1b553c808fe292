/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/initrd.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ULL

int initrd_load(int fd, const struct memory *m, gpa_t low, gpa_t high, struct initrd *initrd,
		struct err *err)
{
	gpa_t start = (low + PAGE - 1) & ~(PAGE - 1);
	struct stat st;
	uint64_t done = 0, size;
	uint8_t *at;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "initrd");
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(err, EINVAL, "initrd: not a file with content");
	size = (uint64_t)st.st_size;
	at = start < high && size <= high - start ? memory_at(m, start, size) : NULL;
	if (!at)
		return err_set(err, ENOSPC,
			       "initrd: %" PRIu64 " KiB do not fit into the guest's memory beside "
			       "the kernel",
			       size >> 10);
	while (done < size) {
		ssize_t n = pread(fd, at + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? errno : ENODATA, "initrd: cannot be read");
		done += (uint64_t)n;
	}
	*initrd = (struct initrd){ start, size };
	return 0;
}
