/* SPDX-License-Identifier: Apache-2.0 */
/* Containers as lines for people, and as JSON. */
#ifndef HOST_CLI_TABLE_H
#define HOST_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "host/cli/view.h"

/* Columns ID PID STATUS BUNDLE CREATED OWNER, each at least 12 wide, 3 blanks between them. */
void table_print(const struct view *views, size_t n, FILE *out);

/* One line that holds an array; "null" for none, as other runtimes do. */
void table_print_json(const struct view *views, size_t n, FILE *out);

#endif
