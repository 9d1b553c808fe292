/* SPDX-License-Identifier: Apache-2.0 */
#include "prom/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void prom_family(struct str *out, const char *prefix, const char *name, const char *type,
		 const char *help)
{
	str_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
}

void prom_number(struct str *out, double value)
{
	char text[40];

	if (isnan(value)) {
		str_puts(out, "NaN");
		return;
	}
	if (isinf(value)) {
		str_puts(out, value < 0 ? "-Inf" : "+Inf");
		return;
	}
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	str_puts(out, text);
}

void prom_value(struct str *out, const char *prefix, const char *name, const char *type,
		const char *help, double value)
{
	prom_family(out, prefix, name, type, help);
	str_printf(out, "%s%s ", prefix, name);
	prom_number(out, value);
	str_putc(out, '\n');
}

void prom_escape(struct str *out, const char *value)
{
	for (const char *p = value; *p; p++) {
		if (*p == '\\' || *p == '"')
			str_printf(out, "\\%c", *p);
		else if (*p == '\n')
			str_puts(out, "\\n");
		else if (*p >= ' ' && *p <= '~')
			str_putc(out, *p);
	}
}
