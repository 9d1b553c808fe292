/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's hooks find in the directory that their state calls its bundle:
 * /run/kata-containers/ID/config.json, as in the original.
 */
#ifndef AGENT_BUNDLE_H
#define AGENT_BUNDLE_H

#include <protobuf-c/protobuf-c.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

/* @text as a string of JSON. */
void json_put_string(struct str *out, const char *text);

/* @msg as config.json has it. */
void json_put_message(struct str *out, const ProtobufCMessage *msg);

/* The directory. Owned. */
char *bundle_path(const char *id);

int bundle_make(const char *id, const Grpc__Spec *spec, struct err *err);

/* It may not be there. */
void bundle_remove(const char *id);

#endif
