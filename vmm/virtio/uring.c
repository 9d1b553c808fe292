/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/*
 * Both rings in one mapping; iovecs and the like are read when a request is submitted, not
 * later; completions are never dropped.
 */
#define FEATURES (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_NODROP)

struct uring {
	int fd;
	void *rings;
	size_t rings_len, sqes_len;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail; /* shared with the kernel */
	uint32_t sq_mask, cq_mask;
	uint32_t filled;  /* our tail: entries given out, not all of them told of yet */
	unsigned waiting; /* told of and not yet taken over by the kernel */
};

static int map(struct uring *u, const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *rings;
	uint32_t *array;

	u->rings_len = sq > cq ? sq : cq;
	u->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
	rings = mmap(NULL, u->rings_len, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		     IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -errno;
	u->rings = rings;
	u->sqes =
		mmap(NULL, u->sqes_len, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd, IORING_OFF_SQES);
	if (u->sqes == MAP_FAILED) {
		u->sqes = NULL;
		return -errno;
	}
	u->sq_head = (uint32_t *)(void *)(rings + p->sq_off.head);
	u->sq_tail = (uint32_t *)(void *)(rings + p->sq_off.tail);
	u->cq_head = (uint32_t *)(void *)(rings + p->cq_off.head);
	u->cq_tail = (uint32_t *)(void *)(rings + p->cq_off.tail);
	u->cqes = (struct io_uring_cqe *)(void *)(rings + p->cq_off.cqes);
	u->sq_mask = p->sq_entries - 1;
	u->cq_mask = p->cq_entries - 1;
	/* Entry i of the ring is always sqes[i]; so the array is written once. */
	array = (uint32_t *)(void *)(rings + p->sq_off.array);
	for (uint32_t i = 0; i < p->sq_entries; i++)
		array[i] = i;
	return 0;
}

struct uring *uring_new(unsigned entries)
{
	struct io_uring_params p = { .flags = IORING_SETUP_CLAMP };
	struct uring *u;
	int fd, r;

	fd = (int)syscall(SYS_io_uring_setup, entries, &p); /* close-on-exec by itself */
	if (fd < 0)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->fd = fd;
	r = (p.features & FEATURES) == FEATURES ? map(u, &p) : -ENOSYS;
	if (r < 0) {
		uring_free(u);
		errno = -r;
		return NULL;
	}
	return u;
}

void uring_free(struct uring *u)
{
	if (!u)
		return;
	if (u->sqes)
		munmap(u->sqes, u->sqes_len);
	if (u->rings)
		munmap(u->rings, u->rings_len);
	close(u->fd);
	free(u);
}

int uring_fd(const struct uring *u)
{
	return u->fd;
}

struct io_uring_sqe *uring_next(struct uring *u)
{
	struct io_uring_sqe *e;

	/* Acquire: pairs with the kernel's release of entries that it has read. */
	if (u->filled - __atomic_load_n(u->sq_head, __ATOMIC_ACQUIRE) > u->sq_mask)
		return NULL;
	e = &u->sqes[u->filled++ & u->sq_mask];
	memset(e, 0, sizeof(*e));
	return e;
}

int uring_submit(struct uring *u)
{
	u->waiting += u->filled - *u->sq_tail; /* only we write the tail */
	/* Release: the kernel, which reads the tail with acquire, finds the entries filled. */
	__atomic_store_n(u->sq_tail, u->filled, __ATOMIC_RELEASE);
	while (u->waiting > 0) {
		long n = syscall(SYS_io_uring_enter, u->fd, u->waiting, 0, 0, NULL, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN;
		u->waiting -= (unsigned)n;
	}
	return 0;
}

bool uring_take(struct uring *u, uint64_t *user_data, int *result)
{
	uint32_t head = *u->cq_head; /* only we write it */
	const struct io_uring_cqe *c;

	/* Acquire: pairs with the kernel's release of a completion that it has written. */
	if (head == __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	c = &u->cqes[head & u->cq_mask];
	*user_data = c->user_data;
	*result = c->res;
	/* Release: the kernel may write over the entry only after we have read it. */
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
