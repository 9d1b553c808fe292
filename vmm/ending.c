/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/ending.h"

#include <stdarg.h>
#include <stdio.h>

enum ending_word ending_set(struct ending *e, enum ending_word word, const char *fmt, ...)
{
	va_list ap;

	e->word = word;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return word;
}
