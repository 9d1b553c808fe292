/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), piece by piece. By ourselves: the kernel's (AF_ALG) is a module that
 * careful hosts leave out, and takes two system calls for each file of a layer; a library of
 * ciphers would be the largest thing that a shim maps. The tests have the standard's vectors.
 */
#ifndef HOST_STORAGE_IMAGE_SHA256_H
#define HOST_STORAGE_IMAGE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32
#define SHA256_HEX (2 * SHA256_LEN + 1) /* with the NUL */

struct sha256 {
	uint32_t state[8];
	uint64_t len; /* bytes so far */
	uint8_t block[64];
};

void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t len);

/* The digest as lower-case hexadecimal digits. @s is used up. */
void sha256_end(struct sha256 *s, char hex[SHA256_HEX]);

#endif
