/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that are found in the sandbox of another. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/state.h"

static char root[] = "/tmp/test-member-XXXXXX";

static struct sandbox_state *sandbox(const char *id)
{
	struct sandbox_state *st = state_new(root, id);

	state_add_container(st, id);
	assert_int_equal(state_create(st, NULL), 0);
	return st;
}

static int add(struct sandbox_state *st, const char *id, struct err *err)
{
	state_add_container(st, id);
	assert_int_equal(state_save(st, NULL), 0);
	return state_add_member(st, id, err);
}

static int found_in(const char *id, const char *want)
{
	struct sandbox_state *st = NULL;
	int r = state_load_container(root, id, &st, NULL);

	if (r == 0)
		assert_string_equal(st->id, want);
	state_free(st);
	return r;
}

static void members_are_found_and_their_names_taken(void **state)
{
	struct sandbox_state *st = sandbox("pod"), *other = sandbox("other"), *twin;
	auto_strv struct strv ids = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(add(st, "m1", &err), 0);
	assert_int_equal(state_add_member(st, "pod", &err), 0); /* itself */
	assert_int_equal(found_in("m1", "pod"), 0);
	assert_int_equal(found_in("pod", "pod"), 0);
	assert_int_equal(state_add_member(other, "m1", &err), -EEXIST);
	assert_string_equal(err.msg, "container m1 already exists");
	assert_int_equal(state_add_member(st, "other", &err), -EEXIST);
	twin = state_new(root, "m1");
	assert_int_equal(state_create(twin, &err), -EEXIST);
	assert_int_equal(state_list(root, &ids, NULL), 0);
	assert_int_equal(ids.n, 2);

	/* Another's is not removed; the first may go before the others. */
	state_remove_member(other, "m1");
	assert_int_equal(found_in("m1", "pod"), 0);
	assert_int_equal(state_clear_container(st, "pod", NULL), 0);
	assert_int_equal(found_in("pod", "pod"), -ENOENT);
	assert_int_equal(found_in("m1", "pod"), 0);
	assert_int_equal(state_clear_container(st, "m1", NULL), 0);
	assert_int_equal(found_in("m1", "pod"), -ENOENT);
	assert_int_equal(state_clear(other, false, NULL), 0);
	state_free(st);
	state_free(other);
	state_free(twin);
}

static void a_link_to_nowhere_takes_no_name(void **state)
{
	auto_free char *link = path_join(root, "m2"), *odd = path_join(root, "m3");
	struct sandbox_state *st = sandbox("pod");

	(void)state;
	assert_int_equal(symlink("gone", link), 0);
	assert_int_equal(found_in("m2", ""), -ENOENT);
	assert_int_equal(add(st, "m2", NULL), 0);
	assert_int_equal(found_in("m2", "pod"), 0);
	assert_false(state_drop_dangling(root, "m2"));
	/* What leads out of the root is no member. */
	assert_int_equal(symlink("../../etc", odd), 0);
	assert_null(state_sandbox_of(root, "m3"));
	assert_false(state_drop_dangling(root, "m3"));
	assert_int_equal(state_clear(st, false, NULL), 0);
	assert_int_equal(access(link, F_OK), -1);
	state_free(st);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(root, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_found_and_their_names_taken),
		cmocka_unit_test(a_link_to_nowhere_takes_no_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("member", tests, setup, teardown);
}
