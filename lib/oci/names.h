/* SPDX-License-Identifier: Apache-2.0 */
/* How fields of messages are called in JSON; shared by reading and writing. */
#ifndef OCI_NAMES_H
#define OCI_NAMES_H

#include "oci/json_pb.h"

#define JSON_PB_NAME_MAX 64

/* Where config.json and oci.proto part ways; ends with a NULL message. */
extern const struct json_pb_rule oci_rules[];

/* The rule for @field of @type, or NULL. */
const struct json_pb_rule *json_pb_rule_for(const struct json_pb_rule *rules,
					    const ProtobufCMessageDescriptor *type,
					    const ProtobufCFieldDescriptor *field);

/* The member's name: @rule's, or made from the field's in @buf. */
const char *json_pb_name(const ProtobufCFieldDescriptor *field, const struct json_pb_rule *rule,
			 char buf[static JSON_PB_NAME_MAX]);

/* Whether the repeated field @field is a map<string, string>. */
bool json_pb_is_map(const ProtobufCFieldDescriptor *field);

#endif
