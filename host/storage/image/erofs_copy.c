/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/erofs_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/storage/image/erofs_format.h"

#define PART (256 * 1024)

static int put_at(int out, const uint8_t *data, size_t len, off_t at, struct err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(out, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, n < 0 ? errno : EIO, "write the image");
		data += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int erofs_put(int out, const void *data, size_t len, uint32_t block, struct err *err)
{
	return put_at(out, data, len, (off_t)block << EROFS_BLOCK_BITS, err);
}

static int changed(struct err *err)
{
	return err_set(err, ESTALE, "it changed while it was read");
}

/* The same inode with the same size and times as when the tree was read. */
static int check(const struct node *node, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "stat");
	if (st.st_ino != node->ino || !S_ISREG(st.st_mode) || st.st_size != node->size ||
	    st.st_ctim.tv_sec != node->ctime.tv_sec || st.st_ctim.tv_nsec != node->ctime.tv_nsec)
		return changed(err);
	return 0;
}

/* Exactly @len bytes of @fd from @at on. */
static int get(int fd, uint8_t *to, size_t len, off_t at, struct err *err)
{
	while (len > 0) {
		ssize_t n = pread(fd, to, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "read");
		if (n == 0)
			return changed(err);
		to += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What lies between two holes: @len bytes from @from on. */
static int copy_data(int fd, int out, off_t from, uint64_t len, off_t base, struct err *err)
{
	static uint8_t part[PART]; /* there is one writer in a process */
	bool share = true;	   /* a file system may have them share their blocks */

	while (len > 0) {
		size_t n = len < PART ? (size_t)len : PART;
		off_t to = base + from;
		ssize_t done =
			share && n == PART ? copy_file_range(fd, &from, out, &to, len, 0) : 0;
		int r;

		if (done > 0) {
			len -= (size_t)done;
			continue;
		}
		share = false;
		r = get(fd, part, n, from, err);
		if (r == 0)
			r = put_at(out, part, n, base + from, err);
		if (r < 0)
			return r;
		from += (off_t)n;
		len -= n;
	}
	return 0;
}

int erofs_copy(const struct node *node, int fd, int out, struct err *err)
{
	off_t base = (off_t)node->block << EROFS_BLOCK_BITS, at = 0;
	int r = check(node, fd, err);

	if (r < 0)
		return r;
	/* Only where there are holes is it worth to look for them. */
	if (node->blocks * 512 >= node->size)
		return copy_data(fd, out, 0, (uint64_t)node->size, base, err);
	while (at < node->size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 || hole <= data) { /* it cannot tell */
			data = at;
			hole = node->size;
		}
		hole = hole < node->size ? hole : node->size;
		r = copy_data(fd, out, data, (uint64_t)(hole - data), base, err);
		if (r < 0)
			return r;
		at = hole;
	}
	return 0;
}

int erofs_copy_inline(const struct node *node, int fd, uint8_t *to, struct err *err)
{
	int r = check(node, fd, err);

	return r < 0 ? r : get(fd, to, (size_t)node->size, 0, err);
}
