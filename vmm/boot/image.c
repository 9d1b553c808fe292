/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

int image_map(struct image *image, int fd, const char *what, struct err *err)
{
	struct stat st;
	void *p;

	*image = (struct image){ 0 };
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", what);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s: not a file", what);
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(err, errno, "%s: cannot be mapped", what);
	image->bytes = p;
	image->size = (uint64_t)st.st_size;
	return 0;
}

void image_unmap(struct image *image)
{
	if (image->bytes)
		munmap((void *)(uintptr_t)image->bytes, image->size);
	*image = (struct image){ 0 };
}

/*
 * Have the kernel bring in what is to be copied: at once, and with an errno where a touch
 * would end in SIGBUS, as on a disk with errors. One that does not know how is fine.
 */
static int bring_in(const uint8_t *from, uint64_t len)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), skip = (uintptr_t)from & (page - 1);

	if (madvise((void *)((uintptr_t)from - skip), len + skip, MADV_POPULATE_READ) == 0 ||
	    errno == EINVAL)
		return 0;
	return errno == EFAULT ? -EIO : -errno;
}

int image_copy(const struct image *image, void *to, uint64_t offset, uint64_t len)
{
	int r;

	if (offset > image->size || len > image->size - offset)
		return -ENODATA;
	if (len == 0)
		return 0;
	r = bring_in(image->bytes + offset, len);
	if (r == 0)
		memcpy(to, image->bytes + offset, len);
	return r;
}
