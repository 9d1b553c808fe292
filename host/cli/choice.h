/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of a hypervisor: a symbolic link, configuration.toml, to one of the files
 * configuration-NAME.toml. Which there are, and whether each could run machines here.
 */
#ifndef HOST_CLI_CHOICE_H
#define HOST_CLI_CHOICE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "host/cli/cli.h"
#include "host/config/config.h"
#include "host/hypervisor/facts.h"

#define CHOICE_LINK "configuration.toml"

/* Where the link is, and where the files are looked for. */
struct choice_place {
	char *link;	  /* absolute; it may not exist */
	char *in_use;	  /* the file that it leads to, symbolic links resolved; NULL: to none */
	struct strv dirs; /* best first */
};

/*
 * With @dir (may be NULL) the link is the one in there; else it is the configuration that the
 * other commands take: --config, KATA_CONF_FILE, the first of the default ones that exists, or
 * where there is none the first of the default directories that exists. Files are looked for
 * beside it, beside the file that it leads to, and in the default directories; with @dir there
 * alone. 0, or -ENOENT and @err.
 */
int choice_place(const struct cli *cli, const char *dir, struct choice_place *place,
		 struct err *err);
void choice_place_free(struct choice_place *place);

/* The path of configuration-@name.toml; NULL when there is none. The caller frees. */
char *choice_file(const struct choice_place *place, const char *name);

/* The NAMEs of the files that there are, sorted, each once. */
void choice_names(const struct choice_place *place, struct strv *names);

struct choice {
	const struct hypervisor_row *row;
	char *file;	   /* its configuration; NULL: there is none */
	char *program;	   /* NULL: not known */
	char *version;	   /* NULL: not known */
	bool in_use;	   /* the link leads to its configuration */
	unsigned caps;	   /* HV_CAP_*: with its configuration, or at best */
	bool usable;	   /* machines can be started here */
	struct err why;	   /* why not, a sentence */
	long start_ms;	   /* as measured (measure.h); 0: it was not */
	long memory_kib;   /* the same */
	struct err failed; /* why it could not be */
};

/*
 * Look at @row with the configuration that there is for it, and run its program for its
 * version, 2 s at most.
 */
void choice_look(const struct choice_place *place, const struct hypervisor_row *row,
		 struct choice *choice);
void choice_free(struct choice *choice);

/* 0, or a negative errno and why no machine can be started with the configuration @file here. */
int choice_check(const char *file, struct err *err);

#endif
