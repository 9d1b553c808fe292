/* SPDX-License-Identifier: Apache-2.0 */
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
#include "host/config/annotations.h"

#define P "io.katacontainers.config."
#define H P "hypervisor."

static char dir[] = "/tmp/annotations-test-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

static struct config *load(const char *text)
{
	auto_free char *path = path_join(dir, "c.toml");
	struct err err = ERR_INIT;
	struct config *config;

	assert_int_equal(file_replace(path, text, strlen(text), 0644, &err), 0);
	config = config_load(path, &err);
	if (!config)
		fail_msg("%s", err_msg(&err));
	return config;
}

/* A configuration that lets a container change everything. */
#define OPEN "[hypervisor.qemu]\nenable_annotations = [\".*\"]\n"

static int annotate(struct config *c, const char *const *pairs, struct err *err)
{
	auto_strv struct strv annotations = { NULL, 0 };

	for (; *pairs; pairs++)
		strv_add(&annotations, *pairs);
	return config_annotate(c, &annotations, 4, err);
}

#define PAIRS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct config *annotated(const char *text, const char *const *pairs)
{
	struct config *c = load(text);
	struct err err = ERR_INIT;

	if (annotate(c, pairs, &err))
		fail_msg("%s", err_msg(&err));
	return c;
}

static void assert_refused(const char *text, const char *const *pairs, int code, const char *msg)
{
	auto_free char *path = path_join(dir, "c.toml"), *full = NULL;
	struct config *c = load(text);
	struct err err = ERR_INIT;

	assert_int_equal(annotate(c, pairs, &err), code);
	assert_int_equal(err.code, code);
	/* %s stands for the configuration's path. */
	full = strstr(msg, "%s") ? xasprintf("%.*s%s%s", (int)(strstr(msg, "%s") - msg), msg, path,
					     strstr(msg, "%s") + 2) :
				   xstrdup(msg);
	assert_string_equal(err_msg(&err), full);
	config_free(c);
}

static void test_values(void **state)
{
	struct config *c = annotated(
		OPEN "kernel = \"/k\"\n",
		PAIRS("some.other", "x", H "kernel", "/opt/vmlinux", H "default_vcpus", "1.5",
		      H "default_max_vcpus", "4", H "default_memory", "64", H "memory_slots", "3",
		      H "enable_hugepages", "True", H "enable_iommu", "1", H "machine_type", "q35",
		      H "machine_accelerators", "", H "numa_mapping", "0-1 2",
		      H "blk_logical_sector_size", "512", H "blk_physical_sector_size", "4096",
		      P "runtime.disable_guest_seccomp", "f", P "runtime.create_container_timeout",
		      "90", P "agent.kernel_modules", "e1000e A=1,2 B=1; i915 c=0",
		      P "agent.container_pipe_size", "65536", P "agent.cdh_api_timeout", "7",
		      "io.katacontainers.enable_vcpus_pinning", "0"));

	(void)state;
	assert_string_equal(c->hypervisor.kernel, "/opt/vmlinux");
	assert_true(c->hypervisor.default_vcpus == 1.5);
	assert_int_equal(c->hypervisor.default_maxvcpus, 4);
	/* As in a file, a small number is honoured. */
	assert_int_equal(c->hypervisor.default_memory, 64);
	assert_int_equal(c->hypervisor.memory_slots, 3);
	assert_true(c->hypervisor.enable_hugepages);
	assert_true(c->hypervisor.enable_iommu);
	assert_string_equal(c->hypervisor.machine_type, "q35");
	assert_int_equal(c->hypervisor.numa_mapping.n, 2);
	assert_int_equal(c->hypervisor.block_device_physical_sector_size, 4096);
	assert_false(c->runtime.disable_guest_seccomp);
	assert_int_equal(c->runtime.create_container_timeout, 90);
	assert_int_equal(c->agent.kernel_modules.n, 2);
	assert_string_equal(c->agent.kernel_modules.v[1], " i915 c=0");
	assert_int_equal(c->agent.container_pipe_size, 65536);
	assert_int_equal(c->agent.cdh_api_timeout_ms, 7000);
	assert_int_equal(c->warnings.n, 0);
	config_free(c);
}

/* "" is no value for what names a thing. */
static void test_empty_keeps(void **state)
{
	struct config *c = annotated(OPEN "kernel_params = \"a=1\"\ncpu_features = \"pmu=off\"\n"
					  "[hypervisor.qemu.factory]\n",
				     PAIRS(H "kernel_params", "", H "cpu_features", "",
					   H "cc_init_data", "", H "entropy_source", ""));

	(void)state;
	assert_string_equal(c->hypervisor.kernel_params, "a=1");
	assert_string_equal(c->hypervisor.cpu_features, "pmu=off");
	assert_string_equal(c->hypervisor.entropy_source, "/dev/urandom");
	config_free(c);
}

static void assert_params(const char *file, const char *annotation, const char *result)
{
	auto_free char *text = xasprintf(OPEN "kernel_params = '%s'\n", file);
	struct config *c = annotated(text, PAIRS(H "kernel_params", annotation));

	assert_string_equal(c->hypervisor.kernel_params, result);
	config_free(c);
}

static void test_kernel_params(void **state)
{
	(void)state;
	assert_params("", "a", "a");
	assert_params("quiet", "debug", "quiet debug");
	assert_params("a=1 quiet b=2", "b=3", "a=1 quiet b=3");
	assert_params("a=1 a=2 ab=3", "a", "ab=3 a");
	/* What the annotation has more than once stays so. */
	assert_params("console=hvc0 x", "console=ttyS0 console=tty0",
		      "x console=ttyS0 console=tty0");
	assert_params("d=\"e f=1\" g", " f=2\t g=\"h i\" ", "d=\"e f=1\" f=2 g=\"h i\"");
}

static void test_extra_args(void **state)
{
	struct config *c = annotated(OPEN "virtio_fs_extra_args = [\"-a\"]\n",
				     PAIRS(H "virtio_fs_extra_args", "[\"-b\", \"-c\\/d\"]"));

	(void)state;
	assert_int_equal(c->hypervisor.virtio_fs_extra_args.n, 3);
	assert_string_equal(c->hypervisor.virtio_fs_extra_args.v[0], "-a");
	assert_string_equal(c->hypervisor.virtio_fs_extra_args.v[2], "-c/d");
	config_free(c);
}

/* One of a pair replaces the other, which the file may have chosen. */
static void test_rivals(void **state)
{
	struct config *c = annotated(OPEN "initrd = \"/i\"\nhot_plug_vfio = \"root-port\"\n",
				     PAIRS(H "image", "/img", H "cold_plug_vfio", "bridge-port"));

	(void)state;
	assert_string_equal(c->hypervisor.image, "/img");
	assert_string_equal(c->hypervisor.initrd, "");
	assert_string_equal(c->hypervisor.hot_plug_vfio, "no-port");
	assert_string_equal(c->hypervisor.cold_plug_vfio, "bridge-port");
	config_free(c);
	c = annotated(OPEN "image = \"/img\"\n", PAIRS(H "initrd", "/i"));
	assert_string_equal(c->hypervisor.image, "");
	assert_string_equal(c->hypervisor.initrd, "/i");
	config_free(c);
	assert_refused(OPEN, PAIRS(H "initrd", "/i", H "image", "/j"), -EINVAL,
		       "with the container's annotations: hypervisor.qemu: image and initrd are "
		       "both set; the guest boots from one, set the other to \"\"");
}

/* Expressions match anywhere: "kernel" opens "kernel_params", too. */
static void test_enabled(void **state)
{
	static const char file[] =
		"[hypervisor.qemu]\n"
		"enable_annotations = [\"kernel\", \"^default_(vcpus|mem.*)$\"]\n";
	static char longest[1 << 16];
	struct err err = ERR_INIT;
	struct config *c =
		annotated(file, PAIRS(H "kernel_params", "q", H "default_memory", "99",
				      H "default_vcpus", "2", P "agent.kernel_modules", "m"));

	(void)state;
	assert_string_equal(c->hypervisor.kernel_params, "q");
	assert_int_equal(c->hypervisor.default_memory, 99);
	config_free(c);
	assert_refused(file, PAIRS(H "kernel", "/k", H "default_max_vcpus", "2"), -EPERM,
		       "annotation " H "default_max_vcpus is not enabled (enable_annotations in "
		       "%s)");
	/* An unknown one, too, as nobody allowed it. */
	assert_refused(file, PAIRS(H "nosuch", "1"), -EPERM,
		       "annotation " H "nosuch is not enabled (enable_annotations in %s)");
	/* What is too long to be a key is not looked at, and not told whole. */
	memset(longest, 'k', sizeof(longest) - 1);
	memcpy(longest, H "kernel", strlen(H "kernel"));
	assert_int_equal(annotate(c = load(file), PAIRS(longest, "x"), &err), -EPERM);
	assert_true(strlen(err_msg(&err)) < 400);
	config_free(c);
	assert_refused("[hypervisor.qemu]\n", PAIRS(H "kernel", "/k"), -EPERM,
		       "annotation " H "kernel is not enabled (enable_annotations in %s)");
}

static void test_unknown(void **state)
{
	struct config *c =
		annotated(OPEN, PAIRS(H "nosuch", "1", P "runtime.x\n", "", P "other", "",
				      H "default_gpus", "1", "io.katacontainers.pkg.oci", "x"));

	(void)state;
	assert_int_equal(c->warnings.n, 3);
	assert_string_equal(c->warnings.v[0],
			    "annotation \"" H "nosuch\" is not known and ignored");
	assert_string_equal(c->warnings.v[1],
			    "annotation \"" P "runtime.x\\n\" is not known and ignored");
	config_free(c);
}

static void test_paths(void **state)
{
	static const char file[] =
		OPEN "valid_hypervisor_paths = [\"/usr/bin/qemu\", \"/opt/*/bin/qemu-[0-9]*\"]\n"
		     "valid_entropy_sources = [\"/dev/*random\"]\n";
	static const char *const good[] = { "/usr/bin/qemu", "/opt/a/bin/qemu-7" };
	static const char *const bad[] = { "/usr/bin/qemu2",	      "/opt/a/b/bin/qemu-7",
					   "/opt/../bin/qemu-7",      "/opt/a/bin/qemu-7/../x",
					   "/opt/.hidden/bin/qemu-7", "qemu" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		struct config *c = annotated(
			file, PAIRS(H "path", good[i], H "entropy_source", "/dev/random"));

		assert_string_equal(c->hypervisor.path, good[i]);
		assert_string_equal(c->hypervisor.entropy_source, "/dev/random");
		config_free(c);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *msg = xasprintf("annotation " H "path: \"%s\" is none of the "
						"paths that %%s allows",
						bad[i]);

		assert_refused(file, PAIRS(H "path", bad[i]), -EPERM, msg);
	}
	/* An empty list allows none. */
	assert_refused(OPEN, PAIRS(H "virtio_fs_daemon", "/usr/libexec/virtiofsd"), -EPERM,
		       "annotation " H "virtio_fs_daemon: \"/usr/libexec/virtiofsd\" is none of "
		       "the paths that %s allows");
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *name, *value, *msg;
	} cases[] = {
		{ H "enable_iommu", "yes", "must be true or false, not \"yes\"" },
		{ H "default_memory", "2Gi",
		  "must be an integer that is not negative, not \"2Gi\"" },
		{ H "default_memory", "", "must be an integer that is not negative, not \"\"" },
		{ H "default_memory", "-1", "must be an integer that is not negative, not \"-1\"" },
		{ H "default_memory", "99999999999999999999",
		  "must be an integer that is not negative, not \"99999999999999999999\"" },
		{ H "default_memory", "0", "must be from 1 to 4294967296, not 0" },
		{ H "default_vcpus", "two", "must be a number that is not negative, not \"two\"" },
		{ H "default_vcpus", "-1", "must be a number that is not negative, not \"-1\"" },
		{ H "default_vcpus", "1e999",
		  "must be a number that is not negative, not \"1e999\"" },
		{ H "default_vcpus", "nan", "must be a number that is not negative, not \"nan\"" },
		{ H "default_vcpus", "4.5", "4.5 processors are more than the 4 of this host" },
		{ H "default_max_vcpus", "5", "5 processors are more than the 4 of this host" },
		{ H "kernel", "vmlinux", "must be an absolute path, not \"vmlinux\"" },
		{ H "kernel", "", "must be an absolute path, not \"\"" },
		{ H "virtio_fs_extra_args", "-o x",
		  "must be a JSON array of strings, not \"-o x\"" },
		{ H "virtio_fs_extra_args", "[\"a\", 1]",
		  "must be a JSON array of strings, not \"[\\\"a\\\", 1]\"" },
		{ H "virtio_fs_extra_args", "[\"a\\u0000\"]",
		  "must be a JSON array of strings, not \"[\\\"a\\\\u0000\\\"]\"" },
		{ H "virtio_fs_extra_args", "[\"a\"] x",
		  "must be a JSON array of strings, not \"[\\\"a\\\"] x\"" },
		{ H "block_device_aio", "fast",
		  "must be \"threads\", \"native\" or \"io_uring\", not \"fast\"" },
		{ P "runtime.internetworking_model", "bridge",
		  "must be \"tcfilter\", \"macvtap\", \"none\" or \"l3forwarding\", not "
		  "\"bridge\"" },
		{ P "runtime.sandbox_cgroup_only", "", "must be true or false, not \"\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *msg = xasprintf("annotation %s: %s", cases[i].name, cases[i].msg);

		assert_refused(OPEN, PAIRS(cases[i].name, cases[i].value), -EINVAL, msg);
	}
}

static void test_not_supported(void **state)
{
	(void)state;
	assert_refused(OPEN, PAIRS(H "kernel_hash", "00"), -EOPNOTSUPP,
		       "annotation " H "kernel_hash: the check of a file's hash is not supported");
	assert_refused(OPEN, PAIRS(P "runtime.sandbox_bind_mounts", "/etc"), -EOPNOTSUPP,
		       "annotation " P "runtime.sandbox_bind_mounts: only a configuration file "
		       "can set it");
}

static void test_policy(void **state)
{
	static const struct {
		const char *value, *text; /* NULL: refused */
	} cases[] = {
		{ "cGFja2FnZQ==", "package" },
		{ "cGFj\na2Fn\r\nZQ==\n", "package" },
		{ "cGFja2Fn", "packag" },
		{ "cGFja2E=", "packa" },
		{ "fn5+fj8/Pz8=", "~~~~????" },
		{ "", NULL },
		{ "cGFja2FnZQ", NULL },
		{ "cGFja2FnZQ=", NULL },
		{ "cGFja2FnZQ==cGFj", NULL },
		{ "cGFja2FnZQ==\nc", NULL },
		{ "====", NULL },
		{ "c===", NULL },
		{ "cG=j", NULL },
		{ "cGF ja2FnZQ==", NULL },
		{ "cGFja2FnZQ===", NULL },
		{ "default A := true", NULL },
		{ "YQBi", NULL }, /* U+0000 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config *c = load(OPEN);
		auto_strv struct strv list = { NULL, 0 };
		struct err err = ERR_INIT;
		int r;

		strv_add(&list, P "agent.policy");
		strv_add(&list, cases[i].value);
		r = config_annotate(c, &list, 0, &err);
		if (cases[i].text || !*cases[i].value)
			assert_int_equal(r, 0);
		else
			assert_int_equal(r, -EINVAL);
		if (cases[i].text)
			assert_string_equal(c->agent.policy, cases[i].text);
		else
			assert_null(c->agent.policy);
		if (r < 0)
			assert_non_null(strstr(err_msg(&err), P "agent.policy: must be base64"));
		config_free(c);
	}
}

/* What an annotation asks for goes the way of what a file asks for. */
static void test_together(void **state)
{
	struct config *c = annotated(OPEN, PAIRS(P "runtime.experimental", "a b,c"));
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(config_supported(c, &err), -EOPNOTSUPP);
	assert_string_equal(err_msg(&err), "runtime.experimental: \"a, b, c\" is not supported: "
					   "there are no experimental features");
	config_free(c);
	assert_refused(OPEN, PAIRS(P "runtime.disable_new_netns", "true"), -EINVAL,
		       "with the container's annotations: runtime.disable_new_netns: works with "
		       "internetworking_model = \"none\" only, not \"tcfilter\"");
	c = annotated(OPEN, PAIRS(P "runtime.disable_new_netns", "true",
				  P "runtime.internetworking_model", "none"));
	assert_true(c->runtime.disable_new_netns);
	config_free(c);
	assert_refused(OPEN, PAIRS(P "runtime.hypervisor_name", "clh"), -EINVAL,
		       "with the container's annotations: runtime.hypervisor_name: \"clh\" is not "
		       "the hypervisor of this configuration, which has the table "
		       "[hypervisor.qemu]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),	      cmocka_unit_test(test_empty_keeps),
		cmocka_unit_test(test_kernel_params), cmocka_unit_test(test_extra_args),
		cmocka_unit_test(test_rivals),	      cmocka_unit_test(test_enabled),
		cmocka_unit_test(test_unknown),	      cmocka_unit_test(test_paths),
		cmocka_unit_test(test_bad_values),    cmocka_unit_test(test_not_supported),
		cmocka_unit_test(test_policy),	      cmocka_unit_test(test_together),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("annotations", tests, setup, teardown);
}
