/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any method, by its descriptor: fields are given as "interface.name=eth0" or
 * "storages.0.options.1=ro", and the answer is printed the same way. "@FILE"
 * as a value is the content of that file.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent-call.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "proto/agent.pb-c.h"

#define FILE_MAX (4u << 20)

static void fail(const char *what, const char *text)
{
	fprintf(stderr, "agent-call: %s \"%s\"\n", what, text);
	exit(124);
}

static ProtobufCMessage *make(const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *m = xcalloc(1, d->sizeof_message);

	protobuf_c_message_init(d, m);
	return m;
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return 8;
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

/* The content of a value, which may be that of a file. */
static void content(const char *value, struct str *out)
{
	if (value[0] == '@') {
		if (file_read(value + 1, FILE_MAX, out, NULL) < 0)
			fail("cannot read", value + 1);
	} else {
		str_puts(out, value);
	}
	str_add(out, "", 0);
}

static void set_value(const ProtobufCFieldDescriptor *f, void *at, const char *value)
{
	struct str text = STR_INIT;
	ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = !strcmp(value, "true");
		break;
	case PROTOBUF_C_TYPE_INT64:
		*(int64_t *)at = strtoll(value, NULL, 0);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		*(uint64_t *)at = strtoull(value, NULL, 0);
		break;
	case PROTOBUF_C_TYPE_STRING:
		content(value, &text);
		*(char **)at = str_take(&text);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		content(value, &text);
		bytes->len = text.len;
		bytes->data = (uint8_t *)str_take(&text);
		break;
	case PROTOBUF_C_TYPE_INT32:
		*(int32_t *)at = (int32_t)strtol(value, NULL, 0);
		break;
	default:
		*(uint32_t *)at = (uint32_t)strtoul(value, NULL, 0);
	}
}

/* The element @index of a repeated field, the list made longer as needed. */
static void *element(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t index)
{
	size_t *n = (size_t *)(void *)((char *)m + f->quantifier_offset);
	char **list = (char **)(void *)((char *)m + f->offset);
	size_t size = element_size(f);

	if (index >= *n) {
		*list = xrealloc(*list, (index + 1) * size);
		memset(*list + *n * size, 0, (index + 1 - *n) * size);
		*n = index + 1;
	}
	return *list + index * size;
}

/* @path is "name", "name.3", "name.3.rest" or "name.rest". */
static void assign(ProtobufCMessage *m, char *path, const char *value)
{
	char *name = strsep(&path, ".");
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
	void *at;

	if (!f)
		fail("no field", name);
	at = (char *)m + f->offset;
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		at = element(m, f, path ? strtoul(strsep(&path, "."), NULL, 10) : 0);
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		ProtobufCMessage **sub = at;

		if (!*sub)
			*sub = make(f->descriptor);
		if (path)
			assign(*sub, path, value);
		return;
	}
	set_value(f, at, value);
}

static void print_message(const char *prefix, const ProtobufCMessage *m);

static void print_value(const char *name, const ProtobufCFieldDescriptor *f, const void *at)
{
	const ProtobufCBinaryData *bytes = at;

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		if (*(ProtobufCMessage *const *)at)
			print_message(name, *(ProtobufCMessage *const *)at);
		break;
	case PROTOBUF_C_TYPE_STRING:
		if (*(char *const *)at && **(char *const *)at)
			printf("%s=%s\n", name, *(char *const *)at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		printf("%s=%.*s\n", name, (int)bytes->len, (const char *)bytes->data);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		printf("%s=%s\n", name, *(const protobuf_c_boolean *)at ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		printf("%s=%" PRIu64 "\n", name, *(const uint64_t *)at);
		break;
	default:
		printf("%s=%" PRIu32 "\n", name, *(const uint32_t *)at);
	}
}

static void print_message(const char *prefix, const ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;

	for (unsigned i = 0; i < d->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &d->fields[i];
		const char *at = (const char *)m + f->offset;
		char *name = xasprintf("%s%s%s", prefix, *prefix ? "." : "", f->name);

		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *)(const void *)((const char *)m +
								   f->quantifier_offset);

			for (size_t k = 0; k < n; k++) {
				char *one = xasprintf("%s.%zu", name, k);

				print_value(one, f,
					    *(char *const *)(const void *)at + k * element_size(f));
				free(one);
			}
		} else {
			print_value(name, f, at);
		}
		free(name);
	}
}

void generic_set(ProtobufCMessage *m, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		fail("no assignment:", text);
	*value++ = '\0';
	assign(m, text, value);
}

int generic(struct session *s, const char *method, int argc, char **argv)
{
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(
		&grpc__agent_service__descriptor, method);
	ProtobufCMessage *req;

	if (!m)
		fail("no method", method);
	req = make(m->input);
	for (int i = 0; i < argc; i++)
		generic_set(req, argv[i]);
	print_message("", call(s, method, req, CALL_MS));
	return 0;
}
