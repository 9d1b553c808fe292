/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container costs on this host: it is started by this very program, as a user would,
 * with a root file system of one tiny program that sleeps; timed, weighed and deleted.
 */
#ifndef HOST_CLI_MEASURE_H
#define HOST_CLI_MEASURE_H

#include <stddef.h>

#include "base/err.h"
#include "host/cli/choice.h"
#include "host/cli/cli.h"

/*
 * Measure those of @choices that are usable, a few times each, the median counts: start_ms and
 * memory_kib, or failed. Says on standard error what it does. Every wait has a limit; a signal
 * ends it (-EINTR). Nothing is left in either case. 0, or a negative errno and @err.
 */
int measure(const struct cli *cli, struct choice *choices, size_t n, struct err *err);

/* The program in that root file system, an ELF file for this processor. *@size bytes; static. */
const void *measure_program(size_t *size);

/*
 * KiB of memory that the @n processes @pids and all that descend from them take, what they
 * share being divided among those who do (PSS). -1 when one of @pids is gone.
 */
long measure_memory(const int *pids, size_t n);

#endif
