/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/aml.h"

#include <string.h>

/* Section 20.3, the encodings of terms. */
#define OP_ZERO	   0x00
#define OP_NAME	   0x08
#define OP_BYTE	   0x0a
#define OP_WORD	   0x0b
#define OP_DWORD   0x0c
#define OP_STRING  0x0d
#define OP_SCOPE   0x10
#define OP_BUFFER  0x11
#define OP_PACKAGE 0x12
#define OP_EXT	   0x5b
#define EXT_DEVICE 0x82

#define PKG_LENGTH_BYTES 3 /* always the form of three bytes: known before the content is */
#define PKG_LENGTH_MAX	 0xfffff

void aml_bytes(struct aml *a, const void *data, size_t len)
{
	if (a->overflow || len > a->size - a->len) {
		a->overflow = true;
		return;
	}
	memcpy(a->buf + a->len, data, len);
	a->len += len;
}

static void byte(struct aml *a, uint8_t value)
{
	aml_bytes(a, &value, 1);
}

static size_t begin(struct aml *a)
{
	static const uint8_t none[PKG_LENGTH_BYTES];
	size_t at = a->len;

	aml_bytes(a, none, sizeof(none));
	return at;
}

/* Section 20.2.4: the length counts itself; bits 3-0 lead, then bytes. */
void aml_end(struct aml *a, size_t at)
{
	size_t len = a->len - at;

	if (a->overflow || len > PKG_LENGTH_MAX) {
		a->overflow = true;
		return;
	}
	a->buf[at] = (uint8_t)((PKG_LENGTH_BYTES - 1) << 6 | (len & 0xf));
	a->buf[at + 1] = (uint8_t)(len >> 4);
	a->buf[at + 2] = (uint8_t)(len >> 12);
}

size_t aml_begin_scope(struct aml *a, const char *name)
{
	size_t at;

	byte(a, OP_SCOPE);
	at = begin(a);
	aml_bytes(a, name, strlen(name));
	return at;
}

size_t aml_begin_device(struct aml *a, const char *name)
{
	size_t at;

	byte(a, OP_EXT);
	byte(a, EXT_DEVICE);
	at = begin(a);
	aml_bytes(a, name, strlen(name));
	return at;
}

static void name_op(struct aml *a, const char *name)
{
	byte(a, OP_NAME);
	aml_bytes(a, name, strlen(name));
}

static void integer(struct aml *a, uint32_t value)
{
	if (value <= 0xff) {
		byte(a, OP_BYTE);
		byte(a, (uint8_t)value);
		return;
	}
	byte(a, OP_DWORD);
	aml_bytes(a, &value, sizeof(value));
}

void aml_name_integer(struct aml *a, const char *name, uint32_t value)
{
	name_op(a, name);
	integer(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *value)
{
	name_op(a, name);
	byte(a, OP_STRING);
	aml_bytes(a, value, strlen(value) + 1);
}

void aml_name_sleep(struct aml *a, const char *name, uint8_t type)
{
	size_t at;

	name_op(a, name);
	byte(a, OP_PACKAGE);
	at = begin(a);
	byte(a, 4);
	integer(a, type);
	integer(a, type);
	byte(a, OP_ZERO);
	byte(a, OP_ZERO);
	aml_end(a, at);
}

/* A buffer of resource descriptors: its size as an integer, then its bytes. */
static void resources(struct aml *a, const void *data, size_t len)
{
	static const uint8_t end_tag[] = { 0x79, 0 }; /* a checksum of 0 is not looked at */
	uint16_t size = (uint16_t)(len + sizeof(end_tag));
	size_t at;

	name_op(a, "_CRS");
	byte(a, OP_BUFFER);
	at = begin(a);
	byte(a, OP_WORD);
	aml_bytes(a, &size, sizeof(size));
	aml_bytes(a, data, len);
	aml_bytes(a, end_tag, sizeof(end_tag));
	aml_end(a, at);
}

void aml_resources_memory_line(struct aml *a, uint32_t start, uint32_t size, uint32_t line)
{
	struct __attribute__((packed)) {
		uint8_t memory; /* 6.4.3.4: 32-bit fixed memory range */
		uint16_t memory_len;
		uint8_t writable;
		uint32_t start, size;
		uint8_t interrupt; /* 6.4.3.6: extended interrupt */
		uint16_t interrupt_len;
		uint8_t flags, n;
		uint32_t line;
	} r = {
		.memory = 0x86,
		.memory_len = 9,
		.writable = 1,
		.start = start,
		.size = size,
		.interrupt = 0x89,
		.interrupt_len = 6,
		.flags = 0x03, /* consumer, edge, active high, exclusive */
		.n = 1,
		.line = line,
	};

	resources(a, &r, sizeof(r));
}

void aml_resources_port(struct aml *a, uint16_t port, uint8_t n)
{
	struct __attribute__((packed)) {
		uint8_t io; /* 6.4.2.5: I/O port */
		uint8_t decodes_16_bits;
		uint16_t min, max;
		uint8_t align, n;
	} r = { 0x47, 1, port, port, 1, n };

	resources(a, &r, sizeof(r));
}
