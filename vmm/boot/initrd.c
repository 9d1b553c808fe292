/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/initrd.h"

#include <errno.h>
#include <inttypes.h>

#include "vmm/boot/image.h"

#define PAGE 4096ULL

static int load(const struct image *file, const struct memory *m, gpa_t low, gpa_t high,
		struct initrd *initrd, struct err *err)
{
	gpa_t start = (low + PAGE - 1) & ~(PAGE - 1);
	void *at;
	int r;

	if (file->size == 0)
		return err_set(err, EINVAL, "initrd: a file without content");
	at = start < high && file->size <= high - start ? memory_at(m, start, file->size) : NULL;
	if (!at)
		return err_set(err, ENOSPC,
			       "initrd: %" PRIu64 " KiB do not fit into the guest's memory beside "
			       "the kernel",
			       file->size >> 10);
	r = image_copy(file, at, 0, file->size);
	if (r < 0)
		return err_sys(err, r, "initrd: cannot be read");
	*initrd = (struct initrd){ start, file->size };
	return 0;
}

int initrd_load(int fd, const struct memory *m, gpa_t low, gpa_t high, struct initrd *initrd,
		struct err *err)
{
	struct image file;
	int r = image_map(&file, fd, "initrd", err);

	if (r == 0)
		r = load(&file, m, low, high, initrd, err);
	image_unmap(&file);
	return r;
}
