/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes ACPI machine language (ACPI 6.4, section 20): the handful of terms that name
 * devices and what they use. A buffer that is too small is remembered, so only the end
 * needs a check.
 */
#ifndef VMM_ARCH_X86_64_AML_H
#define VMM_ARCH_X86_64_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *buf;
	size_t len, size;
	bool overflow;
};

void aml_bytes(struct aml *a, const void *data, size_t len);

/* Scope and Device: what is written until aml_end() is inside. @name: "\\_SB_", "VR00". */
size_t aml_begin_scope(struct aml *a, const char *name);
size_t aml_begin_device(struct aml *a, const char *name);
void aml_end(struct aml *a, size_t begin);

/* Name (@name, …). */
void aml_name_integer(struct aml *a, const char *name, uint32_t value);
void aml_name_string(struct aml *a, const char *name, const char *value);
/* Name (\_S5, Package () { @type, @type, 0, 0 }) */
void aml_name_sleep(struct aml *a, const char *name, uint8_t type);

/* Name (_CRS, ResourceTemplate () { … }): sections 6.4.2 and 6.4.3. */
void aml_resources_memory_line(struct aml *a, uint32_t start, uint32_t size, uint32_t line);
void aml_resources_port(struct aml *a, uint16_t port, uint8_t n);

#endif
