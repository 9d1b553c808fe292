/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/hook_time.h"

#include "base/cleanup.h"
#include "oci/spec.h"

/* Nobody waits longer than a day. */
#define LONGEST_MS (INT64_C(24) * 3600 * 1000)

static int64_t sum(const Grpc__Hooks *hooks, const enum hook_kind *kinds, size_t n)
{
	int64_t ms = 0;

	for (size_t i = 0; i < n && ms < LONGEST_MS; i++)
		ms += hooks_limit_ms(hooks, kinds[i]);
	return ms < LONGEST_MS ? ms : LONGEST_MS;
}

int64_t hook_time(struct sandbox_state *st, const char *id, enum hook_kind kind)
{
	const struct state_container *c = state_find_container(st, id);
	Grpc__Spec *spec = NULL;
	int64_t ms;

	if (!c || !c->bundle || oci_spec_load(c->bundle, &spec, NULL) < 0)
		return 0;
	ms = sum(spec->hooks, &kind, 1);
	grpc__spec__free_unpacked(spec, NULL);
	return ms;
}

int64_t hook_time_create(const Grpc__Spec *spec)
{
	/* poststop, too: what fails is undone before it is told. */
	static const enum hook_kind kinds[] = { HOOK_PRESTART, HOOK_CREATE_RUNTIME,
						HOOK_CREATE_CONTAINER, HOOK_POSTSTOP };

	return sum(spec->hooks, kinds, ARRAY_SIZE(kinds));
}

int64_t hook_time_start(const Grpc__Spec *spec)
{
	return sum(spec->hooks, &(const enum hook_kind){ HOOK_POSTSTART }, 1);
}

int64_t hook_time_delete(const Grpc__Spec *spec)
{
	return sum(spec->hooks, &(const enum hook_kind){ HOOK_POSTSTOP }, 1);
}
