/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/huge_file.h"

/*
 * A piece of address space of @size bytes whose start is aligned: more is asked for than
 * is needed, and the ends are given back.
 */
static void *reserve_aligned(uint64_t size)
{
	uint64_t all = size + MEMORY_ALIGN;
	uint8_t *p = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t head;

	if (all < size || p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (MEMORY_ALIGN - 1);
	if (head > 0)
		munmap(p, head);
	munmap(p + head + size, MEMORY_ALIGN - head);
	return p + head;
}

/* Sizes need not be aligned: what follows the memory's end in its last huge page stays free. */
static int map_region(struct memory *m, gpa_t start, uint64_t size, uint64_t offset,
		      struct err *err)
{
	int flags = MAP_FIXED | MAP_NORESERVE;
	void *at = reserve_aligned(size);

	flags |= m->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	if (!at)
		return err_sys(err, ENOMEM, "cannot map %" PRIu64 " MiB of guest memory",
			       size >> 20);
	m->region[m->n++] = (struct memory_region){
		.start = start, .size = size, .host = at, .offset = offset
	};
	if (mmap(at, size, PROT_READ | PROT_WRITE, flags, m->fd, (off_t)offset) == MAP_FAILED)
		return err_sys(err, errno, "cannot map %" PRIu64 " MiB of guest memory",
			       size >> 20);
	/* Advice: a kernel without huge pages refuses it, and all works as well, slower. */
	(void)madvise(at, size, MADV_HUGEPAGE);
	(void)madvise(at, size, MADV_DONTDUMP);
	/* A helper process has no business with it. */
	(void)madvise(at, size, MADV_DONTFORK);
	return 0;
}

/*
 * Memory of @bytes that others may map. A memfd nobody may cut. Of huge pages whoever has
 * the descriptor could take away what lies behind our mapping, and we would die of it: that
 * is this machine's file server, with whose end the machine ends in any case.
 */
static int share(struct memory *m, uint64_t bytes, struct err *err)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	bool huge = true;

	m->fd = huge_file();
	if (m->fd < 0) {
		huge = false;
		m->fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	}
	if (m->fd < 0)
		return err_sys(err, errno, "cannot create the guest's memory");
	if (ftruncate(m->fd, (off_t)bytes) < 0 || (!huge && fcntl(m->fd, F_ADD_SEALS, seals) < 0))
		return err_sys(err, errno, "cannot size the guest's memory to %" PRIu64 " MiB",
			       bytes >> 20);
	return 0;
}

int memory_init(struct memory *m, uint64_t bytes, gpa_t hole_start, gpa_t hole_end, bool shared,
		struct err *err)
{
	uint64_t low = bytes < hole_start ? bytes : hole_start;
	int r = 0;

	*m = (struct memory){ .fd = -1 };
	if (bytes == 0 || bytes & ((1 << 20) - 1))
		return err_set(err, EINVAL, "guest memory of %" PRIu64 " bytes: not whole MiB",
			       bytes);
	if (shared)
		r = share(m, bytes, err);
	if (r == 0)
		r = map_region(m, 0, low, 0, err);
	if (r == 0 && bytes > low)
		r = map_region(m, hole_end, bytes - low, low, err);
	if (r < 0)
		memory_done(m);
	return r;
}

void memory_done(struct memory *m)
{
	for (unsigned i = 0; i < m->n; i++)
		munmap(m->region[i].host, m->region[i].size);
	m->n = 0;
	close_fd(&m->fd);
}

void *memory_at(const struct memory *m, gpa_t addr, uint64_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned i = 0; i < m->n; i++) {
		const struct memory_region *r = &m->region[i];

		if (addr >= r->start && addr - r->start < r->size &&
		    len <= r->size - (addr - r->start))
			return r->host + (addr - r->start);
	}
	return NULL;
}
