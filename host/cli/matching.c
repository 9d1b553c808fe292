/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/matching.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/sandbox/state.h"

#define PATTERN_MAX  256
#define REPEATED_MAX 10000

/* The larger number of an interval "{2,5}"; 1 for what is none. */
static unsigned long interval(const char *text)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10);
	unsigned long second = *end == ',' ? strtoul(end + 1, NULL, 10) : 0;
	unsigned long times = first > second ? first : second;

	return times > 1 ? times : 1;
}

/* libc makes a copy of what is repeated for each time, and of all inside: minutes, and all memory. */
static int check(const char *pattern, struct err *err)
{
	unsigned long repeated = 1;

	if (!*pattern)
		return err_set(err, EINVAL, "flag --regex: the pattern is empty");
	if (strlen(pattern) > PATTERN_MAX)
		return err_set(err, EINVAL, "flag --regex: the pattern is longer than %d bytes",
			       PATTERN_MAX);
	for (const char *p = pattern; *p; p++) {
		if (*p == '\\' && p[1]) {
			if (isdigit((unsigned char)*++p))
				return err_set(err, EINVAL,
					       "flag --regex: \"%s\" has a back reference",
					       pattern);
		} else if (*p == '{') {
			unsigned long times = interval(p + 1);

			if (times > REPEATED_MAX / repeated)
				return err_set(err, EINVAL, "flag --regex: \"%s\" repeats too much",
					       pattern);
			repeated *= times;
		}
	}
	return 0;
}

static void add_if(const regex_t *regex, const char *id, struct strv *ids)
{
	if (regexec(regex, id, 0, NULL, 0) == 0)
		strv_add(ids, id);
}

static int find(const char *root, const regex_t *regex, struct strv *ids, struct err *err)
{
	auto_strv struct strv sandboxes = { 0 };
	int r = state_list(root, &sandboxes, err);

	for (size_t i = 0; r == 0 && i < sandboxes.n; i++) {
		struct sandbox_state *st = NULL;
		struct err unread = ERR_INIT;

		if (state_load(root, sandboxes.v[i], &st, &unread) < 0 || st->n_containers == 0)
			add_if(regex, sandboxes.v[i], ids);
		for (size_t k = 0; st && k < st->n_containers; k++)
			add_if(regex, st->containers[k].id, ids);
		state_free(st);
	}
	return r;
}

int matching_ids(const char *root, const char *pattern, struct strv *ids, struct err *err)
{
	regex_t regex;
	char why[128];
	int r = check(pattern, err), code;

	if (r < 0)
		return r;
	code = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (code) {
		regerror(code, &regex, why, sizeof(why));
		return err_set(err, EINVAL, "flag --regex: \"%s\": %s", pattern, why);
	}
	r = find(root, &regex, ids, err);
	regfree(&regex);
	return r;
}
