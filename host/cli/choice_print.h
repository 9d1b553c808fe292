/* SPDX-License-Identifier: Apache-2.0 */
/* Hypervisors for people, for programs, and for docs/hypervisors.md. */
#ifndef HOST_CLI_CHOICE_PRINT_H
#define HOST_CLI_CHOICE_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "host/cli/choice.h"

/* A table, then a few lines for each. */
void choice_print(const struct choice *choices, size_t n, bool measured, FILE *out);

/* An array of objects. */
void choice_print_json(const struct choice *choices, size_t n, bool measured, FILE *out);

/* What is the same on every host, as a table of Markdown. */
void choice_print_markdown(FILE *out);

#endif
