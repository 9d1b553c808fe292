/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal while it is the guest's console: raw, so that the guest gets every
 * key but those that follow Ctrl-A: x quits, Ctrl-A is itself, others are nothing.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct terminal {
	void (*quit)(void *arg);
	void *arg;
	bool prefix; /* the last key was Ctrl-A */
};

/*
 * Make the terminal @fd (borrowed) raw and have it restored when the process exits: one
 * for a process. @fd may be no terminal; then nothing happens and 0 is returned, 1
 * otherwise; -errno and @err.
 */
int terminal_raw(int fd, struct err *err);

/* As it was. Also for a signal's handler; more than once is allowed. */
void terminal_restore(void);

/* What of the @n bytes from the user is for the guest, moved to the front; how many. */
size_t terminal_keys(struct terminal *t, uint8_t *buf, size_t n);

#endif
