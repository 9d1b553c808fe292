/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON ↔ protobuf, driven by the messages' descriptors.
 *
 * A field `UIDMappings` is the member "uidMappings": the capitals that a name
 * begins with are lowered up to the one that starts the next word. Rules name
 * the exceptions. A map<string, string> is an object of strings. Members that
 * no field stands for are ignored, and null is taken for absent, as the readers
 * of Go do. Supported are bool, string, the integers, messages, maps, repeated
 * fields and oneof; another type is -EOPNOTSUPP.
 */
#ifndef OCI_JSON_PB_H
#define OCI_JSON_PB_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define JSON_PB_DEPTH_MAX 32

struct json_pb_rule {
	const ProtobufCMessageDescriptor *message;
	const char *field; /* as in the .proto file */
	const char *json;  /* the member's name; NULL: the usual one */
	bool skip;	   /* no member stands for it */
	bool always;	   /* written even when zero, false or empty */
};

/*
 * Read the JSON text [@json, @json + @len) as a message of @type. @name says in
 * errors what is read: "@name:LINE:COLUMN: what" when it is no JSON, and
 * "@name: process.args[1]: must be a string, not an integer" when it does not
 * fit. @rules ends with a NULL message; NULL: none. Of a member that is
 * there twice the last counts; digits beyond 64 bits count as the largest number
 * of their sign. NULL and @err (-EINVAL) on failure; the caller frees with
 * protobuf_c_message_free_unpacked(msg, NULL).
 */
ProtobufCMessage *json_pb_parse(const char *json, size_t len, const char *name,
				const ProtobufCMessageDescriptor *type,
				const struct json_pb_rule *rules, struct err *err);

/*
 * Write @msg as indented JSON with a newline at its end. Fields without a value
 * are left out unless a rule wants them. The caller frees. Never NULL.
 */
char *json_pb_print(const ProtobufCMessage *msg, const struct json_pb_rule *rules);

#endif
