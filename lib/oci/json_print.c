/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "base/str.h"
#include "oci/json_pb.h"
#include "oci/names.h"

static json_object *message_json(const ProtobufCMessage *msg, const struct json_pb_rule *rules);

static const void *member(const ProtobufCMessage *msg, unsigned int offset)
{
	return (const char *)msg + offset;
}

/* The @i-th of the values that begin at @at; NULL for a type that JSON is not made from. */
static json_object *value_json(const ProtobufCFieldDescriptor *field, const void *at, size_t i,
			       const struct json_pb_rule *rules)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_object_new_boolean(((const protobuf_c_boolean *)at)[i]);
	case PROTOBUF_C_TYPE_INT32:
		return json_object_new_int(((const int32_t *)at)[i]);
	case PROTOBUF_C_TYPE_INT64:
		return json_object_new_int64(((const int64_t *)at)[i]);
	case PROTOBUF_C_TYPE_UINT32:
		return json_object_new_int64(((const uint32_t *)at)[i]);
	case PROTOBUF_C_TYPE_UINT64:
		return json_object_new_uint64(((const uint64_t *)at)[i]);
	case PROTOBUF_C_TYPE_STRING:
		return json_object_new_string(((const char *const *)at)[i]);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_json(((const ProtobufCMessage *const *)at)[i], rules);
	default:
		return NULL;
	}
}

static json_object *map_json(const ProtobufCFieldDescriptor *field, const void *at, size_t n)
{
	const ProtobufCMessageDescriptor *type = field->descriptor;
	const ProtobufCMessage *const *items = at;
	json_object *obj = json_object_new_object();

	for (size_t i = 0; i < n; i++) {
		const char *const *key = member(items[i], type->fields[0].offset);

		json_object_object_add(obj, *key,
				       value_json(&type->fields[1],
						  member(items[i], type->fields[1].offset), 0,
						  NULL));
	}
	return obj;
}

static json_object *repeated_json(const ProtobufCFieldDescriptor *field,
				  const ProtobufCMessage *msg, const struct json_pb_rule *rules)
{
	size_t n = *(const size_t *)member(msg, field->quantifier_offset);
	const void *items = *(const void *const *)member(msg, field->offset);
	json_object *list;

	if (json_pb_is_map(field))
		return map_json(field, items, n);
	list = json_object_new_array();
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, value_json(field, items, i, rules));
	return list;
}

/* Whether @field holds anything but the nothing of its type. */
static bool has_value(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
	const void *at = member(msg, field->offset);
	const void *quantifier = member(msg, field->quantifier_offset);
	const char *s;

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
		s = *(const char *const *)at;
		return s && *s;
	default:
		return *(const void *const *)at != NULL;
	}
}

static json_object *message_json(const ProtobufCMessage *msg, const struct json_pb_rule *rules)
{
	const ProtobufCMessageDescriptor *type = msg->descriptor;
	json_object *obj = json_object_new_object();

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const struct json_pb_rule *rule = json_pb_rule_for(rules, type, field);
		char buf[JSON_PB_NAME_MAX];
		json_object *v;

		if (rule && rule->skip)
			continue;
		if (!has_value(msg, field) && !(rule && rule->always))
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			v = repeated_json(field, msg, rules);
		else
			v = value_json(field, member(msg, field->offset), 0, rules);
		json_object_object_add(obj, json_pb_name(field, rule, buf), v);
	}
	return obj;
}

char *json_pb_print(const ProtobufCMessage *msg, const struct json_pb_rule *rules)
{
	json_object *obj = message_json(msg, rules);
	char *text = xasprintf("%s\n",
			       json_object_to_json_string_ext(
				       obj, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_PRETTY_TAB |
						    JSON_C_TO_STRING_SPACED |
						    JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(obj);
	return text;
}
