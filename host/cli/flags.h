/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line flags: --name VALUE, --name=VALUE, and all of it with one dash,
 * as the original takes them. `--` ends the flags, and so does the first
 * argument that is none.
 */
#ifndef HOST_CLI_FLAGS_H
#define HOST_CLI_FLAGS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"

enum flag_kind {
	FLAG_BOOL,   /* value: bool *; --name or --name=true|false */
	FLAG_STRING, /* value: const char **, to the argument itself; the last one counts */
	FLAG_LIST,   /* value: struct strv *, which grows with each use */
};

struct flag {
	const char *name;  /* without dashes; NULL ends a table */
	const char *alias; /* another name, or NULL */
	enum flag_kind kind;
	void *value;
	const char *arg; /* what the help calls the value */
	const char *help;
};

/*
 * Read the flags at the start of @argv[0 … @argc), store their values. *@help
 * is set when -h or --help is among them; nothing behind it is read. Returns
 * the number of arguments used up, or -EINVAL and an error that names the flag.
 */
int flags_parse(const struct flag *flags, int argc, char **argv, bool *help, struct err *err);

/*
 * As flags_parse(), for flags that may also stand behind and between the other arguments,
 * which are moved to the end of @argv, in their order. All behind `--` are no flags.
 */
int flags_parse_all(const struct flag *flags, int argc, char **argv, bool *help, struct err *err);

/*
 * As flags_parse() for flags that may stand before and behind the one word that there may be:
 * *@word, which is NULL before and stays so without one. 0 or -EINVAL. -h is no flag here.
 */
int flags_parse_mixed(const struct flag *flags, int argc, char **argv, char **word,
		      struct err *err);

/* One line for each flag, and one for --help. */
void flags_print(const struct flag *flags, FILE *out);

#endif
