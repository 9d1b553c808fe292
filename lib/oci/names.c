/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

const struct json_pb_rule *json_pb_rule_for(const struct json_pb_rule *rules,
					    const ProtobufCMessageDescriptor *type,
					    const ProtobufCFieldDescriptor *field)
{
	for (const struct json_pb_rule *r = rules; r && r->message; r++)
		if (r->message == type && strcmp(r->field, field->name) == 0)
			return r;
	return NULL;
}

const char *json_pb_name(const ProtobufCFieldDescriptor *field, const struct json_pb_rule *rule,
			 char buf[static JSON_PB_NAME_MAX])
{
	if (rule && rule->json)
		return rule->json;
	snprintf(buf, JSON_PB_NAME_MAX, "%s", field->name);
	for (size_t i = 0; isupper((unsigned char)buf[i]); i++) {
		/* "OOMScoreAdj": the S starts a word of its own. */
		if (i > 0 && islower((unsigned char)buf[i + 1]))
			break;
		buf[i] = (char)tolower((unsigned char)buf[i]);
	}
	return buf;
}

bool json_pb_is_map(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;

	/* protoc-c keeps no option map_entry; the compiler's name for it remains. */
	return field->label == PROTOBUF_C_LABEL_REPEATED &&
	       field->type == PROTOBUF_C_TYPE_MESSAGE && str_ends(entry->short_name, "Entry") &&
	       entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0;
}
