/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/blk_io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/virtio/uring.h"

#define BOUNCE_BYTES (64U << 10)
#define RETRY_MS     1
#define TRIES_MAX    100 /* that get nowhere */
#define LOOK_AGAIN   16	 /* reads after one that was not in the page cache */

struct blk_io {
	const struct blk_file *f;
	blk_io_done_cb done;
	void *arg;
	struct uring *ring; /* NULL: all is done on the spot */
	struct loop *loop;
	struct loop_source *source, *retry;
	unsigned in_flight;
	bool begun;	  /* since the last commit */
	bool given_up;	  /* nothing new is begun */
	bool looks;	  /* into the page cache, before the ring is asked */
	unsigned look_in; /* so many reads */
	void *bounce;	  /* for direct I/O with buffers that are not aligned; made when needed */
};

/* Take @n bytes off the front of what is to be done. */
static void advance(struct blk_io_request *req, uint64_t n)
{
	req->offset += n;
	req->len -= n;
	while (n > 0 && n >= req->iov->iov_len) {
		n -= req->iov->iov_len;
		req->iov++;
		req->n--;
	}
	if (n > 0) {
		req->iov->iov_base = (uint8_t *)req->iov->iov_base + n;
		req->iov->iov_len -= n;
	}
}

/*
 * How zeroes are asked for, and then how else: a hole reads as zeroes too, where a file
 * system cannot keep the space. To fallocate(), or 0 when there is no way left.
 */
static int other_mode(const struct blk_io_request *req)
{
	return req->op == BLK_ZERO && req->mode & FALLOC_FL_ZERO_RANGE ?
		       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE :
		       0;
}

static int first_mode(const struct blk_io_request *req)
{
	return FALLOC_FL_KEEP_SIZE |
	       (req->op == BLK_ZERO ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
}

/* One try on the spot: bytes, 0 when it is done as a whole, -errno. */
static ssize_t try_now(const struct blk_io *io, const struct blk_io_request *req)
{
	ssize_t n = -1;

	switch (req->op) {
	case BLK_READ:
		n = preadv(io->f->fd, req->iov, (int)req->n, (off_t)req->offset);
		break;
	case BLK_WRITE:
		n = pwritev(io->f->fd, req->iov, (int)req->n, (off_t)req->offset);
		break;
	case BLK_FLUSH:
		n = fdatasync(io->f->fd);
		break;
	case BLK_DISCARD:
	case BLK_ZERO:
		n = fallocate(io->f->fd, req->mode, (off_t)req->offset, (off_t)req->len);
		break;
	}
	return n < 0 ? -errno : n;
}

/*
 * What follows from a try: 1 when there is more to do, which @req says now; 0 when it is
 * done; -errno.
 */
static int after(struct blk_io_request *req, ssize_t result)
{
	if (result == -EINTR || result == -EAGAIN)
		return ++req->tries < TRIES_MAX ? 1 : -EIO;
	if (result == -EOPNOTSUPP && other_mode(req)) {
		req->mode = other_mode(req);
		return 1;
	}
	if (result < 0)
		return (int)result;
	if (req->op != BLK_READ && req->op != BLK_WRITE)
		return 0;
	/* The file is shorter than it was when the disk was made. */
	if (result == 0)
		return -EIO;
	advance(req, (uint64_t)result);
	req->tries = 0;
	return req->len > 0;
}

static int do_now(struct blk_io *io, struct blk_io_request *req)
{
	bool through = req->op == BLK_WRITE && req->through;
	int r;

	do {
		r = after(req, try_now(io, req));
	} while (r > 0);
	if (r == 0 && through && fdatasync(io->f->fd) < 0)
		r = -errno;
	return r;
}

/* Direct I/O goes between the disk and aligned memory only. */
static bool aligned(const struct blk_io *io, const struct blk_io_request *req)
{
	uintptr_t bits = 0;

	if (!io->f->direct || (req->op != BLK_READ && req->op != BLK_WRITE))
		return true;
	for (unsigned i = 0; i < req->n; i++)
		bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return bits % io->f->memory_align == 0;
}

/* Between the request's buffers and the bounce buffer. */
static void copy(const struct blk_io_request *req, uint8_t *bounce, uint64_t len, bool in)
{
	uint64_t left = len;

	for (unsigned i = 0; i < req->n && left > 0; i++) {
		uint64_t part = req->iov[i].iov_len < left ? req->iov[i].iov_len : left;

		memcpy(in ? bounce : req->iov[i].iov_base, in ? req->iov[i].iov_base : bounce,
		       part);
		bounce += part;
		left -= part;
	}
}

/* Over a buffer of ours, piece by piece. Rare: drivers of disks align what they send. */
static int do_bounced(struct blk_io *io, struct blk_io_request *req)
{
	/* As a disk with such blocks does, whatever its driver thinks of it. */
	if ((req->offset | req->len) % io->f->block)
		return -EINVAL;
	if (!io->bounce && posix_memalign(&io->bounce, BOUNCE_BYTES, BOUNCE_BYTES) != 0)
		return -ENOMEM;
	while (req->len > 0) {
		struct iovec v = { io->bounce, req->len < BOUNCE_BYTES ? req->len : BOUNCE_BYTES };
		struct blk_io_request part = *req;
		uint64_t len = v.iov_len;
		int r;

		part.iov = &v;
		part.n = 1;
		part.len = len;
		if (req->op == BLK_WRITE)
			copy(req, io->bounce, len, true);
		r = do_now(io, &part);
		if (r < 0)
			return r;
		if (req->op == BLK_READ)
			copy(req, io->bounce, len, false);
		advance(req, len);
	}
	return 0;
}

static void fill_in(const struct blk_io *io, struct blk_io_request *req, struct io_uring_sqe *e)
{
	static const uint8_t opcodes[] = {
		[BLK_READ] = IORING_OP_READV,	  [BLK_WRITE] = IORING_OP_WRITEV,
		[BLK_FLUSH] = IORING_OP_FSYNC,	  [BLK_DISCARD] = IORING_OP_FALLOCATE,
		[BLK_ZERO] = IORING_OP_FALLOCATE,
	};

	e->opcode = opcodes[req->op];
	e->fd = io->f->fd;
	e->user_data = (uintptr_t)req;
	switch (req->op) {
	case BLK_READ:
	case BLK_WRITE:
		e->off = req->offset;
		e->addr = (uintptr_t)req->iov;
		e->len = req->n;
		e->rw_flags = req->op == BLK_WRITE && req->through ? RWF_DSYNC : 0;
		break;
	case BLK_FLUSH:
		e->fsync_flags = IORING_FSYNC_DATASYNC;
		break;
	case BLK_DISCARD:
	case BLK_ZERO:
		e->off = req->offset;
		e->addr = req->len; /* where this operation has it */
		e->len = (uint32_t)req->mode;
		break;
	}
}

static void queue(struct blk_io *io, struct blk_io_request *req)
{
	struct io_uring_sqe *e = uring_next(io->ring);

	/* There are as many entries as requests may be in flight; so this is never long. */
	while (!e && uring_submit(io->ring) == 0)
		e = uring_next(io->ring);
	if (!e) {
		io->done(req, -EIO, io->arg);
		return;
	}
	fill_in(io, req, e);
	io->in_flight++;
	io->begun = true;
}

/*
 * What lies in the page cache is read on the spot, which is sooner done than told to a ring.
 * True: that was all of it. A disk that is not in memory is not looked at again and again.
 */
static bool read_cached(struct blk_io *io, struct blk_io_request *req)
{
	ssize_t n;

	if (!io->looks || req->op != BLK_READ || (io->look_in > 0 && io->look_in-- > 0))
		return false;
	/* By number: musl has had it for a short time. */
	n = syscall(SYS_preadv2, io->f->fd, req->iov, (unsigned long)req->n,
		    (unsigned long)req->offset, 0UL, RWF_NOWAIT);
	if (n > 0)
		advance(req, (uint64_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		io->looks = false; /* a file system that cannot tell, or an error for the ring */
	if (req->len > 0)
		io->look_in = LOOK_AGAIN;
	return req->len == 0;
}

void blk_io_begin(struct blk_io *io, struct blk_io_request *req)
{
	req->tries = 0;
	req->mode = req->op == BLK_DISCARD || req->op == BLK_ZERO ? first_mode(req) : 0;
	if (!aligned(io, req))
		io->done(req, do_bounced(io, req), io->arg);
	else if (!io->ring)
		io->done(req, do_now(io, req), io->arg);
	else if (read_cached(io, req))
		io->done(req, 0, io->arg);
	else
		queue(io, req);
}

static void reap(struct blk_io *io)
{
	uint64_t user_data;
	int result;

	while (uring_take(io->ring, &user_data, &result)) {
		struct blk_io_request *req = (struct blk_io_request *)(uintptr_t)user_data;

		io->in_flight--;
		result = io->given_up ? -EIO : after(req, result);
		if (result > 0)
			queue(io, req);
		else
			io->done(req, result, io->arg);
	}
}

static void again(struct blk_io *io)
{
	io->begun = true;
	blk_io_commit(io);
	io->done(NULL, 0, io->arg);
}

static void on_retry(void *arg)
{
	struct blk_io *io = arg;

	io->retry = NULL;
	again(io);
}

void blk_io_commit(struct blk_io *io)
{
	/*
	 * What needs no disk is done by the time that the kernel has taken it, so it is told
	 * of at once; and what that leaves to be done goes to the kernel as well.
	 */
	while (io->ring && io->begun) {
		io->begun = false;
		/* Out of memory, or of room for completions: what is in the ring stays there. */
		if (uring_submit(io->ring) < 0 && !io->retry)
			io->retry = loop_add_timer(io->loop, RETRY_MS, on_retry, io);
		reap(io);
	}
}

static void on_done(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	(void)src;
	(void)fd;
	(void)events;
	again(arg);
}

int blk_io_drain(struct blk_io *io, int ms)
{
	int64_t until = loop_now_ms() + ms;

	while (io->in_flight > 0) {
		int64_t left = until - loop_now_ms();

		io->begun = true;
		blk_io_commit(io);
		if (io->in_flight == 0)
			break;
		if (left <= 0) {
			io->given_up = true;
			return -ETIMEDOUT;
		}
		fd_poll(uring_fd(io->ring), EPOLLIN, (int)left);
	}
	return 0;
}

/* Files in memory never wait for a disk; over a ring each would wait for a thread instead. */
static bool in_memory(int fd)
{
	struct statfs s;

	return fstatfs(fd, &s) == 0 && (s.f_type == TMPFS_MAGIC || s.f_type == RAMFS_MAGIC);
}

static int make_ring(struct blk_io *io, unsigned depth)
{
	int r;

	io->ring = uring_new(depth);
	if (!io->ring)
		return -errno;
	io->looks = !io->f->direct;
	io->source = loop_add_fd(io->loop, uring_fd(io->ring), EPOLLIN, on_done, io);
	if (io->source)
		return 0;
	r = -errno;
	uring_free(take_ptr(io->ring));
	return r;
}

struct blk_io *blk_io_new(const struct blk_file *f, enum blk_engine engine, unsigned depth,
			  struct loop *loop, blk_io_done_cb done, void *arg, struct err *err)
{
	struct blk_io *io = xcalloc(1, sizeof(*io));
	int r = 0;

	io->f = f;
	io->loop = loop;
	io->done = done;
	io->arg = arg;
	if (engine == BLK_ENGINE_RING || (engine == BLK_ENGINE_AUTO && !in_memory(f->fd)))
		r = make_ring(io, depth);
	if (r < 0 && engine == BLK_ENGINE_RING) {
		err_sys(err, r, "no io_uring");
		blk_io_free(io);
		return NULL;
	}
	if (r < 0)
		log_debug("disks are read and written without io_uring: %s", strerror(-r));
	return io;
}

void blk_io_free(struct blk_io *io)
{
	if (!io)
		return;
	loop_remove(&io->retry);
	loop_remove(&io->source);
	uring_free(io->ring);
	free(io->bounce);
	free(io);
}
