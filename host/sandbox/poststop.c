/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/poststop.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "host/hooks/hooks.h"
#include "oci/spec.h"

#define STEP_MS 100

/* On top of what the hooks may take: for those that do not end when they are killed. */
#define MARGIN_MS 5000

struct poststop {
	char *id, *bundle;
	Grpc__Spec *spec;
	struct strv annotations;
	bool over;
};

struct poststop *poststop_of(struct sandbox_state *st, const char *id)
{
	const struct state_container *c = state_find_container(st, id);
	struct err err = ERR_INIT;
	struct poststop *p;

	if (!c || !c->bundle)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->id = xstrdup(id);
	p->bundle = xstrdup(c->bundle);
	for (size_t i = 0; i < c->annotations.n; i++)
		strv_add(&p->annotations, c->annotations.v[i]);
	if (oci_spec_load(c->bundle, &p->spec, &err) == 0 &&
	    hooks_any(p->spec->hooks, HOOK_POSTSTOP))
		return p;
	if (err.code)
		log_info("container %s: its hooks are not known: %s", id, err_msg(&err));
	poststop_free(p);
	return NULL;
}

static void on_over(const struct err *err, void *arg)
{
	struct poststop *p = arg;

	if (err)
		log_warn("container %s: %s", p->id, err_msg(err));
	p->over = true;
}

void poststop_run(struct poststop *p)
{
	struct hook_place place = { .root = -1 };
	struct hook_state state = { .status = "stopped" };
	struct hooks *hooks;
	struct loop *loop;
	int64_t end;

	if (!p)
		return;
	loop = loop_new();
	if (!loop) {
		log_warn("container %s: its poststop hooks are not run: no event loop", p->id);
		poststop_free(p);
		return;
	}
	place.cwd = p->bundle;
	state.id = p->id;
	state.bundle = p->bundle;
	state.annotations = &p->annotations;
	end = loop_now_ms() + hooks_limit_ms(p->spec->hooks, HOOK_POSTSTOP) + MARGIN_MS;
	hooks = hooks_run(loop, HOOK_POSTSTOP, p->spec->hooks, &state, &place, on_over, p);
	while (!p->over && loop_now_ms() < end && loop_step(loop, STEP_MS) >= 0)
		;
	if (!p->over)
		hooks_free(hooks);
	loop_free(loop);
	poststop_free(p);
}

void poststop_free(struct poststop *p)
{
	if (!p)
		return;
	if (p->spec)
		grpc__spec__free_unpacked(p->spec, NULL);
	strv_free(&p->annotations);
	free(p->id);
	free(p->bundle);
	free(p);
}
