/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's console says about why it does not come up. */
#ifndef HOST_HYPERVISOR_CONSOLE_H
#define HOST_HYPERVISOR_CONSOLE_H

#include "base/str.h"
#include "host/hypervisor/tail.h"

/* How much of the console an error carries. */
#define CONSOLE_WORDS_MAX 500

/*
 * Append the words for an error to @out: the kernel's panic with what led to
 * it, but without the trace that hides it, or else the last lines. Nothing when
 * the guest said nothing. @tail may be NULL.
 */
void console_words(struct tail *tail, struct str *out);

/* The same for lines of the console; pure. */
void console_choose(const struct strv *lines, struct str *out);

#endif
