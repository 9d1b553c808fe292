/* SPDX-License-Identifier: Apache-2.0 */
/* Whose machine makes room for a pod's first container that is made anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/cli/renew.h"

#define SANDBOX_ID "io.kubernetes.cri-o.SandboxID"

static void add(struct sandbox_state *st, const char *id, const char *key, const char *value)
{
	struct state_container *c = state_add_container(st, id);

	strv_add(&c->annotations, "other");
	strv_add(&c->annotations, "pod");
	if (key) {
		strv_add(&c->annotations, key);
		strv_add(&c->annotations, value);
	}
}

static void those_that_name_it_as_their_pod(void **state)
{
	struct sandbox_state *st = state_new("/nowhere", "pod");

	(void)state;
	assert_false(renew_is_due(st, "pod"));
	add(st, "one", SANDBOX_ID, "pod");
	assert_true(renew_is_due(st, "pod"));
	add(st, "two", "io.kubernetes.cri.sandbox-id", "pod");
	assert_true(renew_is_due(st, "pod"));
	/* A member's own ID is no sandbox's. */
	assert_false(renew_is_due(st, "one"));
	/* The first one is still there. */
	add(st, "pod", NULL, NULL);
	assert_false(renew_is_due(st, "pod"));
	state_free(st);
}

static void others_keep_their_machine(void **state)
{
	static const char *const cases[][2] = {
		{ NULL, NULL },
		{ SANDBOX_ID, "another" },
		{ "io.example", "pod" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sandbox_state *st = state_new("/nowhere", "pod");

		add(st, "one", SANDBOX_ID, "pod");
		add(st, "two", cases[i][0], cases[i][1]);
		assert_false(renew_is_due(st, "pod"));
		state_free(st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_name_it_as_their_pod),
		cmocka_unit_test(others_keep_their_machine),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
