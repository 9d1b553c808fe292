/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "oci/names.h"

#define BUNDLES "/run/kata-containers"

void json_put_string(struct str *out, const char *text)
{
	str_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			str_printf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			str_printf(out, "\\u%04x", (unsigned)*text);
		else
			str_putc(out, *text);
	}
	str_putc(out, '"');
}

static const void *member(const ProtobufCMessage *msg, unsigned int offset)
{
	return (const char *)msg + offset;
}

/* The @i-th of the values that begin at @at. */
static void put_value(struct str *out, const ProtobufCFieldDescriptor *field, const void *at,
		      size_t i)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		str_puts(out, ((const protobuf_c_boolean *)at)[i] ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_INT32:
		str_printf(out, "%" PRId32, ((const int32_t *)at)[i]);
		break;
	case PROTOBUF_C_TYPE_INT64:
		str_printf(out, "%" PRId64, ((const int64_t *)at)[i]);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		str_printf(out, "%" PRIu32, ((const uint32_t *)at)[i]);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		str_printf(out, "%" PRIu64, ((const uint64_t *)at)[i]);
		break;
	case PROTOBUF_C_TYPE_STRING:
		json_put_string(out, ((const char *const *)at)[i]);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		json_put_message(out, ((const ProtobufCMessage *const *)at)[i]);
		break;
	default:
		str_puts(out, "null");
	}
}

/* A map's entry: the fields are its key and its value. */
static void put_entry(struct str *out, const ProtobufCMessage *entry)
{
	const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;

	put_value(out, &fields[0], member(entry, fields[0].offset), 0);
	str_putc(out, ':');
	put_value(out, &fields[1], member(entry, fields[1].offset), 0);
}

static void put_repeated(struct str *out, const ProtobufCFieldDescriptor *field,
			 const ProtobufCMessage *msg)
{
	size_t n = *(const size_t *)member(msg, field->quantifier_offset);
	const void *items = *(const void *const *)member(msg, field->offset);
	bool map = json_pb_is_map(field);

	str_putc(out, map ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			str_putc(out, ',');
		if (map)
			put_entry(out, ((const ProtobufCMessage *const *)items)[i]);
		else
			put_value(out, field, items, i);
	}
	str_putc(out, map ? '}' : ']');
}

/* Whether @field holds anything but the nothing of its type. */
static bool has_value(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const void *at = member(msg, field->offset);
	const void *quantifier = member(msg, field->quantifier_offset);

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)quantifier > 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)quantifier == field->id;
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return *(const protobuf_c_boolean *)at;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		return *(const uint32_t *)at != 0;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return *(const uint64_t *)at != 0;
	case PROTOBUF_C_TYPE_STRING:
		return *(const char *const *)at && **(const char *const *)at;
	default:
		return *(const void *const *)at != NULL;
	}
}

void json_put_message(struct str *out, const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *type = msg->descriptor;
	bool first = true;

	str_putc(out, '{');
	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const struct json_pb_rule *rule = json_pb_rule_for(oci_rules, type, field);
		char buf[JSON_PB_NAME_MAX];

		if ((rule && rule->skip) || (!has_value(msg, field) && !(rule && rule->always)))
			continue;
		if (!first)
			str_putc(out, ',');
		first = false;
		json_put_string(out, json_pb_name(field, rule, buf));
		str_putc(out, ':');
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			put_repeated(out, field, msg);
		else
			put_value(out, field, member(msg, field->offset), 0);
	}
	str_putc(out, '}');
}

char *bundle_path(const char *id)
{
	return xasprintf(BUNDLES "/%s", id);
}

int bundle_make(const char *id, const Grpc__Spec *spec, struct err *err)
{
	auto_free char *dir = bundle_path(id), *file = xasprintf("%s/config.json", dir);
	auto_str struct str text = STR_INIT;
	auto_close int fd = -1;
	int r = dir_make(dir, 0755, err);

	if (r < 0)
		return r;
	json_put_message(&text, &spec->base);
	str_putc(&text, '\n');
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : fd_write_full(fd, text.data, text.len);
	return r < 0 ? err_sys(err, r, "%s", file) : 0;
}

void bundle_remove(const char *id)
{
	auto_free char *dir = bundle_path(id), *file = xasprintf("%s/config.json", dir);

	(void)unlink(file);
	(void)rmdir(dir); /* a hook may have left something there */
}
