/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a mount of the OCI specification, sorted by what they are. Pure. */
#ifndef AGENT_MOUNT_OPTIONS_H
#define AGENT_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct mount_options {
	uint64_t set, clear;	     /* MOUNT_ATTR_*: of this mount */
	uint64_t rec_set, rec_clear; /* and of all below it */
	bool bind, recursive;
	unsigned long propagation; /* MS_SHARED, MS_SLAVE, …; 0: as it comes */
	bool propagation_rec;
	bool idmap, idmap_rec; /* see sources.h */
	bool copy_up;	       /* a tmpfs starts with what it covers */
	struct strv data;      /* "key=value" or "flag" for the file system */
};

/* Sort @n options into @o (zeroed by this). What is not known is the file system's to judge. */
void mount_options_parse(char *const *options, size_t n, struct mount_options *o);

void mount_options_done(struct mount_options *o);

/* "private", "rslave", … → MS_* and whether recursive. -EINVAL for another word. */
int propagation_parse(const char *word, unsigned long *flag, bool *recursive);

#endif
