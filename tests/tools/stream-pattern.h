/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes whose place in a stream shows: what is lost, doubled or swapped is seen. */
#ifndef TESTS_TOOLS_STREAM_PATTERN_H
#define TESTS_TOOLS_STREAM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint8_t pattern_byte(uint64_t seed, uint64_t at)
{
	return (uint8_t)(((at + seed) * 2654435761U) >> 13);
}

static inline void pattern_fill(uint8_t *data, size_t len, uint64_t seed, uint64_t at)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern_byte(seed, at + i);
}

static inline bool pattern_is(const uint8_t *data, size_t len, uint64_t seed, uint64_t at)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern_byte(seed, at + i))
			return false;
	return true;
}

#endif
