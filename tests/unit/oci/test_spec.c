/* SPDX-License-Identifier: Apache-2.0 */
/* config.json to message and back, and the default one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "base/version.h"
#include "oci/spec.h"

static void reads_all_that_the_message_holds(void **state)
{
	auto_str struct str golden = STR_INIT;
	Grpc__Spec *spec = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(file_read(GOLDEN_DIR "/full.json", OCI_CONFIG_MAX, &golden, &err), 0);
	if (oci_spec_parse(str_text(&golden), golden.len, "full", &spec, &err) < 0 ||
	    oci_spec_check(spec, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(spec->process->user->additionalgids[1], 4294967294u);
	assert_int_equal(spec->process->oomscoreadj, -500);
	assert_true(spec->process->rlimits[0]->hard == UINT64_MAX);
	assert_string_equal(spec->process->args[2], "echo \"ünïcode\"\t/ \\");
	assert_string_equal(spec->annotations[1]->key, "empty");
	assert_string_equal(spec->annotations[1]->value, "");
	assert_int_equal(spec->linux->resources->devices[0]->major, 0);
	assert_int_equal(spec->linux->seccomp->syscalls[0]->errno_ret_case,
			 GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET);
	assert_int_equal(spec->linux->seccomp->syscalls[1]->errno_ret_case,
			 GRPC__LINUX_SYSCALL__ERRNO_RET__NOT_SET);
	grpc__spec__free_unpacked(spec, NULL);
}

static void writes_what_it_read(void **state)
{
	auto_str struct str golden = STR_INIT;
	Grpc__Spec *spec = NULL;
	struct err err = ERR_INIT;
	auto_free char *text = NULL;

	(void)state;
	assert_int_equal(file_read(GOLDEN_DIR "/full.json", OCI_CONFIG_MAX, &golden, &err), 0);
	assert_int_equal(oci_spec_parse(str_text(&golden), golden.len, "full", &spec, &err), 0);
	text = oci_spec_to_json(spec);
	assert_string_equal(text, str_text(&golden));
	grpc__spec__free_unpacked(spec, NULL);
}

/* The wire loses nothing either: what the agent unpacks is what was read. */
static void survives_the_wire(void **state)
{
	auto_str struct str golden = STR_INIT;
	Grpc__Spec *spec = NULL, *other;
	struct err err = ERR_INIT;
	auto_free char *text = NULL;
	auto_free uint8_t *wire = NULL;
	size_t len;

	(void)state;
	assert_int_equal(file_read(GOLDEN_DIR "/full.json", OCI_CONFIG_MAX, &golden, &err), 0);
	assert_int_equal(oci_spec_parse(str_text(&golden), golden.len, "full", &spec, &err), 0);
	wire = xmalloc(grpc__spec__get_packed_size(spec));
	len = grpc__spec__pack(spec, wire);
	other = grpc__spec__unpack(NULL, len, wire);
	assert_non_null(other);
	text = oci_spec_to_json(other);
	assert_string_equal(text, str_text(&golden));
	grpc__spec__free_unpacked(spec, NULL);
	grpc__spec__free_unpacked(other, NULL);
}

static void the_default_is_whole(void **state)
{
	Grpc__Spec *spec = oci_spec_default();
	struct err err = ERR_INIT;

	(void)state;
	if (oci_spec_check(spec, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(spec->version, OCI_SPEC_VERSION);
	assert_true(spec->process->terminal);
	assert_string_equal(spec->process->args[0], "sh");
	assert_string_equal(spec->root->path, "rootfs");
	grpc__spec__free_unpacked(spec, NULL);
}

static void reads_a_process(void **state)
{
	const char *json = "{\"args\":[\"ls\"],\"cwd\":\"/\",\"user\":{\"uid\":3}}";
	Grpc__Process *p = NULL;
	struct err err = ERR_INIT;
	auto_free char *text = NULL;

	(void)state;
	assert_int_equal(oci_process_parse(json, strlen(json), "process.json", &p, &err), 0);
	assert_int_equal(oci_process_check(p, &err), 0);
	assert_int_equal(p->user->uid, 3);
	text = oci_process_to_json(p);
	assert_non_null(strstr(text, "\"uid\": 3"));
	grpc__process__free_unpacked(p, NULL);
	assert_int_equal(oci_process_parse("{\"cwd\":1}", 9, "process.json", &p, &err), -EINVAL);
	assert_string_equal(err.msg, "process.json: cwd: must be a string, not an integer");
}

static void loads_a_bundle(void **state)
{
	char dir[] = "/tmp/oci-test-XXXXXX";
	auto_free char *path = NULL, *message = NULL;
	Grpc__Spec *spec = NULL, *base = oci_spec_default();
	auto_free char *text = oci_spec_to_json(base);
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	path = path_join(dir, "config.json");
	assert_int_equal(oci_spec_load(dir, &spec, &err), -ENOENT);
	message = xasprintf("%s: No such file or directory", path);
	assert_string_equal(err.msg, message);

	assert_int_equal(file_replace(path, text, strlen(text), 0600, &err), 0);
	if (oci_spec_load(dir, &spec, &err) < 0)
		fail_msg("%s", err.msg);
	grpc__spec__free_unpacked(spec, NULL);

	free(message);
	message = xasprintf("%s: process: is missing", path);
	assert_int_equal(file_replace(path, "{\"ociVersion\":\"1.0.0\"}", 22, 0600, &err), 0);
	assert_int_equal(oci_spec_load(dir, &spec, &err), -EINVAL);
	assert_string_equal(err.msg, message);
	assert_null(spec);

	grpc__spec__free_unpacked(base, NULL);
	assert_int_equal(tree_remove(dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_that_the_message_holds),
		cmocka_unit_test(writes_what_it_read),
		cmocka_unit_test(survives_the_wire),
		cmocka_unit_test(the_default_is_whole),
		cmocka_unit_test(reads_a_process),
		cmocka_unit_test(loads_a_bundle),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
