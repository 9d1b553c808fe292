/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hooks of a container, one after the other, in the order that config.json has
 * them. startContainer is none of them: it runs in the guest.
 */
#ifndef HOST_HOOKS_HOOKS_H
#define HOST_HOOKS_HOOKS_H

#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/hooks/hook.h"
#include "proto/oci.pb-c.h"

enum hook_kind {
	HOOK_PRESTART,
	HOOK_CREATE_RUNTIME,
	HOOK_CREATE_CONTAINER,
	HOOK_POSTSTART,
	HOOK_POSTSTOP, /* all are run: what fails is for the log */
};

/* What the hooks are told: the specification's state (runtime.md, "State"). */
struct hook_state {
	const char *id;
	const char *status;
	const char *bundle;
	pid_t pid;			/* 0: none */
	const struct strv *annotations; /* key, value, key, value …; or NULL */
};

/* As JSON. The caller frees. */
char *hook_state_json(const struct hook_state *state);

struct hooks;

/* @err NULL: all went well. Called once, from the loop; the hooks are released then. */
typedef void (*hooks_done)(const struct err *err, void *arg);

/*
 * Run those of @kind. @all (may be NULL) is borrowed until `done`; @state and @place are
 * borrowed for the call, but for the descriptors in @place. Never NULL.
 */
struct hooks *hooks_run(struct loop *loop, enum hook_kind kind, const Grpc__Hooks *all,
			const struct hook_state *state, const struct hook_place *place,
			hooks_done done, void *arg);

/* Kill what runs, run no more: `done` comes with @why. */
void hooks_cancel(struct hooks *hooks, const struct err *why);

/* Release; what runs is killed, and `done` is not called. NULL is allowed. */
void hooks_free(struct hooks *hooks);

/* Whether @all, which may be NULL, has any of @kind. */
bool hooks_any(const Grpc__Hooks *all, enum hook_kind kind);

/* Milliseconds that those of @kind may take together. */
int64_t hooks_limit_ms(const Grpc__Hooks *all, enum hook_kind kind);

#endif
