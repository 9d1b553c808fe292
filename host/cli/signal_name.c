/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/signal_name.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* The number behind "RTMIN+" or "RTMAX-", as the kernel counts: 34 to 64. */
static int real_time(const char *name)
{
	long long n = 0;
	int first = 34, last = 64;

	if (strncasecmp(name, "RTMIN", 5) == 0) {
		if (name[5] && (name[5] != '+' || str_to_ll(name + 6, 0, last - first, &n) < 0))
			return -EINVAL;
		return first + (int)n;
	}
	if (strncasecmp(name, "RTMAX", 5) == 0) {
		if (name[5] && (name[5] != '-' || str_to_ll(name + 6, 0, last - first, &n) < 0))
			return -EINVAL;
		return last - (int)n;
	}
	return -EINVAL;
}

static int by_name(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} aliases[] = { { "IOT", SIGABRT }, { "CLD", SIGCHLD }, { "POLL", SIGIO } };

	for (int i = 1; i < 32; i++)
		if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), name) == 0)
			return i;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcasecmp(aliases[i].name, name) == 0)
			return aliases[i].number;
	return real_time(name);
}

int signal_parse(const char *text, struct err *err)
{
	long long number;
	int r;

	if (isdigit((unsigned char)text[0]))
		r = str_to_ll(text, 0, 64, &number) < 0 ? -EINVAL : (int)number;
	else
		r = by_name(strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text);
	if (r < 0)
		return err_set(err, EINVAL, "\"%s\" is no signal", text);
	return r;
}
