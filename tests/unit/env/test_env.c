/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/version.h"
#include "host/cli/env/env_host.h"

/* Strings are copied, because env_free() releases them. */
#define S(text) xstrdup(text)

static void fill(struct env *env)
{
	*env = (struct env){
		.kernel_path = S("/opt/guest/vmlinux"),
		.kernel_parameters = S("agent.cdh_api_timeout=50 quiet"),
		.meta_version = S("1.0.27"),
		.image_path = S(""),
		.initrd_path = S("/opt/guest/initrd.img"),
		.hypervisor = {
			.machine_type = S("microvm"),
			.version = S("A monitor \"7.2\"\nin two lines"),
			.path = S("/opt/bin/monitor"),
			.block_device_driver = S("virtio-blk"),
			.entropy_source = S("/dev/urandom"),
			.shared_fs = S("virtio-fs"),
			.virtio_fs_daemon = S("/opt/libexec/virtiofsd"),
			.socket_path = S("/run/{ID}/agent.sock"),
			.msize_9p = 8192,
			.memory_slots = 10,
			.hot_plug_vfio = S("no-port"),
			.cold_plug_vfio = S("root-port"),
			.pcie_root_port = 2,
			.pcie_switch_port = 1,
			.debug = true,
			.disable_seccomp = true,
			.guest_hook_path = S("/usr/share/oci/hooks"),
		},
		.runtime = {
			.config_path = S("/etc/kata-containers/configuration-qemu.toml"),
			.path = S("/usr/bin/kata-runtime"),
			.guest_selinux_label = S("system_u:system_r:container_t"),
			.oci = S("1.2.1"),
			.semver = S("10.20.30"),
			.commit = S("0123456789abcdef"),
			.major = 10,
			.minor = 20,
			.patch = 30,
			.trace = true,
			.disable_guest_seccomp = true,
		},
		.host = {
			.kernel = S("6.1.0"),
			.architecture = S("amd64"),
			.distro_name = S("A <distribution> & more"),
			.distro_version = S("12"),
			.cpu_vendor = S("AuthenticAMD"),
			.cpu_model = S("AMD EPYC"),
			.cpus = 2,
			.memory_total = 24684092,
			.memory_free = 16369072,
			.memory_available = 22887144,
			.support_vsocks = true,
		},
		.agent_debug = true,
	};
	strv_add(&env->hypervisor.enable_annotations, "enable_iommu");
	strv_add(&env->hypervisor.enable_annotations, "kernel_params");
}

static void assert_golden(const struct env *env, void (*print)(const struct env *, FILE *),
			  const char *file)
{
	auto_free char *path = path_join(GOLDEN_DIR, file);
	auto_str struct str golden = STR_INIT;
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;
	FILE *out;

	out = open_memstream(&text, &len);
	print(env, out);
	fclose(out);
	if (file_read(path, 1 << 20, &golden, &err))
		fail_msg("%s", err_msg(&err));
	assert_string_equal(text, golden.data);
}

static void test_golden(void **state)
{
	struct env env;

	(void)state;
	fill(&env);
	assert_golden(&env, env_print_toml, "plain.toml");
	assert_golden(&env, env_print_json, "plain.json");
	env_free(&env);
}

/* The lists that are left out when empty, and one that is not. */
static void test_golden_lists(void **state)
{
	struct env env;

	(void)state;
	fill(&env);
	strv_free(&env.hypervisor.enable_annotations);
	strv_add(&env.runtime.experimental, "one");
	strv_add(&env.host.available_guest_protections, "tdx");
	assert_golden(&env, env_print_toml, "lists.toml");
	assert_golden(&env, env_print_json, "lists.json");
	env_free(&env);
}

static void test_os_release(void **state)
{
	struct env_host host = { 0 };

	(void)state;
	env_parse_os_release(&host, "PRETTY_NAME=\"No\"\nNAME='A=B \"C\"'\n");
	assert_string_equal(host.distro_name, "A=B \"C\"");
	assert_null(host.distro_version);
	env_parse_os_release(&host, "NAME=later\nVERSION_ID=12");
	assert_string_equal(host.distro_name, "A=B \"C\"");
	assert_string_equal(host.distro_version, "12");
	free(host.distro_name);
	free(host.distro_version);
}

static void test_proc(void **state)
{
	struct env_host host = { 0 };

	(void)state;
#if defined(__x86_64__)
	env_parse_cpuinfo(&host, "processor\t: 0\nvendor_id\t: Genuine\nmodel\t\t: 1\n"
				 "model name\t: A CPU: fast\n\nvendor_id\t: Other\n");
	assert_string_equal(host.cpu_vendor, "Genuine");
	assert_string_equal(host.cpu_model, "A CPU: fast");
	free(host.cpu_vendor);
	free(host.cpu_model);
#endif
	env_parse_cpuinfo(&host, "");
	assert_null(host.cpu_vendor);
	env_parse_meminfo(&host, "MemTotal:  100 kB\nMemFree: 20 kB\nMemAvailable:\t30 kB\n");
	assert_int_equal(host.memory_total, 100);
	assert_int_equal(host.memory_free, 20);
	assert_int_equal(host.memory_available, 30);
}

/* A configuration of ours in a directory of its own, with a program to ask for its version. */
static struct config *make_config(const char *dir, const char *script, const char *keys)
{
	auto_free char *path = path_join(dir, "configuration.toml");
	auto_free char *program = path_join(dir, "monitor");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct config *config;

	if (script)
		assert_int_equal(file_replace(program, script, strlen(script), 0755, &err), 0);
	str_printf(&text, "[hypervisor.qemu]\npath = \"%s\"\nkernel = \"/dev/null\"\n%s", program,
		   keys);
	assert_int_equal(file_replace(path, text.data, text.len, 0644, &err), 0);
	config = config_load(path, &err);
	if (!config)
		fail_msg("%s", err_msg(&err));
	return config;
}

static char *make_dir(char *template)
{
	assert_non_null(mkdtemp(template));
	return template;
}

static void test_collect(void **state)
{
	char dir[] = "/tmp/config-env-XXXXXX";
	struct config *config =
		make_config(make_dir(dir), "#!/bin/sh\necho; echo \"v $1\"; echo 2\n",
			    "enable_annotations = [\"a\"]\n"
			    "kernel_params = \"x=1\"\n"
			    "[agent.kata]\nenable_tracing = true\n");
	struct err err = ERR_INIT;
	struct env env = { .host.vm_container_capable = true };

	(void)state;
	assert_int_equal(env_collect(config, &env, &err), 0);
	assert_string_equal(env.hypervisor.version, "v --version\n2");
	assert_string_equal(env.kernel_parameters, "agent.trace=true x=1");
	assert_string_equal(env.runtime.config_path, config->path);
	assert_string_equal(env.runtime.semver, kata_version);
	assert_int_equal(env.hypervisor.enable_annotations.n, 1);
	assert_true(env.host.vm_container_capable);
	assert_true(env.host.cpus > 0);
	assert_true(env.host.memory_total > 0);
	assert_true(env.agent_trace);
	assert_null(env.missing);
	env_free(&env);
	config_free(config);
	assert_int_equal(tree_remove(dir, &err), 0);
}

/* What is not installed is no failure: its path is shown, and one sentence says it. */
static void test_collect_missing(void **state)
{
	char dir[] = "/tmp/config-env-XXXXXX";
	struct config *config = make_config(make_dir(dir), NULL, "image = \"/nonexistent/i\"\n");
	auto_free char *missing = NULL;
	struct err err = ERR_INIT;
	struct env env = { 0 };

	(void)state;
	assert_int_equal(env_collect(config, &env, &err), 0);
	assert_string_equal(env.hypervisor.path, config->hypervisor.path);
	assert_string_equal(env.hypervisor.version, ENV_UNKNOWN);
	missing = xasprintf("not installed: qemu %s/monitor, image /nonexistent/i", dir);
	assert_string_equal(env.missing, missing);
	env_free(&env);
	config_free(config);
	assert_int_equal(tree_remove(dir, &err), 0);
}

/* A program that fails has no version. */
static void test_collect_failing(void **state)
{
	char dir[] = "/tmp/config-env-XXXXXX";
	struct config *config = make_config(make_dir(dir), "#!/bin/sh\necho v; exit 3\n", "");
	struct err err = ERR_INIT;
	struct env env = { 0 };

	(void)state;
	assert_int_equal(env_collect(config, &env, &err), 0);
	assert_string_equal(env.hypervisor.version, ENV_UNKNOWN);
	env_free(&env);
	config_free(config);
	assert_int_equal(tree_remove(dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),		cmocka_unit_test(test_golden_lists),
		cmocka_unit_test(test_os_release),	cmocka_unit_test(test_proc),
		cmocka_unit_test(test_collect),		cmocka_unit_test(test_collect_missing),
		cmocka_unit_test(test_collect_failing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
