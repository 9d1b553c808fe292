/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, and what annotations say of a container. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/sandbox/kind.h"
#include "host/shim/cmdline.h"
#include "oci/spec.h"

static int parse(struct cmdline *cl, struct err *err, const char *line)
{
	auto_free char *copy = xasprintf("shim %s", line);
	static char *kept; /* what @cl points into */
	char *argv[32], *p;
	int argc = 0;

	free(kept);
	kept = take_ptr(copy);
	for (p = strtok(kept, " "); p; p = strtok(NULL, " "))
		argv[argc++] = !strcmp(p, "''") ? "" : p;
	argv[argc] = NULL;
	return cmdline_parse(argc, argv, cl, err);
}

static void reads_what_containerd_writes(void **state)
{
	struct cmdline cl;

	(void)state;
	assert_int_equal(parse(&cl, NULL,
			       "-namespace k8s.io -address /run/c.sock -publish-binary "
			       "/usr/bin/containerd -id abc -debug start"),
			 0);
	assert_string_equal(cl.namespace, "k8s.io");
	assert_string_equal(cl.address, "/run/c.sock");
	assert_string_equal(cl.publish_binary, "/usr/bin/containerd");
	assert_string_equal(cl.id, "abc");
	assert_true(cl.debug);
	assert_string_equal(cl.action, "start");
	assert_null(cl.bundle);
	assert_string_equal(cl.root, "/run/vc/sbs");
	assert_int_equal(cl.owner_fd, -1);
	/* CRI-O has no address. */
	assert_int_equal(parse(&cl, NULL, "-address '' -id x -bundle /b delete"), 0);
	assert_string_equal(cl.address, "");
	assert_string_equal(cl.bundle, "/b");
	assert_string_equal(cl.action, "delete");
}

static void reads_gos_ways_to_write_a_flag(void **state)
{
	struct cmdline cl;

	(void)state;
	assert_int_equal(parse(&cl, NULL, "--id=a=b --debug=false -socket - --root /r"), 0);
	assert_string_equal(cl.id, "a=b");
	assert_false(cl.debug);
	assert_string_equal(cl.socket, "-");
	assert_string_equal(cl.root, "/r");
	assert_null(cl.action);
	assert_int_equal(parse(&cl, NULL, "-debug=1 -owner-fd 3 -- start"), 0);
	assert_true(cl.debug);
	assert_int_equal(cl.owner_fd, 3);
	assert_string_equal(cl.action, "start");
	assert_int_equal(parse(&cl, NULL, "-v"), 0);
	assert_true(cl.version);
	assert_int_equal(parse(&cl, NULL, "--version"), 0);
	assert_true(cl.version);
	assert_int_equal(parse(&cl, NULL, "-info"), 0);
	assert_true(cl.info);
	assert_int_equal(parse(&cl, NULL, ""), 0);
	assert_null(cl.action);
}

static void refuses_everything_else(void **state)
{
	static const char *const wrong[][2] = {
		{ "-nosuch", "flag provided but not defined: -nosuch" },
		{ "---id x", "flag provided but not defined: ---id" },
		{ "-idx y", "flag provided but not defined: -idx" },
		{ "-i y", "flag provided but not defined: -i" },
		{ "-id", "flag needs an argument: -id" },
		{ "-debug=maybe", "flag -debug: \"maybe\" is neither true nor false" },
		{ "-owner-fd x", "flag -owner-fd: \"x\" is no descriptor above 2" },
		{ "-owner-fd 2", "flag -owner-fd: \"2\" is no descriptor above 2" },
		{ "stop", "no such action: stop" },
		{ "start now", "unexpected argument: now" },
		{ "start -id x", "unexpected argument: -id" },
	};
	struct cmdline cl;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(parse(&cl, &err, wrong[i][0]), -EINVAL);
		assert_string_equal(err.msg, wrong[i][1]);
	}
}

static void knows_what_its_name_stands_for(void **state)
{
	static const char *const cases[][2] = {
		{ "/usr/bin/containerd-shim-kata-qemu-v2", "qemu" },
		{ "containerd-shim-kata-clh-v2", "clh" },
		{ "containerd-shim-kata-qemu-coco-dev-v2", "qemu-coco-dev" },
		{ "containerd-shim-kata-v2", NULL },
		{ "/x/containerd-shim-kata--v2", NULL },
		{ "containerd-shim-kata-..-v2", NULL },
		{ "containerd-shim-kata-qemu-v1", NULL },
		{ "containerd-shim-runc-v2", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *variant = cmdline_variant(cases[i][0]);

		if (cases[i][1])
			assert_string_equal(variant, cases[i][1]);
		else
			assert_null(variant);
	}
}

/* ---- kinds ---------------------------------------------------------------------- */

static enum kind kind_for(const char *annotations, char **sandbox, int *r, struct err *err)
{
	auto_free char *json =
		xasprintf("{\"ociVersion\":\"1.0.0\",\"annotations\":{%s}}", annotations);
	enum kind kind = KIND_SINGLE;
	const char *found = NULL;
	Grpc__Spec *spec;

	assert_int_equal(oci_spec_parse(json, strlen(json), "test", &spec, NULL), 0);
	*r = kind_of(spec, &kind, &found, err);
	*sandbox = xstrdup(found);
	grpc__spec__free_unpacked(spec, NULL);
	return kind;
}

static void knows_a_pods_containers(void **state)
{
	static const struct {
		const char *annotations, *sandbox;
		enum kind kind;
	} cases[] = {
		{ "", NULL, KIND_SINGLE },
		{ "\"other\":\"container\"", NULL, KIND_SINGLE },
		{ "\"io.kubernetes.cri.container-type\":\"sandbox\"", NULL, KIND_SANDBOX },
		{ "\"io.kubernetes.cri.sandbox-id\":\"s1\","
		  "\"io.kubernetes.cri.container-type\":\"container\"",
		  "s1", KIND_CONTAINER },
		{ "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"", NULL, KIND_SANDBOX },
		{ "\"io.kubernetes.cri-o.ContainerType\":\"container\","
		  "\"io.kubernetes.cri-o.SandboxID\":\"s2\"",
		  "s2", KIND_CONTAINER },
		{ "\"io.kubernetes.docker.type\":\"podsandbox\"", NULL, KIND_SANDBOX },
		{ "\"io.kubernetes.docker.type\":\"container\","
		  "\"io.kubernetes.sandbox.id\":\"s3\"",
		  "s3", KIND_CONTAINER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *sandbox = NULL;
		int r;

		assert_int_equal(kind_for(cases[i].annotations, &sandbox, &r, NULL), cases[i].kind);
		assert_int_equal(r, 0);
		if (cases[i].sandbox)
			assert_string_equal(sandbox, cases[i].sandbox);
		else
			assert_null(sandbox);
	}
}

static void refuses_a_kind_that_makes_no_sense(void **state)
{
	auto_free char *a = NULL, *b = NULL;
	struct err err = ERR_INIT;
	int r;

	(void)state;
	kind_for("\"io.kubernetes.cri.container-type\":\"pod\"", &a, &r, &err);
	assert_int_equal(r, -EINVAL);
	assert_string_equal(
		err.msg,
		"annotation io.kubernetes.cri.container-type: \"pod\" is no type of container");
	kind_for("\"io.kubernetes.cri.container-type\":\"container\"", &b, &r, &err);
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(err.msg, "io.kubernetes.cri.sandbox-id is missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_containerd_writes),
		cmocka_unit_test(reads_gos_ways_to_write_a_flag),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(knows_what_its_name_stands_for),
		cmocka_unit_test(knows_a_pods_containers),
		cmocka_unit_test(refuses_a_kind_that_makes_no_sense),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
