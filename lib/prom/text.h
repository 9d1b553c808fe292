/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as Prometheus reads them: its text format, version 0.0.4. Samples of one family
 * stand together below its HELP and TYPE.
 */
#ifndef PROM_TEXT_H
#define PROM_TEXT_H

#include "base/str.h"

/* What HTTP calls it. */
#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Begin the family "@prefix@name"; @type: "counter", "gauge", "histogram". */
void prom_family(struct str *out, const char *prefix, const char *name, const char *type,
		 const char *help);

/* A family of one sample without labels. */
void prom_value(struct str *out, const char *prefix, const char *name, const char *type,
		const char *help, double value);

/* A number, as short as it can be and still be itself. */
void prom_number(struct str *out, double value);

/* A label's value, with what has to be escaped; what is no text is left out. */
void prom_escape(struct str *out, const char *value);

#endif
