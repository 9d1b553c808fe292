/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of a hypervisor's program, asked of the program itself when a machine is
 * started. One that the driver was not tried with is used all the same; whoever then sees
 * something odd finds the warning in the log.
 */
#ifndef HOST_HYPERVISOR_VERSION_H
#define HOST_HYPERVISOR_VERSION_H

#include <stdbool.h>

#include "base/str.h"
#include "host/hypervisor/facts.h"
#include "host/hypervisor/hypervisor.h"

/* How long the program may take for it. */
#define VERSION_LIMIT_MS 3000

/* The first "N.N" of @text, which a program printed. False when there is none. Pure. */
bool version_parse(const char *text, struct hypervisor_version *version);

/* That version with what follows it, "N.N.N-word", at most VERSION_WORD_MAX long; NULL. Pure. */
#define VERSION_WORD_MAX 40
char *version_word(const char *text);

/*
 * What to warn of when the program of @facts printed @text: a sentence in @warning, or
 * nothing when that version was tried. Pure.
 */
void version_judge(const struct hypervisor_facts *facts, const char *path, const char *text,
		   struct str *warning);

/* Log what version_judge() says of @text, once for a machine. */
void version_note(const struct hypervisor_facts *facts, const char *path, const char *text);

struct version_ask;

/*
 * Begin to ask @path, beside the start of @vm, and log what comes of it. Nothing fails by
 * it. NULL when there is nothing to ask.
 */
struct version_ask *version_ask(struct vm *vm, const char *path);

/* Release; a program that still runs is killed. NULL is allowed. */
void version_ask_free(struct version_ask *ask);

#endif
