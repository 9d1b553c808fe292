/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "toml/toml.h"

void toml_quote(struct str *out, const char *s, size_t len)
{
	static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";
	const char *end = s + len, *hit;

	str_putc(out, '"');
	for (; s < end; s++) {
		hit = *s ? strchr(from, *s) : NULL;
		if (hit)
			str_printf(out, "\\%c", to[hit - from]);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			str_printf(out, "\\u%04x", *s);
		else
			str_putc(out, *s);
	}
	str_putc(out, '"');
}
