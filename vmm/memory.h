/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory: what the guest sees as physical memory, and the only way from a
 * guest address to a pointer. A guest address is never trusted: it comes with a
 * length, and both are checked here, once, where the pointer is made.
 *
 * The contents belong to the guest, whose processors change them at any moment.
 * So whatever is decided upon is read once, into a local variable, and checked
 * there: READ_GUEST() for single values, memcpy() for structures.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* An address in the guest's physical memory; not a pointer, and not to be made one. */
typedef uint64_t gpa_t;

#define MEMORY_ALIGN   (2ULL << 20) /* of guest addresses and pointers: a huge page maps whole */
#define MEMORY_REGIONS 2	    /* below and above the hole under 4 GiB */

struct memory_region {
	gpa_t start;
	uint64_t size;
	uint8_t *host;	 /* MEMORY_ALIGNed */
	uint64_t offset; /* in memory.fd */
};

struct memory {
	int fd; /* the memfd behind a shared memory; -1 for a private one */
	unsigned n;
	struct memory_region region[MEMORY_REGIONS];
};

/*
 * Map @bytes (a multiple of 1 MiB) of guest memory: from address 0 up to @hole_start,
 * the rest from @hole_end. Nothing is touched and nothing reserved, so that a guest may
 * have more than the host. @shared: on a memfd that other processes (vhost-user
 * daemons) can map; otherwise private. Huge pages are advised either way.
 * 0 or -errno and @err; then there is nothing to release.
 */
int memory_init(struct memory *m, uint64_t bytes, gpa_t hole_start, gpa_t hole_end, bool shared,
		struct err *err);

/* Unmap, close. Allowed on a zeroed struct with fd -1. */
void memory_done(struct memory *m);

/*
 * The pointer to the @len bytes at @addr; NULL unless all of them are guest memory in
 * one piece (overflow included). @len 0 is NULL. Valid until memory_done().
 */
void *memory_at(const struct memory *m, gpa_t addr, uint64_t len);

/* One read of a value, aligned by its size, that the guest may change meanwhile. */
#define READ_GUEST(lvalue) __atomic_load_n(&(lvalue), __ATOMIC_RELAXED)

#endif
