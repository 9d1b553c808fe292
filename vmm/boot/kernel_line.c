/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel_line.h"

#include <errno.h>
#include <string.h>

int kernel_line_add(struct kernel_line *line, size_t max, const char *words, struct err *err)
{
	size_t len = strlen(words), space = line->len > 0 ? 1 : 0;

	if (len == 0)
		return 0;
	for (const char *c = words; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			return err_set(err, EINVAL,
				       "the kernel's command line holds the character %#x", *c);
	if (max >= sizeof(line->text))
		max = sizeof(line->text) - 1;
	if (line->len + space + len > max)
		return err_set(
			err, E2BIG,
			"the kernel's command line is too long: %zu characters, %zu are taken",
			line->len + space + len, max);
	if (space)
		line->text[line->len++] = ' ';
	memcpy(line->text + line->len, words, len + 1);
	line->len += len;
	return 0;
}
