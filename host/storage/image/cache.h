/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images by their keys, in one directory that all sandboxes of the host have:
 *
 *   <key>.erofs   complete, never changed again; its time is that of its last use
 *   <key>.part    being made, by whoever has it locked; else it is a dead maker's
 *
 * Who uses an image keeps a shared flock(2) on it, which ends with the process; what is
 * removed was locked exclusively before, so it is nobody's.
 */
#ifndef HOST_STORAGE_IMAGE_CACHE_H
#define HOST_STORAGE_IMAGE_CACHE_H

#include <stdint.h>

#include "base/err.h"

#define CACHE_DIR "/var/lib/kata-containers/images"

/* Open the directory, which is made as needed; the functions below take it. */
int cache_dir(const char *path, struct err *err);

/* The image's name in it. The caller frees. */
char *cache_name(const char *key);

/* The image, open, used from now on and until it is closed. -ENOENT when there is none. */
int cache_open(int dir, const char *key, struct err *err);

/*
 * Begin to make it: an empty file that is the caller's alone. Waits for another maker;
 * when that has made it, *@made is the image as cache_open() gives it and 0 is returned,
 * otherwise a descriptor for cache_commit() or cache_abandon().
 */
int cache_begin(int dir, const char *key, int *made, struct err *err);

/* It is complete: on the disk, under its name. The image, as cache_open() gives it. @part is
 * taken over. */
int cache_commit(int dir, const char *key, int part, struct err *err);

/* It will not be; nothing is left. @part is taken over. */
void cache_abandon(int dir, const char *key, int part);

/*
 * Remove what dead makers left and, from the longest unused on, images that nobody uses
 * until all together take at most @max bytes of the disk. What cannot be removed stays.
 */
void cache_bound(int dir, uint64_t max);

#endif
