/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/json_pb.h"
#include "oci/names.h"

/* Where in the document, innermost first: a member's name, or an index. */
struct place {
	const struct place *up;
	const char *name; /* NULL: an element of the array @up */
	size_t index;
};

struct reader {
	const char *doc;
	const struct json_pb_rule *rules;
	struct err *err;
};

static int read_message(const struct reader *r, const struct place *at, json_object *obj,
			ProtobufCMessage *msg);

static void cleanup_json(json_object **obj)
{
	json_object_put(*obj);
}

static void cleanup_tokener(struct json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

static void print_place(const struct place *at, struct str *out)
{
	if (!at)
		return;
	print_place(at->up, out);
	if (!at->name)
		str_printf(out, "[%zu]", at->index);
	else
		str_printf(out, "%s%s", out->len ? "." : "", at->name);
}

static int refuse(const struct reader *r, const struct place *at, const char *what)
{
	auto_str struct str where = STR_INIT;

	print_place(at, &where);
	if (where.len == 0)
		return err_set(r->err, EINVAL, "%s: %s", r->doc, what);
	return err_set(r->err, EINVAL, "%s: %s: %s", r->doc, str_text(&where), what);
}

static const char *kind_of(json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return "null";
	case json_type_boolean:
		return "a boolean";
	case json_type_double:
		return "a fraction";
	case json_type_int:
		return "an integer";
	case json_type_object:
		return "an object";
	case json_type_array:
		return "an array";
	case json_type_string:
		return "a string";
	}
	return "something else";
}

static int refuse_type(const struct reader *r, const struct place *at, const char *wanted,
		       json_object *v)
{
	auto_free char *what = xasprintf("must be %s, not %s", wanted, kind_of(v));

	return refuse(r, at, what);
}

static int refuse_range(const struct reader *r, const struct place *at, long long min,
			unsigned long long max, json_object *v)
{
	auto_free char *what = xasprintf("must be between %lld and %llu, not %s", min, max,
					 json_object_get_string(v));

	return refuse(r, at, what);
}

static int read_signed(const struct reader *r, const struct place *at, json_object *v, int64_t min,
		       int64_t max, int64_t *out)
{
	if (!json_object_is_type(v, json_type_int))
		return refuse_type(r, at, "an integer", v);
	*out = json_object_get_int64(v);
	/* Beyond INT64_MAX json-c gives INT64_MAX, and the other getter gives more. */
	if (*out < min || *out > max || (*out > 0 && json_object_get_uint64(v) > (uint64_t)max))
		return refuse_range(r, at, min, (unsigned long long)max, v);
	return 0;
}

static int read_unsigned(const struct reader *r, const struct place *at, json_object *v,
			 uint64_t max, uint64_t *out)
{
	if (!json_object_is_type(v, json_type_int))
		return refuse_type(r, at, "an integer", v);
	*out = json_object_get_uint64(v);
	if (json_object_get_int64(v) < 0 || *out > max)
		return refuse_range(r, at, 0, max, v);
	return 0;
}

static int read_string(const struct reader *r, const struct place *at, json_object *v, char **out)
{
	if (!json_object_is_type(v, json_type_string))
		return refuse_type(r, at, "a string", v);
	if (strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
		return refuse(r, at, "must not contain a NUL character");
	*out = xstrdup(json_object_get_string(v));
	return 0;
}

static int read_submessage(const struct reader *r, const struct place *at, json_object *v,
			   const ProtobufCMessageDescriptor *type, ProtobufCMessage **out)
{
	if (!json_object_is_type(v, json_type_object))
		return refuse_type(r, at, "an object", v);
	*out = xmalloc(type->sizeof_message);
	protobuf_c_message_init(type, *out);
	return read_message(r, at, v, *out);
}

/* Read @v as one value of @field's type to @out. What it allocates is reachable from @out. */
static int read_value(const struct reader *r, const struct place *at, json_object *v,
		      const ProtobufCFieldDescriptor *field, void *out)
{
	int64_t s = 0;
	uint64_t u = 0;
	int ret;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_object_is_type(v, json_type_boolean))
			return refuse_type(r, at, "a boolean", v);
		*(protobuf_c_boolean *)out = json_object_get_boolean(v);
		return 0;
	case PROTOBUF_C_TYPE_INT32:
		ret = read_signed(r, at, v, INT32_MIN, INT32_MAX, &s);
		*(int32_t *)out = (int32_t)s;
		return ret;
	case PROTOBUF_C_TYPE_INT64:
		ret = read_signed(r, at, v, INT64_MIN, INT64_MAX, &s);
		*(int64_t *)out = s;
		return ret;
	case PROTOBUF_C_TYPE_UINT32:
		ret = read_unsigned(r, at, v, UINT32_MAX, &u);
		*(uint32_t *)out = (uint32_t)u;
		return ret;
	case PROTOBUF_C_TYPE_UINT64:
		ret = read_unsigned(r, at, v, UINT64_MAX, &u);
		*(uint64_t *)out = u;
		return ret;
	case PROTOBUF_C_TYPE_STRING:
		return read_string(r, at, v, out);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_submessage(r, at, v, field->descriptor, out);
	default:
		refuse(r, at, "is of a type that cannot be read from JSON");
		r->err->code = -EOPNOTSUPP;
		return -EOPNOTSUPP;
	}
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		return 4;
	default: /* integers of 64 bits and pointers */
		return 8;
	}
}

_Static_assert(sizeof(void *) == 8, "size_of() takes pointers for 64 bits");

static int read_array(const struct reader *r, const struct place *at, json_object *v,
		      const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	size_t *n = (size_t *)(void *)((char *)msg + field->quantifier_offset);
	size_t size = size_of(field->type), len;
	char *items;

	if (!json_object_is_type(v, json_type_array))
		return refuse_type(r, at, "an array", v);
	len = json_object_array_length(v);
	if (len == 0)
		return 0;
	items = xcalloc(len, size);
	*(void **)(void *)((char *)msg + field->offset) = items;
	for (size_t i = 0; i < len; i++) {
		struct place here = { .up = at, .index = i };
		/* Counted first: a value that fails half-way is released with the message. */
		int ret = read_value(r, &here, json_object_array_get_idx(v, i), field,
				     items + (*n)++ * size);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_map(const struct reader *r, const struct place *at, json_object *v,
		    const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	size_t *n = (size_t *)(void *)((char *)msg + field->quantifier_offset);
	const ProtobufCMessageDescriptor *type = field->descriptor;
	ProtobufCMessage **items;

	if (!json_object_is_type(v, json_type_object))
		return refuse_type(r, at, "an object", v);
	if (json_object_object_length(v) == 0)
		return 0;
	items = xcalloc((size_t)json_object_object_length(v), sizeof(*items));
	*(void **)(void *)((char *)msg + field->offset) = items;
	json_object_object_foreach(v, key, value)
	{
		struct place here = { .up = at, .name = key };
		ProtobufCMessage *item = xmalloc(type->sizeof_message);
		int ret;

		protobuf_c_message_init(type, item);
		items[(*n)++] = item;
		*(char **)(void *)((char *)item + type->fields[0].offset) = xstrdup(key);
		ret = read_value(r, &here, value, &type->fields[1],
				 (char *)item + type->fields[1].offset);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_field(const struct reader *r, const struct place *at, json_object *v,
		      const ProtobufCFieldDescriptor *field, ProtobufCMessage *msg)
{
	void *quantifier = (char *)msg + field->quantifier_offset;

	if (json_pb_is_map(field))
		return read_map(r, at, v, field, msg);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(r, at, v, field, msg);
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		*(uint32_t *)quantifier = field->id;
	else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset)
		*(protobuf_c_boolean *)quantifier = true;
	return read_value(r, at, v, field, (char *)msg + field->offset);
}

static int read_message(const struct reader *r, const struct place *at, json_object *obj,
			ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *type = msg->descriptor;

	for (unsigned int i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		const struct json_pb_rule *rule = json_pb_rule_for(r->rules, type, field);
		char buf[JSON_PB_NAME_MAX];
		struct place here = { .up = at };
		json_object *v;
		int ret;

		if (rule && rule->skip)
			continue;
		here.name = json_pb_name(field, rule, buf);
		if (!json_object_object_get_ex(obj, here.name, &v) || !v)
			continue;
		ret = read_field(r, &here, v, field, msg);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* "@name:LINE:COLUMN: @what" for the byte at @offset of @json. */
static void refuse_text(const char *json, size_t offset, const char *name, const char *what,
			struct err *err)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < offset; i++) {
		if (json[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	err_set(err, EINVAL, "%s:%zu:%zu: %s", name, line, offset - start + 1, what);
}

static json_object *read_text(const char *json, size_t len, const char *name, struct err *err)
{
	__attribute__((cleanup(cleanup_tokener))) struct json_tokener *tok =
		json_tokener_new_ex(JSON_PB_DEPTH_MAX);
	enum json_tokener_error status;
	auto_free char *copy = NULL;
	json_object *obj;
	size_t end;

	if (len == 0) {
		err_set(err, EINVAL, "%s: is empty", name);
		return NULL;
	}
	if (len >= INT_MAX) {
		err_set(err, EFBIG, "%s: is too long", name);
		return NULL;
	}
	if (memchr(json, '\0', len)) {
		refuse_text(json, strlen(json), name, "not JSON: a NUL character", err);
		return NULL;
	}
	if (!tok) {
		err_set(err, ENOMEM, "%s: cannot start to read it", name);
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	/* Only a NUL behind it ends a text such as "7" for json-c. */
	copy = xstrndup(json, len);
	obj = json_tokener_parse_ex(tok, copy, (int)len + 1);
	status = json_tokener_get_error(tok);
	end = json_tokener_get_parse_end(tok);
	if (status == json_tokener_success)
		return obj;
	if (status == json_tokener_continue || end >= len)
		refuse_text(json, len, name, "not JSON: it ends too early", err);
	else {
		auto_free char *what = xasprintf("not JSON: %s", json_tokener_error_desc(status));

		refuse_text(json, end, name, what, err);
	}
	json_object_put(obj);
	return NULL;
}

ProtobufCMessage *json_pb_parse(const char *json, size_t len, const char *name,
				const ProtobufCMessageDescriptor *type,
				const struct json_pb_rule *rules, struct err *err)
{
	struct err unheard = ERR_INIT;
	struct reader r = { .doc = name, .rules = rules, .err = err ? err : &unheard };
	__attribute__((cleanup(cleanup_json))) json_object *obj = NULL;
	ProtobufCMessage *msg = NULL;

	err_clear(r.err);
	obj = read_text(json, len, name, r.err);
	if (!obj && r.err->code)
		return NULL;
	if (read_submessage(&r, NULL, obj, type, &msg) < 0) {
		if (msg)
			protobuf_c_message_free_unpacked(msg, NULL);
		return NULL;
	}
	return msg;
}
