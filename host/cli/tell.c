/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, once, to the user and to the log. */
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/cli/cli.h"

void cli_error(const struct err *err)
{
	fflush(stdout);
	fprintf(stderr, "kata-runtime: %s\n", err_msg(err));
	log_error("%s", err_msg(err));
}

void cli_warn(const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return;
	fflush(stdout);
	fprintf(stderr, "kata-runtime: warning: %s\n", text);
	log_warn("%s", text);
}
