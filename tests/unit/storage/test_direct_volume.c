/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that a storage plugin hands over: their notes, good and bad. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/storage/direct_volume.h"

static char root[32];

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/test-direct-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(root, NULL);
}

static void names_as_go_does(void **state)
{
	static const char *const cases[][2] = {
		{ "/a", "L2E=" },
		{ "/ab", "L2Fi" },
		{ "/abc", "L2FiYw==" },
		{ "/\xff\xfe?", "L__-Pw==" },
		{ "/var/lib/kubelet/pods/x/volumes/kubernetes.io~csi/pv/mount",
		  "L3Zhci9saWIva3ViZWxldC9wb2RzL3gvdm9sdW1lcy9rdWJlcm5ldGVzLmlvfmNzaS9wdi9tb3VudA==" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *name = direct_volume_name(cases[i][0]);

		assert_string_equal(name, cases[i][1]);
	}
}

static void comes_and_goes(void **state)
{
	static const char info[] =
		"{\"volume-type\":\"block\",\"device\":\"/dev/sdf\",\"fstype\":\"ext4\","
		"\"metadata\":{\"fsGroup\":\"1000\",\"fsGroupChangePolicy\":\"OnRootMismatch\"},"
		"\"options\":[\"ro\",\"noatime\"]}";
	struct err err = ERR_INIT;
	struct direct_volume v;
	char *sandbox;

	(void)state;
	assert_int_equal(direct_volume_load(root, "/v", &v, &err), -ENOENT);
	assert_int_equal(err.code, 0);
	assert_int_equal(direct_volume_sandbox(root, "/v", &sandbox, &err), -ENOENT);
	assert_string_equal(err_msg(&err), "/v is no direct volume");
	assert_int_equal(direct_volume_add(root, "/v", info, NULL), 0);
	assert_int_equal(direct_volume_load(root, "/v", &v, NULL), 0);
	assert_string_equal(v.device, "/dev/sdf");
	assert_string_equal(v.fstype, "ext4");
	assert_int_equal(v.options.n, 2);
	assert_string_equal(v.options.v[1], "noatime");
	assert_true(v.has_group && v.on_mismatch);
	assert_int_equal(v.group, 1000);
	direct_volume_release(&v);
	err_clear(&err);
	assert_int_equal(direct_volume_sandbox(root, "/v", &sandbox, &err), -ENOENT);
	assert_string_equal(err_msg(&err), "the volume /v is in no sandbox");
	assert_int_equal(direct_volume_join(root, "/v", "sb-1", NULL), 0);
	assert_int_equal(direct_volume_sandbox(root, "/v", &sandbox, NULL), 0);
	assert_string_equal(sandbox, "sb-1");
	free(sandbox);
	/* Said anew. */
	assert_int_equal(direct_volume_add(root, "/v", "{\"device\":\"/dev/sdg\"}", NULL), 0);
	assert_int_equal(direct_volume_load(root, "/v", &v, NULL), 0);
	assert_string_equal(v.device, "/dev/sdg");
	assert_string_equal(v.fstype, "");
	assert_false(v.has_group);
	direct_volume_release(&v);
	for (int i = 0; i < 2; i++)
		assert_int_equal(direct_volume_remove(root, "/v", NULL), 0);
	assert_int_equal(direct_volume_load(root, "/v", &v, NULL), -ENOENT);
}

static void says_what_is_wrong(void **state)
{
	static const char *const cases[][3] = {
		{ "v", "{\"device\":\"/dev/x\"}", "the volume's path \"v\" is not absolute" },
		{ "/v", "nonsense", "the mount's description: is no JSON object" },
		{ "/v", "[]", "the mount's description: is no JSON object" },
		{ "/v", "{}", "the mount's description: device: \"\" is no absolute path" },
		{ "/v", "{\"device\":\"/x\",\"volume-type\":\"spdk\"}",
		  "the mount's description: volume-type: \"spdk\" is not known; only block is" },
		{ "/v", "{\"device\":\"/x\",\"options\":[1]}",
		  "the mount's description: options: has what is no string" },
		{ "/v", "{\"device\":\"/x\",\"metadata\":{\"fsGroup\":\"wheel\"}}",
		  "the mount's description: metadata.fsGroup: \"wheel\" is no group" },
		{ "/v",
		  "{\"device\":\"/x\",\"metadata\":{\"fsGroup\":\"1\",\"fsGroupChangePolicy\":\"x\"}}",
		  "the mount's description: metadata.fsGroupChangePolicy: \"x\" is neither Always "
		  "nor OnRootMismatch" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct direct_volume v;

		assert_true(direct_volume_add(root, cases[i][0], cases[i][1], &err) < 0);
		assert_string_equal(err_msg(&err), cases[i][2]);
		assert_int_equal(direct_volume_load(root, cases[i][0], &v, NULL), -ENOENT);
	}
}

/* A path of a mount that is no volume may have any length. */
static void knows_no_path_that_is_too_long(void **state)
{
	char path[400];
	struct err err = ERR_INIT;
	struct direct_volume v;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(direct_volume_load(root, path, &v, &err), -ENOENT);
	assert_int_equal(err.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_as_go_does),
		cmocka_unit_test_setup_teardown(comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(says_what_is_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_no_path_that_is_too_long, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
