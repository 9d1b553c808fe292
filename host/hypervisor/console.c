/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/console.h"

#include <string.h>

/* Lines before the panic that may say how it came to it. */
#define LINES_BEFORE 2

/* Without the kernel's time stamp, "[    0.767112] ". */
static const char *without_stamp(const char *line)
{
	size_t n;

	if (*line != '[')
		return line;
	n = 1 + strspn(line + 1, " 0123456789.");
	return line[n] == ']' ? line + n + 1 + strspn(line + n + 1, " ") : line;
}

void console_choose(const struct strv *lines, struct str *out)
{
	auto_strv struct strv chosen = { 0 };
	size_t from = 0;

	for (size_t i = 0; i < lines->n; i++) {
		const char *line = without_stamp(lines->v[i]);

		if (!*line)
			continue;
		strv_add(&chosen, line);
		if (strstr(line, "Kernel panic")) {
			from = chosen.n > LINES_BEFORE ? chosen.n - 1 - LINES_BEFORE : 0;
			break;
		}
	}
	tail_join(&chosen, from, CONSOLE_WORDS_MAX, out);
}

void console_words(struct tail *tail, struct str *out)
{
	auto_strv struct strv lines = { 0 };

	tail_drain(tail);
	tail_lines(tail, &lines);
	console_choose(&lines, out);
}
