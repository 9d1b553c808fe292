/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/storage_layers.h"

#define MULTI "X-kata.multi-layer=true"

static Grpc__Storage *storage(const char *fstype, const char *source, const char *option)
{
	Grpc__Storage *s = xcalloc(1, sizeof(*s));

	grpc__storage__init(s);
	s->driver = xstrdup("blk");
	s->fstype = xstrdup(fstype);
	s->source = xstrdup(source);
	s->mount_point = xstrdup("/run/c/rootfs");
	s->options = xcalloc(2, sizeof(char *));
	s->options[s->n_options++] = xstrdup(MULTI);
	if (option)
		s->options[s->n_options++] = xstrdup(option);
	return s;
}

static void drop(Grpc__Storage **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(&list[i]->base, NULL);
}

static void test_order(void **state)
{
	Grpc__Storage *list[] = {
		storage("erofs", "a", "X-kata.partition-number=3"),
		storage("ext4", "upper", NULL),
		storage("erofs", "a", "X-kata.partition-number=1"),
		storage("erofs", "a", "X-kata.partition-number=2"),
	};
	auto_strv struct strv mounts = { NULL, 0 };
	struct layers l;
	struct err err = ERR_INIT;

	(void)state;
	assert_true(layers_member(list[0]));
	assert_int_equal(layers_plan(list, 4, "c1", &l, &err), 0);
	assert_int_equal(l.n, 3);
	assert_ptr_equal(l.lower[0], list[2]);
	assert_ptr_equal(l.lower[1], list[3]);
	assert_ptr_equal(l.lower[2], list[0]);
	assert_ptr_equal(l.upper, list[1]);
	assert_string_equal(l.target, "/run/c/rootfs");
	layers_mounts(&l, &mounts);
	assert_int_equal(mounts.n, 4);
	assert_string_equal(mounts.v[0], "/run/kata-containers/c1/multi-layer/lower-0");
	assert_string_equal(mounts.v[3], "/run/kata-containers/c1/multi-layer/upper");
	layers_done(&l);
	drop(list, 4);
}

static void test_plain(void **state)
{
	Grpc__Storage *list[] = { storage("erofs", "b", NULL), storage("erofs", "a", NULL) };
	struct layers l;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(layers_plan(list, 2, "c1", &l, &err), 0);
	assert_ptr_equal(l.lower[0], list[0]);
	assert_null(l.upper);
	layers_done(&l);
	free(list[1]->options[1 - 1]);
	list[1]->options[0] = xstrdup("ro");
	assert_false(layers_member(list[1]));
	drop(list, 2);
}

static void refused(Grpc__Storage **list, size_t n, int code)
{
	struct layers l;
	struct err err = ERR_INIT;

	assert_int_equal(layers_plan(list, n, "c1", &l, &err), code);
	assert_true(*err.msg);
	drop(list, n);
}

static void test_refusals(void **state)
{
	Grpc__Storage *none[] = { storage("ext4", "u", NULL) };
	Grpc__Storage *uppers[] = { storage("ext4", "u", NULL), storage("ext4", "v", NULL) };
	Grpc__Storage *verity[] = { storage("erofs", "a", "X-kata.dmverity-enabled=true") };
	Grpc__Storage *number[] = { storage("erofs", "a", "X-kata.partition-number=0") };
	Grpc__Storage *upper[] = { storage("xfs", "a", "X-kata.overlay-upper") };
	Grpc__Storage *place[] = { storage("erofs", "a", NULL) };

	(void)state;
	refused(none, 1, -EINVAL);
	refused(uppers, 2, -EINVAL);
	refused(verity, 1, -EOPNOTSUPP);
	refused(number, 1, -EINVAL);
	refused(upper, 1, -EINVAL);
	free(place[0]->mount_point);
	place[0]->mount_point = xstrdup("/run/../etc");
	refused(place, 1, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_refusals),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
