/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/termination_log.h"

static void becomes(const char *data, size_t n, const char *want)
{
	struct output *out = output_new(64, NULL);

	assert_non_null(out);
	utf8_lossy((const uint8_t *)data, n, out);
	assert_int_equal(out->len, strlen(want));
	assert_memory_equal(out->data, want, out->len);
	output_free(out);
}

#define BAD "\xef\xbf\xbd"

static void test_utf8(void **state)
{
	(void)state;
	becomes("", 0, "");
	becomes("abc", 3, "abc");
	becomes("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	becomes("a\0b", 3, "a" BAD "b");
	becomes("\xff", 1, BAD);
	becomes("\xc3", 1, BAD);	 /* cut */
	becomes("\xc0\x80", 2, BAD BAD); /* overlong */
	becomes("\xe0\x80\x80", 3, BAD BAD BAD);
	becomes("\xed\xa0\x80", 3, BAD BAD BAD); /* a surrogate */
	becomes("\xf4\x90\x80\x80", 4, BAD BAD BAD BAD);
	becomes("\xe2\x28\xa1", 3, BAD "(" BAD);
}

static void test_room(void **state)
{
	struct output *out = output_new(4, NULL);

	(void)state;
	assert_non_null(out);
	utf8_lossy((const uint8_t *)"abcdef", 6, out);
	assert_int_equal(out->len, 3);
	output_free(out);
}

static void test_read(void **state)
{
	struct output *out = output_new(64, NULL);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(termination_log_read("/no/such", out, &err), 0);
	assert_int_equal(out->len, 0);
	assert_int_equal(termination_log_read("/", out, &err), -EINVAL);
	assert_true(termination_log_read("/dev/null", out, &err) < 0);
	output_free(out);
}

static void test_path(void **state)
{
	Grpc__Spec__AnnotationsEntry a = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT,
				     *annotations[] = { &a };
	Grpc__Mount m = GRPC__MOUNT__INIT, *mounts[] = { &m };
	Grpc__Spec spec = GRPC__SPEC__INIT;
	auto_free char *path = NULL;

	(void)state;
	assert_null(termination_log_path(&spec));
	a.key = (char *)"io.kubernetes.container.terminationMessagePath";
	a.value = (char *)"/dev/termination-log";
	m.destination = a.value;
	m.source = (char *)"/run/x";
	spec.annotations = annotations;
	spec.n_annotations = 1;
	assert_null(termination_log_path(&spec));
	spec.mounts = mounts;
	spec.n_mounts = 1;
	path = termination_log_path(&spec);
	assert_string_equal(path, "/run/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_path),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
