/* SPDX-License-Identifier: Apache-2.0 */
/* agent-call: drives an agent from a shell, one command a call. */
#ifndef AGENT_CALL_H
#define AGENT_CALL_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/str.h"
#include "proto/agent.pb-c.h"
#include "ttrpc/ttrpc.h"

#define CALL_MS 20000

struct session {
	struct loop *loop;
	struct ttrpc_client *client;
};

/* A specification from options; everything in it lives until the program ends. */
struct spec {
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__StringUser string_user;
	char *hook_path; /* of the guest, for a sandbox; or NULL */
	bool has_string_user, sandbox_pidns, has_args;
	Grpc__Storage *storages[8];
	size_t n_storages;
	char *sets[32]; /* FIELD=VALUE of the request itself */
	size_t n_sets;
};

/*
 * Fill @s from @argv up to "--" or the first word that is no option; the rest
 * are the process's args. Returns how many words were options, exits on a
 * mistake.
 */
int spec_parse(struct spec *s, int argc, char **argv);

/* Call @method and wait; exits with 125 and "error CODE: message" when it fails. */
ProtobufCMessage *call(struct session *s, const char *method, const ProtobufCMessage *req,
		       int64_t timeout_ms);

/* Any method of the service: see generic.c. */
int generic(struct session *s, const char *method, int argc, char **argv);

/* Set the field of @m that "path=value" names; exits on a mistake. Changes @text. */
void generic_set(ProtobufCMessage *m, char *text);

/* Copy our stdio to and from a process, wait for it. Returns its status. */
int pump(struct session *s, const char *cid, const char *eid, bool keep_stdin);

#endif
