/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a disk's requests meet its file: by io_uring, many at a time and finished in any
 * order, or one after another by preadv() and its like. The ring is made with the disk,
 * before the monitor locks itself in; where the kernel has none or refuses it, and for
 * files in memory, which never wait for anything, requests are done on the spot.
 */
#ifndef VMM_VIRTIO_BLK_IO_H
#define VMM_VIRTIO_BLK_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/loop.h"

#define SECTOR 512U

enum blk_engine {
	BLK_ENGINE_AUTO,
	BLK_ENGINE_SYNC,
	BLK_ENGINE_RING, /* for tests: an error where there is none */
};

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO };

struct blk_io_request {
	enum blk_op op;
	bool through; /* BLK_WRITE: is done when it lies on the disk */
	uint64_t offset, len;
	struct iovec *iov; /* BLK_READ and BLK_WRITE: @len bytes; consumed */
	unsigned n;
	/* Inside only. */
	int mode;	/* of fallocate() */
	unsigned tries; /* that got nowhere */
};

/* What the file is: found out once. */
struct blk_file {
	int fd;
	bool direct, can_discard;
	uint64_t bytes;
	uint32_t block, physical; /* logical and physical block size */
	uint32_t io_min, io_opt;  /* advice: bytes, or 0 */
	uint32_t memory_align;	  /* of buffers, when @direct */
};

struct blk_io;

/* @result: 0 or -errno; the request is the caller's again. @req NULL: no more for now. */
typedef void (*blk_io_done_cb)(struct blk_io_request *req, int result, void *arg);

/*
 * Look at the open file @fd (borrowed), with O_DIRECT set when @direct: 0, -EINVAL and @err
 * for what is no disk, -errno.
 */
int blk_file_look(struct blk_file *f, int fd, bool direct, struct err *err);

/* For up to @depth requests at once. @f must stay. NULL and @err. */
struct blk_io *blk_io_new(const struct blk_file *f, enum blk_engine engine, unsigned depth,
			  struct loop *loop, blk_io_done_cb done, void *arg, struct err *err);
/* What is in flight is not waited for: drain first. NULL is allowed. */
void blk_io_free(struct blk_io *io);

/* Begin @req. @done may be called before this returns. */
void blk_io_begin(struct blk_io *io, struct blk_io_request *req);
/* Hand what was begun to the kernel, all at once; and tell what is done by now. */
void blk_io_commit(struct blk_io *io);
/*
 * Wait until nothing is in flight; -ETIMEDOUT after @ms: then the file is given up, and what
 * the kernel has still comes back at some time, but what is left of it is not begun.
 */
int blk_io_drain(struct blk_io *io, int ms);

#endif
