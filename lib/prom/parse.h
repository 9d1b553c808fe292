/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading that text again, of which a part comes from guests. What is not well-formed, or
 * would break what stands beside it, is refused line by line: bytes that are no ASCII, labels
 * twice, unknown types. Pure.
 */
#ifndef PROM_PARSE_H
#define PROM_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum prom_kind { PROM_BLANK, PROM_HELP, PROM_TYPE, PROM_SAMPLE };

/* A line's parts, where they lie in it. */
struct prom_line {
	enum prom_kind kind; /* PROM_BLANK: also a comment */
	const char *name;
	size_t name_len;
	const char *labels; /* between the braces: "a=\"b\",c=\"d\"", or nothing */
	size_t labels_len;
	const char *rest; /* the help, the type, or the value without its time */
	size_t rest_len;
};

#define PROM_LABELS_MAX 16

/* 0, or -EINVAL. @line has no newline. */
int prom_parse(const char *line, size_t len, struct prom_line *out);

/* Whether the sample has the label @name. */
bool prom_has_label(const struct prom_line *line, const char *name);

/* Whether it has one of those that tell sandboxes apart, which are nobody's but the monitor's. */
bool prom_is_marked(const struct prom_line *line);

/*
 * Copy what an agent tells, line by line: families of kata_agent_ and kata_guest_, and
 * process_ as kata_agent_process_; nothing else, no marked samples, and @max bytes at most.
 */
void prom_take_agents(const char *text, size_t max, struct str *out);

#endif
