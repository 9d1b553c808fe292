/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LAB_INIT_H
#define TESTS_LAB_INIT_H

#include <stdbool.h>

#define LAB_OUT "/run/lab-out"

struct lab {
	char **args, **env;
	const char *cwd; /* NULL or gone: the root */
	bool terminal;	 /* the command gets one */
};

/* Tells on the console what is wrong, with errno, and switches the machine off. */
_Noreturn void die(const char *what);

/*
 * Starts the command and carries its input, output, signals and end between it
 * and the keeper.
 */
_Noreturn void relay(const struct lab *lab);

#endif
