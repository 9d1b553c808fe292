/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The declaration owns. A variable declared `auto_free`, `auto_close`, … is
 * released when its scope ends; handing its value over is visible: take_fd()
 * and take_ptr() leave the variable empty. Initialise every such variable.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define auto_free     __attribute__((cleanup(cleanup_free)))
#define auto_close    __attribute__((cleanup(cleanup_close)))
#define auto_fclose   __attribute__((cleanup(cleanup_fclose)))
#define auto_closedir __attribute__((cleanup(cleanup_closedir)))

/* The descriptor in *@fd; *@fd becomes -1. */
static inline int take_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* The pointer in the variable @p; @p becomes NULL. */
#define take_ptr(p)                     \
	({                              \
		__typeof__(p) v_ = (p); \
		(p) = NULL;             \
		v_;                     \
	})

/* Close *@fd if it is open and mark it closed. errno is kept. */
void close_fd(int *fd);

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
