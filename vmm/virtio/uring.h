/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_uring by hand: one submission and one completion ring, used by one thread. As much of
 * it as a disk needs, in place of a library.
 */
#ifndef VMM_VIRTIO_URING_H
#define VMM_VIRTIO_URING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>

struct uring;

/*
 * A ring for @entries (a power of two) requests in flight. NULL and errno where the kernel
 * has none, refuses it, or it is too old (before 5.5) to be used safely.
 */
struct uring *uring_new(unsigned entries);
void uring_free(struct uring *u);

/* Readable (poll) while completions wait. */
int uring_fd(const struct uring *u);
/* A zeroed entry to fill in, handed over by the next uring_submit(); NULL: the ring is full. */
struct io_uring_sqe *uring_next(struct uring *u);
/* 0 or -errno; with -EAGAIN or -EBUSY the rest stays for the next call. */
int uring_submit(struct uring *u);
/* Take one completion, if there is one. */
bool uring_take(struct uring *u, uint64_t *user_data, int *result);

#endif
