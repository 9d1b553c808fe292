/* SPDX-License-Identifier: Apache-2.0 */
/* Files that flags name, of which "-" is standard input. */
#ifndef HOST_CLI_READ_INPUT_H
#define HOST_CLI_READ_INPUT_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* Append all of @path, at most @max bytes. 0, or -errno and an error that names it. */
int read_input(const char *path, size_t max, struct str *text, struct err *err);

/* What errors call it: "standard input", or the path. */
const char *input_name(const char *path);

#endif
