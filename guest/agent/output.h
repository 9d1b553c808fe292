/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that a job leaves for the agent, in memory that both have. */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct output {
	size_t len, size;
	uint8_t data[];
};

/* Room for @size bytes, which take memory only once they are written. NULL and @err. */
struct output *output_new(size_t size, struct err *err);

/* NULL is allowed. */
void output_free(struct output *o);

/* In the job: read all that @fd has. -EFBIG when there is no room for it. */
int output_read(struct output *o, int fd);

#endif
