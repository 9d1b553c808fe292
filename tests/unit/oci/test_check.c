/* SPDX-License-Identifier: Apache-2.0 */
/* Specifications of right types that mean nothing, each named. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "oci/spec.h"

#define HEAD	"\"ociVersion\":\"1.0.2\","
#define PROCESS "\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
#define ROOT	"\"root\":{\"path\":\"rootfs\"}"

static int checked(const char *json, struct err *err)
{
	Grpc__Spec *spec = NULL;
	int r;

	if (oci_spec_parse(json, strlen(json), "doc", &spec, err) < 0)
		fail_msg("%s: %s", json, err->msg);
	r = oci_spec_check(spec, err);
	grpc__spec__free_unpacked(spec, NULL);
	return r;
}

struct sample {
	const char *json, *message;
};

static void all_refused(const struct sample *samples, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;

		assert_int_equal(checked(samples[i].json, &err), -EINVAL);
		assert_string_equal(err.msg, samples[i].message);
	}
}

static void the_least_is_accepted(void **state)
{
	static const char *const good[] = {
		"{" HEAD PROCESS ROOT "}",
		"{\"ociVersion\":\"1.2.1-dev+x\"," PROCESS ROOT "}",
		"{" HEAD PROCESS ROOT ",\"mounts\":[{\"destination\":\"relative\"}]}",
		"{" HEAD PROCESS ROOT ",\"hostname\":\"a\",\"linux\":{\"namespaces\":[{\"type\":"
		"\"uts\"}]}}",
		/* The runtime warns of it, and must not fail. */
		"{" HEAD ROOT ",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"],"
		"\"capabilities\":{\"bounding\":[\"UNKNOWN_CAP\"]}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;

		if (checked(good[i], &err) < 0)
			fail_msg("%s: %s", good[i], err.msg);
	}
}

static void refuses_what_is_missing(void **state)
{
	static const struct sample samples[] = {
		{ "{}", "ociVersion: is missing" },
		{ "{\"ociVersion\":\"2.0.0\"}",
		  "ociVersion: must be a version 1.x.y, not \"2.0.0\"" },
		{ "{\"ociVersion\":\"1.0\"}", "ociVersion: must be a version 1.x.y, not \"1.0\"" },
		{ "{\"ociVersion\":\"1.0.2-\"}",
		  "ociVersion: must be a version 1.x.y, not \"1.0.2-\"" },
		{ "{\"ociVersion\":\"1.0.-2\"}",
		  "ociVersion: must be a version 1.x.y, not \"1.0.-2\"" },
		{ "{" HEAD ROOT "}", "process: is missing" },
		{ "{" HEAD "\"process\":{\"cwd\":\"/\"}}", "process.args: must not be empty" },
		{ "{" HEAD "\"process\":{\"args\":[\"\"],\"cwd\":\"/\"}}",
		  "process.args[0]: must not be empty" },
		{ "{" HEAD "\"process\":{\"args\":[\"a\"]}}", "process.cwd: is missing" },
		{ "{" HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"tmp\"}}",
		  "process.cwd: must be an absolute path, not \"tmp\"" },
		{ "{" HEAD PROCESS "\"mounts\":[]}", "root: is missing" },
		{ "{" HEAD PROCESS "\"root\":{}}", "root.path: is missing" },
		{ "{" HEAD PROCESS ROOT ",\"mounts\":[{\"source\":\"/a\"}]}",
		  "mounts[0].destination: is missing" },
	};

	(void)state;
	all_refused(samples, ARRAY_SIZE(samples));
}

#define WITH(member) "{" HEAD "\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"," member "}," ROOT "}"

static void refuses_processes(void **state)
{
	static const struct sample samples[] = {
		{ WITH("\"env\":[\"A=b\",\"C\"]"),
		  "process.env[1]: must be NAME=VALUE, not \"C\"" },
		{ WITH("\"env\":[\"=b\"]"), "process.env[0]: must be NAME=VALUE, not \"=b\"" },
		{ WITH("\"user\":{\"uid\":4294967295}"),
		  "process.user.uid: 4294967295 is no user" },
		{ WITH("\"user\":{\"gid\":4294967295}"),
		  "process.user.gid: 4294967295 is no group" },
		{ WITH("\"user\":{\"additionalGids\":[1,4294967295]}"),
		  "process.user.additionalGids[1]: 4294967295 is no group" },
		{ WITH("\"oomScoreAdj\":1001"),
		  "process.oomScoreAdj: must be between -1000 and 1000, not 1001" },
		{ WITH("\"rlimits\":[{\"type\":\"NOFILE\"}]"),
		  "process.rlimits[0].type: \"NOFILE\" is no limit" },
		{ WITH("\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":2,\"hard\":1}]"),
		  "process.rlimits[0].soft: must not be above hard" },
		{ WITH("\"rlimits\":[{\"type\":\"RLIMIT_AS\"},{\"type\":\"RLIMIT_AS\"}]"),
		  "process.rlimits[1].type: RLIMIT_AS is there twice" },
	};

	(void)state;
	all_refused(samples, ARRAY_SIZE(samples));
}

#define NAME_OF_65 "0123456789012345678901234567890123456789012345678901234567890123x"

#define LINUX(member) "{" HEAD PROCESS ROOT ",\"linux\":{" member "}}"

static void refuses_the_rest(void **state)
{
	static const struct sample samples[] = {
		{ "{" HEAD PROCESS ROOT ",\"hostname\":\"a\"}",
		  "hostname: needs a namespace of type \"uts\" in linux.namespaces" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"prestart\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.prestart[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"createRuntime\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.createRuntime[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"createContainer\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.createContainer[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"startContainer\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.startContainer[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"poststart\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.poststart[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"poststop\":[{\"path\":\"/x\"},{\"path\":\"a\"}]}}",
		  "hooks.poststop[1].path: must be an absolute path, not \"a\"" },
		{ "{" HEAD PROCESS ROOT ",\"hooks\":{\"poststop\":[{}]}}",
		  "hooks.poststop[0].path: must be an absolute path, not \"\"" },
		{ "{" HEAD PROCESS ROOT
		  ",\"hooks\":{\"prestart\":[{\"path\":\"/x\",\"timeout\":-1}]}}",
		  "hooks.prestart[0].timeout: must be above 0, not -1" },
		{ LINUX("\"namespaces\":[{\"type\":\"net\"}]"),
		  "linux.namespaces[0].type: \"net\" is no namespace" },
		{ LINUX("\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]"),
		  "linux.namespaces[1].type: \"pid\" is there twice" },
		{ LINUX("\"namespaces\":[{\"type\":\"network\",\"path\":\"a\"}]"),
		  "linux.namespaces[0].path: must be an absolute path, not \"a\"" },
		{ LINUX("\"rootfsPropagation\":\"up\""),
		  "linux.rootfsPropagation: \"up\" is no propagation" },
		{ LINUX("\"devices\":[{\"path\":\"dev/x\"}]"),
		  "linux.devices[0].path: must be an absolute path, not \"dev/x\"" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"x\"}]"),
		  "linux.devices[0].type: must be c, b, u or p, not \"x\"" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\",\"major\":4096,\"minor\":3}]"),
		  "linux.devices[0]: no device has the number 4096:3" },
		{ LINUX("\"devices\":[{\"path\":\"/dev/x\",\"type\":\"p\",\"major\":-1},"
			"{\"path\":\"/dev/y\",\"type\":\"b\",\"major\":4095,\"minor\":1048576}]"),
		  "linux.devices[1]: no device has the number 4095:1048576" },
		{ "{" HEAD PROCESS ROOT ",\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\"}]}",
		  "mounts[0].source: is missing, and nothing can be bound to /x" },
		{ "{" HEAD PROCESS ROOT ",\"domainname\":\"" NAME_OF_65 "\"}",
		  "domainname: is longer than 64 bytes" },
		{ "{" HEAD PROCESS ROOT ",\"hostname\":\"" NAME_OF_65
		  "\",\"linux\":{\"namespaces\":[{\"type\":\"uts\"}]}}",
		  "hostname: is longer than 64 bytes" },
		{ LINUX("\"resources\":{\"devices\":[{\"type\":\"p\"}]}"),
		  "linux.resources.devices[0].type: must be a, b or c, not \"p\"" },
		{ LINUX("\"resources\":{\"devices\":[{\"access\":\"rx\"}]}"),
		  "linux.resources.devices[0].access: must be of r, w and m, not \"rx\"" },
	};

	(void)state;
	all_refused(samples, ARRAY_SIZE(samples));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_least_is_accepted),
		cmocka_unit_test(refuses_what_is_missing),
		cmocka_unit_test(refuses_processes),
		cmocka_unit_test(refuses_the_rest),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
