/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of many sandboxes as one text: each family once, and each sample with the
 * labels that tell whose it is. Pure.
 */
#ifndef HOST_MONITOR_MERGE_H
#define HOST_MONITOR_MERGE_H

#include "base/str.h"

/* Whose samples they are. */
struct mark {
	const char *sandbox, *uid, *name, *namespace;
};

struct merge;

/* Never NULL. */
struct merge *merge_new(void);
void merge_free(struct merge *m);

/*
 * Add what one sandbox told, @text of @len bytes. process_… is called kata_shim_process_…,
 * as of Kata's monitor; what is not well-formed, or marked already, is left out, and so is
 * go_…, which says nothing of sandboxes.
 */
void merge_add(struct merge *m, const struct mark *mark, const char *text, size_t len);

/* Append all; @filter, unless NULL, has the beginnings of wanted names between commas. */
void merge_write(const struct merge *m, const char *filter, struct str *out);

#endif
