/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"
#include "host/config/config.h"

static void test_shipped(void **state)
{
	static const struct {
		const char *file, *name, *path, *kernel, *block, *shared_fs;
	} files[] = {
		{ "qemu", "qemu", "/usr/bin/qemu-system-x86_64", "vmlinux.container", "virtio-blk",
		  "virtio-fs" },
		{ "clh", "clh", "/usr/bin/cloud-hypervisor", "vmlinux.container", "virtio-blk",
		  "virtio-fs" },
		{ "fc", "firecracker", "/usr/bin/firecracker", "vmlinux.container", "virtio-mmio",
		  "" },
		{ "dragonball", "dragonball", "", "vmlinux.container", "virtio-blk-pci",
		  "inline-virtio-fs" },
		{ "stratovirt", "stratovirt", "/usr/bin/stratovirt", "vmlinuz.container",
		  "virtio-mmio", "virtio-fs" },
		{ "acrn", "acrn", "/usr/bin/acrn-dm", "vmlinuz.container", "virtio-blk", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *file =
			xasprintf("%s/configuration-%s.toml", CONFIG_DIR, files[i].file);
		struct err err = ERR_INIT;
		struct config *c = config_load(file, &err);

		if (!c)
			fail_msg("%s", err_msg(&err));
		if (c->warnings.n)
			fail_msg("%s", c->warnings.v[0]);
		assert_string_equal(c->hypervisor.name, files[i].name);
		assert_string_equal(c->hypervisor.path, files[i].path);
		assert_true(str_ends(c->hypervisor.kernel, files[i].kernel));
		assert_string_equal(c->hypervisor.block_device_driver, files[i].block);
		assert_string_equal(c->hypervisor.shared_fs, files[i].shared_fs);
		assert_int_equal(c->hypervisor.default_memory, 2048);
		assert_int_equal(c->agent.dial_timeout_ms, 45000);
		assert_true(c->runtime.disable_guest_seccomp);
		if (config_supported(c, &err))
			fail_msg("%s: %s", file, err_msg(&err));
		config_free(c);
	}
}

/* What a key is without a file does not depend on the others: nothing is NULL. */
static void test_defaults(void **state)
{
	struct config *c = load_text("[hypervisor.qemu]\n");

	(void)state;
	assert_string_equal(c->hypervisor.path, "/usr/bin/qemu-system-x86_64");
	assert_string_equal(c->hypervisor.machine_type, "q35");
	assert_string_equal(c->hypervisor.image, "");
	assert_string_equal(c->hypervisor.kernel_params, "");
	assert_string_equal(c->hypervisor.hot_plug_vfio, "no-port");
	assert_true(c->hypervisor.default_vcpus == 1);
	assert_int_equal(c->hypervisor.enable_annotations.n, 0);
	assert_int_equal(c->hypervisor.valid_hypervisor_paths.n, 0);
	assert_int_equal(c->agent.dial_timeout_ms, 45000);
	assert_int_equal(c->agent.cdh_api_timeout_ms, 0);
	assert_string_equal(c->runtime.internetworking_model, "tcfilter");
	assert_int_equal(c->runtime.create_container_timeout, 60);
	assert_string_equal(c->factory.template_path, "/run/vc/vm/template");
	assert_int_equal(c->warnings.n, 0);
	config_free(c);

	c = load_text("[hypervisor.firecracker]\n");
	assert_string_equal(c->hypervisor.shared_fs, "");
	assert_string_equal(c->hypervisor.hot_plug_vfio, "");
	assert_true(c->runtime.static_sandbox_resource_mgmt);
	config_free(c);
	c = load_text("[hypervisor.fake]\n");
	assert_string_equal(c->hypervisor.name, "fake");
	config_free(c);
}

static void test_values(void **state)
{
	struct config *c = load_text("[agent.kata]\ndial_timeout = 7\ncdh_api_timeout_ms = 1500\n"
				     "kernel_modules = [\"a x=1\", \"b\"]\n"
				     "[runtime]\nsandbox_cgroup_only = true\n"
				     "experimental = [\"e\"]\n[factory]\nenable_template = true\n"
				     "[hypervisor.qemu]\npath = \"/q\"\ndefault_memory = 64\n"
				     "default_vcpus = 1.5\nseccomp_sandbox = \"on\"\n"
				     "rx_rate_limiter_max_rate = 9223372036854775807\n"
				     "[hypervisor.qemu.factory]\ntemplate_path = \"/t\"\n");

	(void)state;
	assert_int_equal(c->agent.dial_timeout_ms, 7000);
	assert_int_equal(c->agent.cdh_api_timeout_ms, 1500);
	assert_int_equal(c->agent.kernel_modules.n, 2);
	assert_string_equal(c->agent.kernel_modules.v[0], "a x=1");
	assert_true(c->runtime.sandbox_cgroup_only);
	assert_string_equal(c->runtime.experimental.v[0], "e");
	assert_string_equal(c->hypervisor.path, "/q");
	/* Small, and honoured all the same. */
	assert_int_equal(c->hypervisor.default_memory, 64);
	assert_true(c->hypervisor.default_vcpus == 1.5);
	assert_string_equal(c->hypervisor.seccompsandbox, "on");
	assert_int_equal(c->hypervisor.rx_rate_limiter_max_rate, INT64_MAX);
	assert_true(c->factory.enable_template);
	assert_string_equal(c->factory.template_path, "/t");
	assert_int_equal(c->warnings.n, 0);
	config_free(c);
}

static void test_refused_values(void **state)
{
	static const struct {
		const char *line, *msg;
	} cases[] = {
		{ "default_maxvcpus = \"2\"",
		  "c.toml:2:20: hypervisor.qemu.default_maxvcpus: must be an integer, not a string" },
		{ "default_vcpus = \"2\"",
		  "c.toml:2:17: hypervisor.qemu.default_vcpus: must be a number, not a string" },
		{ "default_vcpus = inf",
		  "c.toml:2:17: hypervisor.qemu.default_vcpus: must be a finite number" },
		{ "default_memory = 0", "c.toml:2:18: hypervisor.qemu.default_memory: must be from "
					"1 to 4294967296, not 0" },
		{ "path = 1",
		  "c.toml:2:8: hypervisor.qemu.path: must be a string, not an integer" },
		{ "path = \"/a\\u0000b\"",
		  "c.toml:2:8: hypervisor.qemu.path: must not hold the character U+0000" },
		{ "enable_debug = 1", "c.toml:2:16: hypervisor.qemu.enable_debug: must be true or "
				      "false, not an integer" },
		{ "pflashes = \"a\"", "c.toml:2:12: hypervisor.qemu.pflashes: must be an array of "
				      "strings, not a string" },
		{ "pflashes = [\"a\", 2]", "c.toml:2:12: hypervisor.qemu.pflashes: element 2: must "
					   "be a string, not an integer" },
		{ "virtio_fs_cache = \"some\\n\"",
		  "c.toml:2:19: hypervisor.qemu.virtio_fs_cache: must be \"never\", \"metadata\", "
		  "\"auto\" or \"always\", not \"some\\n\"" },
		{ "factory = 1", "c.toml:2:11: hypervisor.qemu.factory: must be a table, not an "
				 "integer" },
		{ "path = qemu", "c.toml:2:8: 'qemu' is no value; a string needs quotes" },
		{ "[agent]\nkata = 2", "c.toml:3:8: agent.kata: must be a table, not an integer" },
		{ "[runtime]\nlog_level = 3",
		  "c.toml:3:13: runtime.log_level: must be a string, not an integer" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("[hypervisor.qemu]\n%s\n", cases[i].line);

		put("c.toml", text);
		assert_refused(cases[i].msg);
	}
}

static void test_refused_hypervisors(void **state)
{
	(void)state;
	put("c.toml", "[runtime]\n");
	assert_refused("c.toml: there is no table [hypervisor.NAME]; NAME is one of qemu, clh, "
		       "firecracker, dragonball, stratovirt, acrn and fake");
	put("c.toml", "\n[hypervisor.foo]\n");
	assert_refused("c.toml:2:13: hypervisor.foo: no such hypervisor; there are qemu, clh, "
		       "firecracker, dragonball, stratovirt, acrn and fake");
	put("c.toml", "[hypervisor.\"qemu\\u0000\"]\n");
	assert_refused("c.toml:1:13: hypervisor.qemu: no such hypervisor; there are qemu, clh, "
		       "firecracker, dragonball, stratovirt, acrn and fake");
	put("c.toml", "[hypervisor.clh]\n[hypervisor.qemu]\n");
	assert_refused("c.toml:2:13: hypervisor.qemu: this configuration is one of "
		       "hypervisor.clh, and there can be one only");
	put("c.toml", "hypervisor = 1\n");
	assert_refused("c.toml:1:14: hypervisor: must be a table, not an integer");
}

static void test_refused_together(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "image = \"/i\"\ninitrd = \"/r\"",
		  "c.toml: hypervisor.qemu: image and initrd are both set; the guest boots from "
		  "one, set the other to \"\"" },
		{ "virtio_fs_queue_size = 1000",
		  "c.toml: hypervisor.qemu.virtio_fs_queue_size: must be a power of two, not "
		  "1000" },
		{ "block_device_logical_sector_size = 256",
		  "c.toml: hypervisor.qemu.block_device_logical_sector_size: must be 0 or a power "
		  "of two from 512 to 65536, not 256" },
		{ "block_device_logical_sector_size = 4096\n"
		  "block_device_physical_sector_size = 512",
		  "c.toml: hypervisor.qemu.block_device_logical_sector_size: is larger than the "
		  "physical one" },
		{ "[runtime]\ndisable_new_netns = true",
		  "c.toml: runtime.disable_new_netns: works with internetworking_model = \"none\" "
		  "only, not \"tcfilter\"" },
		{ "enable_annotations = [\"ok\", \"a(b\"]",
		  "c.toml: hypervisor.qemu.enable_annotations: \"a(b\" is no regular expression: "
		  "Unmatched ( or \\(" },
		{ "[runtime]\nhypervisor_name = \"clh\"",
		  "c.toml: runtime.hypervisor_name: \"clh\" is not the hypervisor of this "
		  "configuration, which has the table [hypervisor.qemu]" },
		{ "[factory]\nenable_template = true\nvm_cache_number = 1",
		  "c.toml: factory: enable_template and vm_cache_number cannot be used together" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("[hypervisor.qemu]\n%s\n", cases[i].text);

		put("c.toml", text);
		assert_refused(cases[i].msg);
	}
}

static void test_warnings(void **state)
{
	static const char *const warnings[] = {
		"c.toml:3:1: hypervisor.qemu: \"defaultvcpus\" is not known and ignored; did you "
		"mean default_vcpus?",
		"c.toml:4:2: hypervisor.qemu: \"colour\\n\" is not known and ignored",
		"c.toml:5:1: hypervisor.qemu: \"path\\u0000\" is not known and ignored; did you "
		"mean path?",
		"c.toml:7:10: runtime: \"debug\" is not known and ignored",
		"c.toml:8:8: agent: \"other\" is not known and ignored",
		"c.toml:1:1: \"netmon\" is not known and ignored",
	};
	struct config *c = load_text("netmon = 1\n[hypervisor.qemu]\ndefaultvcpus = 2\n"
				     " \"colour\\n\" = 1\n\"path\\u0000\" = 1\n"
				     "kernel = \"/k\"\n[runtime.debug]\n[agent.other]\n");
	auto_free char *prefix = xasprintf("%s/", dir);
	size_t i, k;

	(void)state;
	assert_string_equal(c->hypervisor.kernel, "/k");
	assert_int_equal(c->warnings.n, ARRAY_SIZE(warnings));
	for (i = 0; i < ARRAY_SIZE(warnings); i++) {
		assert_true(str_starts(c->warnings.v[i], prefix));
		for (k = 0; k < ARRAY_SIZE(warnings); k++)
			if (!strcmp(c->warnings.v[i] + strlen(prefix), warnings[k]))
				break;
		if (k == ARRAY_SIZE(warnings))
			fail_msg("%s", c->warnings.v[i]);
	}
	config_free(c);
}

/* Fragments beside the file that a link leads to, in order, key by key. */
static void test_drop_ins(void **state)
{
	auto_free char *link = path_join(dir, "link.toml"), *real = path_join(dir, "etc/c.toml");
	struct config *c;

	(void)state;
	put("etc/c.toml", "[hypervisor.qemu]\ndefault_memory = 100\nkernel = \"/k\"\n"
			  "pflashes = [\"1\", \"2\"]\n");
	put("etc/config.d/20-b.toml", "[hypervisor.qemu]\ndefault_memory = 300\n");
	put("etc/config.d/10-a.toml", "[hypervisor.qemu]\ndefault_memory = 200\n"
				      "pflashes = [\"3\"]\n[runtime]\nenable_debug = true\n");
	put("etc/config.d/90-note.txt", "not TOML");
	put("etc/config.d/.hidden.toml", "not TOML");
	put("config.d/50-elsewhere.toml", "not TOML");
	assert_int_equal(symlink("etc/c.toml", link), 0);
	c = load("link.toml");
	assert_string_equal(c->path, real);
	assert_int_equal(c->hypervisor.default_memory, 300);
	assert_string_equal(c->hypervisor.kernel, "/k");
	assert_int_equal(c->hypervisor.pflashes.n, 1);
	assert_string_equal(c->hypervisor.pflashes.v[0], "3");
	assert_true(c->runtime.enable_debug);
	config_free(c);
}

static void test_drop_ins_refused(void **state)
{
	(void)state;
	put("c.toml", "[hypervisor.qemu]\n");
	put("config.d/a.toml", "[hypervisor.qemu]\ndefault_memory = true\n");
	assert_refused("config.d/a.toml:2:18: hypervisor.qemu.default_memory: must be an integer, "
		       "not a boolean");
	put("config.d/a.toml", "[hypervisor.clh]\n");
	assert_refused("config.d/a.toml:1:13: hypervisor.clh: this configuration is one of "
		       "hypervisor.qemu, and there can be one only");
	put("config.d/a.toml", "[");
	assert_refused("config.d/a.toml:1:2: expected a key, not the end of the file");
}

static void test_drop_in_place_is_a_file(void **state)
{
	(void)state;
	put("c.toml", "[hypervisor.qemu]\n");
	put("config.d", "x");
	assert_refused("config.d: Not a directory");
}

static void test_search(void **state)
{
	auto_free char *path = path_join(dir, "c.toml"), *other = path_join(dir, "d.toml");
	auto_free char *msg = xasprintf("configuration file: %s: No such file or directory", other);
	struct err err = ERR_INIT;
	struct config *c;

	(void)state;
	put("c.toml", "[hypervisor.clh]\n");
	setenv("KATA_CONF_FILE", path, 1);
	c = config_load(NULL, &err);
	assert_non_null(c);
	assert_string_equal(c->path, path);
	config_free(c);
	/* An option wins, and a file that was named is never passed over. */
	assert_null(config_load(other, &err));
	assert_string_equal(err_msg(&err), msg);
	assert_int_equal(err.code, -ENOENT);
	unsetenv("KATA_CONF_FILE");
	assert_string_equal(config_default_paths()[0], "/etc/kata-containers/configuration.toml");
	assert_string_equal(config_default_paths()[1],
			    "/usr/share/defaults/kata-containers/configuration.toml");
	assert_null(config_default_paths()[2]);
}

static void test_no_regular_file(void **state)
{
	auto_free char *fifo = path_join(dir, "fifo");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_null(config_load(fifo, &err));
	assert_non_null(strstr(err_msg(&err), fifo));
	assert_null(config_load(dir, &err));
	assert_non_null(strstr(err_msg(&err), dir));
}

static void assert_params(const char *text, const char *params)
{
	auto_str struct str out = STR_INIT;
	struct config *c = load_text(text);

	config_kernel_params(c, &out);
	assert_string_equal(str_text(&out), params);
	config_free(c);
}

static void test_kernel_params(void **state)
{
	(void)state;
	assert_params("[hypervisor.qemu]\n", "");
	assert_params("[hypervisor.qemu]\nkernel_params = \"a=1 b\"\nimage = \"/i\"\n"
		      "block_device_driver = \"virtio-scsi\"\n"
		      "[agent.kata]\ncdh_api_timeout = 50\n",
		      "systemd.unit=kata-containers.target "
		      "systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket "
		      "scsi_mod.scan=none agent.cdh_api_timeout=50 a=1 b");
	assert_params("[hypervisor.qemu]\n[agent.kata]\nenable_debug = true\n"
		      "enable_tracing = true\ndebug_console_enabled = true\n"
		      "cdh_api_timeout_ms = 1\nlaunch_process_timeout = 6\n"
		      "container_pipe_size = 2\n",
		      "agent.log=debug agent.trace=true agent.container_pipe_size=2 "
		      "agent.debug_console agent.debug_console_vport=1026 agent.cdh_api_timeout=1 "
		      "agent.launch_process_timeout=6");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, config_setup, config_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shipped),
		TEST(test_defaults),
		TEST(test_values),
		TEST(test_refused_values),
		TEST(test_refused_hypervisors),
		TEST(test_refused_together),
		TEST(test_warnings),
		TEST(test_drop_ins),
		TEST(test_drop_ins_refused),
		TEST(test_drop_in_place_is_a_file),
		TEST(test_search),
		TEST(test_no_regular_file),
		TEST(test_kernel_params),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	unsetenv("KATA_CONF_FILE");
	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
