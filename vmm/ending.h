/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest ended, or that it did not: the protocol's words, and a sentence where more
 * is known.
 */
#ifndef VMM_ENDING_H
#define VMM_ENDING_H

#include "vmm/protocol.h"

enum ending_word {
	ENDING_NONE = -1, /* it runs, or may run */
#define ENDING_WORD(name, status, word) ENDING_##name = (status),
	VMM_ENDS(ENDING_WORD)
#undef ENDING_WORD
};

struct ending {
	enum ending_word word;
	char text[160]; /* "" when the word says it all */
};

/* Fill in *@e; returns @word. */
enum ending_word ending_set(struct ending *e, enum ending_word word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
