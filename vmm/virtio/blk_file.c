/* SPDX-License-Identifier: Apache-2.0 */
/* What the file behind a disk is. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "vmm/virtio/blk_io.h"

#define PAGE 4096U

static int look_at_device(struct blk_file *f, struct err *err)
{
	unsigned int physical = 0, io_min = 0, io_opt = 0;
	int block = 0;

	if (ioctl(f->fd, BLKGETSIZE64, &f->bytes) < 0 || ioctl(f->fd, BLKSSZGET, &block) < 0)
		return err_sys(err, errno, "cannot ask for its size");
	f->block = (uint32_t)block;
	/* Advice only: a device without it has none. */
	if (ioctl(f->fd, BLKPBSZGET, &physical) == 0)
		f->physical = physical;
	if (ioctl(f->fd, BLKIOMIN, &io_min) == 0)
		f->io_min = io_min;
	if (ioctl(f->fd, BLKIOOPT, &io_opt) == 0)
		f->io_opt = io_opt;
	f->can_discard = true; /* where it cannot, the kernel says so for each */
	return 0;
}

static void look_at_file(struct blk_file *f, const struct stat *st)
{
	f->bytes = (uint64_t)st->st_size;
	f->block = SECTOR;
	f->physical = st->st_blksize > 0 && (uint64_t)st->st_blksize <= PAGE ?
			      (uint32_t)st->st_blksize :
			      PAGE;
	/* Tried behind the end, where there is nothing to lose. */
	f->can_discard = fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st->st_size,
				   PAGE) == 0;
}

/*
 * The smallest piece that may be read directly, which is what may be written: found by
 * trying, because not every kernel says it.
 */
static int look_at_direct(struct blk_file *f, struct err *err)
{
	int flags = fcntl(f->fd, F_GETFL);
	void *page;
	ssize_t n = -1;

	if (flags < 0 || fcntl(f->fd, F_SETFL, flags | O_DIRECT) < 0)
		return err_sys(err, errno, "direct I/O is not to be had");
	f->direct = true;
	if (posix_memalign(&page, PAGE, 2UL * PAGE) != 0)
		return err_set(err, ENOMEM, "out of memory");
	for (; f->block <= PAGE; f->block *= 2) {
		n = pread(f->fd, (uint8_t *)page + f->block, f->block, 0);
		if (n >= 0 || errno != EINVAL)
			break;
	}
	free(page);
	if (n < 0)
		return err_sys(err, errno, "direct I/O does not work");
	f->memory_align = f->block;
	if (f->physical < f->block)
		f->physical = f->block;
	return 0;
}

int blk_file_look(struct blk_file *f, int fd, bool direct, struct err *err)
{
	struct stat st;
	int r = 0;

	*f = (struct blk_file){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "cannot look at it");
	if (S_ISBLK(st.st_mode))
		r = look_at_device(f, err);
	else if (S_ISREG(st.st_mode))
		look_at_file(f, &st);
	else
		return err_set(err, EINVAL, "neither a regular file nor a block device");
	if (r < 0)
		return r;
	if (f->bytes == 0)
		return err_set(err, EINVAL, "it is empty");
	if (f->bytes % SECTOR)
		return err_set(err, EINVAL, "its %" PRIu64 " bytes are not whole sectors of %u",
			       f->bytes, SECTOR);
	if (direct)
		r = look_at_direct(f, err);
	if (r == 0 && f->bytes % f->block)
		r = err_set(err, EINVAL, "its %" PRIu64 " bytes are not whole blocks of %u",
			    f->bytes, f->block);
	return r;
}
