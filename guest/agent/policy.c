/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define FILE_MAX (1u << 20)

static struct {
	bool set;
	struct strv allowed;
} policy;

/* One line. 1: it allows or denies a request. 0: it says nothing. Or -EOPNOTSUPP. */
static int parse_line(char *line, struct strv *allowed)
{
	static const char blanks[] = " \t\r";
	char *save = NULL, *word, *name, *is, *value;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, blanks, &save);
	if (!word || !strcmp(word, "package") || !strcmp(word, "import"))
		return 0;
	name = strtok_r(NULL, blanks, &save);
	is = strtok_r(NULL, blanks, &save);
	value = strtok_r(NULL, blanks, &save);
	if (strcmp(word, "default") || !value || strtok_r(NULL, blanks, &save) ||
	    (strcmp(is, ":=") && strcmp(is, "=")))
		return -EOPNOTSUPP;
	if (!strcmp(value, "true"))
		strv_add(allowed, name);
	else if (strcmp(value, "false"))
		return -EOPNOTSUPP;
	return 1;
}

int policy_set(const char *text, struct err *err)
{
	auto_free char *copy = xstrdup(text);
	auto_strv struct strv allowed = { NULL, 0 };
	char *rest = copy, *line;
	size_t rules = 0;

	for (int number = 1; (line = strsep(&rest, "\n")); number++) {
		int r = parse_line(line, &allowed);

		if (r < 0)
			return err_set(err, -r,
				       "policy, line %d: only \"default NAME := true\" or false is "
				       "supported",
				       number);
		rules += (size_t)r;
	}
	if (rules == 0)
		return err_set(err, EINVAL, "the policy has no rule");
	policy_done();
	policy.set = true;
	policy.allowed = allowed;
	allowed = (struct strv){ NULL, 0 };
	return 0;
}

int policy_load(const char *path, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int r = file_read(path, FILE_MAX, &text, err);

	if (r == 0)
		r = policy_set(str_text(&text), err);
	return r < 0 ? err_wrap(err, "policy %s", path) : 0;
}

bool policy_allows(const char *request)
{
	for (size_t i = 0; i < policy.allowed.n; i++)
		if (!strcmp(policy.allowed.v[i], request) ||
		    !strcmp(policy.allowed.v[i], "AllowRequestsFailingPolicy"))
			return true;
	return !policy.set;
}

void policy_done(void)
{
	strv_free(&policy.allowed);
	policy.set = false;
}
