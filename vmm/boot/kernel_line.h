/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's command line: what the user gave and what the machine adds. */
#ifndef VMM_BOOT_KERNEL_LINE_H
#define VMM_BOOT_KERNEL_LINE_H

#include <stddef.h>

#include "base/err.h"

#define KERNEL_LINE_MAX 4096

struct kernel_line {
	size_t len;
	char text[KERNEL_LINE_MAX]; /* NUL-terminated */
};

/*
 * Append words after a space. -E2BIG when the line would become longer than @max
 * characters; -EINVAL when they hold a character that no line has.
 */
int kernel_line_add(struct kernel_line *line, size_t max, const char *words, struct err *err);

#endif
