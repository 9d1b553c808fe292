/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that several processes map, in huge pages where it is advised (madvise(2)). Those of
 * a memfd are small as most hosts are set up (shmem_enabled), and a guest whose memory is
 * shared would pay for each of them: in its start for the faults, in its end for giving them
 * back.
 */
#ifndef BASE_HUGE_FILE_H
#define BASE_HUGE_FILE_H

/* What a huge page is aligned to, and what its place in memory has to be aligned to. */
#define HUGE_FILE_ALIGN (2UL << 20)

/*
 * An empty file without a name, on a file system of its own that is mounted nowhere and ends
 * with it. To be sized by ftruncate(). -errno: who asks may not mount, or the kernel knows
 * no such thing; then a memfd is as good, but slower.
 */
int huge_file(void);

#endif
