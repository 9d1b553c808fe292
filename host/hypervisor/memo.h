/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program answered when it was asked what it is, kept until its file changes, the
 * host boots or the memo is lost: a machine's start does without a process more.
 *
 * Only of programs that are ELF files, for a script may start anything.
 */
#ifndef HOST_HYPERVISOR_MEMO_H
#define HOST_HYPERVISOR_MEMO_H

#include "base/str.h"

struct memo {
	char *dir, *path; /* where it is kept; NULL: nothing is */
	char *program, *option;
	struct str key; /* the file, as it was by memo_init() */
};

#define MEMO_INIT                                \
	{                                        \
		NULL, NULL, NULL, NULL, STR_INIT \
	}

/* Where nobody but root writes; NULL for others, who keep nothing. */
const char *memo_dir(void);

/* Of @program, asked with @option, in the directory @dir (may be NULL). */
void memo_init(struct memo *m, const char *dir, const char *program, const char *option);

/* What it answered, at most MEMO_MAX bytes; NULL: nobody knows. The caller frees. */
#define MEMO_MAX 4096
char *memo_read(const struct memo *m);

/* It answered @text just now. Kept if its file is still the one of memo_init(). */
void memo_write(const struct memo *m, const char *text);

void memo_free(struct memo *m);

#endif
