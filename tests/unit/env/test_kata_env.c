/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kata-env of the six configuration files, byte for byte what Kata Containers shows
 * for its own (4.1.0, and 3.9.0 for ACRN; the built-in monitor has no equal there).
 * What is of the host and of the version is put in by the test.
 */
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
#include "host/cli/env/env.h"

static const struct {
	const char *file;
	const char *kata;   /* a drop-in: what Kata's file has otherwise than ours */
	const char *socket; /* SocketPath, which only root is shown */
} files[] = {
	{ "qemu",
	  "[hypervisor.qemu]\ninitrd = \"\"\nblock_device_driver = \"virtio-scsi\"\n"
	  "image = \"/usr/share/kata-containers/kata-containers.img\"\n",
	  "" },
	{ "clh", NULL, "{ID}/clh.sock" },
	{ "fc", NULL, "/run/vc/firecracker/{ID}/root/kata.hvsock" },
	{ "stratovirt", NULL, "" },
	{ "acrn", NULL, "" },
	{ "dragonball", NULL, "/run/vc/vm/{ID}/kata.hvsock" },
};

static void put(char **member, const char *value)
{
	free(*member);
	*member = xstrdup(value);
}

static void put_host(struct env_host *host)
{
	strv_free(&host->available_guest_protections);
	host->available_guest_protections = (struct strv){ NULL, 0 };
	put(&host->kernel, "6.1.0");
	put(&host->architecture, "amd64");
	put(&host->distro_name, "Debian GNU/Linux");
	put(&host->distro_version, "12");
	put(&host->cpu_vendor, "AuthenticAMD");
	put(&host->cpu_model, "AMD EPYC");
	host->cpus = 2;
	host->memory_total = 24684092;
	host->memory_free = 16369072;
	host->memory_available = 22887144;
	host->vm_container_capable = false;
	host->support_vsocks = true;
}

static void put_runtime(struct env_runtime *runtime, const char *file)
{
	auto_free char *path = xasprintf("/etc/kata-containers/configuration-%s.toml", file);

	put(&runtime->config_path, path);
	put(&runtime->path, "/usr/bin/kata-runtime");
	put(&runtime->oci, "1.2.1");
	put(&runtime->semver, "10.20.30");
	put(&runtime->commit, "0123abcd");
	runtime->major = 10;
	runtime->minor = 20;
	runtime->patch = 30;
}

/* The file that is shipped, in a directory where a drop-in can lie beside it. */
static struct config *load(const char *dir, const char *file, const char *drop_in)
{
	auto_free char *from = xasprintf("%s/configuration-%s.toml", CONFIG_DIR, file);
	auto_free char *path = path_join(dir, "c.toml"), *drop_ins = path_join(dir, "config.d");
	auto_free char *kata = path_join(drop_ins, "kata.toml");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct config *config;

	if (file_read(from, 1 << 20, &text, &err) ||
	    file_replace(path, text.data, text.len, 0644, &err) ||
	    (drop_in && (dir_make(drop_ins, 0755, &err) ||
			 file_replace(kata, drop_in, strlen(drop_in), 0644, &err))))
		fail_msg("%s", err_msg(&err));
	config = config_load(path, &err);
	if (!config)
		fail_msg("%s", err_msg(&err));
	return config;
}

static void assert_golden(const struct env *env, void (*print)(const struct env *, FILE *),
			  const char *file, const char *suffix)
{
	auto_free char *path = xasprintf("%s/kata-%s.%s", GOLDEN_DIR, file, suffix);
	auto_str struct str golden = STR_INIT;
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	print(env, out);
	fclose(out);
	if (file_read(path, 1 << 20, &golden, &err))
		fail_msg("%s", err_msg(&err));
	assert_string_equal(text, golden.data);
}

static void test_kata_env(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char dir[] = "/tmp/kata-env-XXXXXX";
		struct err err = ERR_INIT;
		struct env env = { 0 };
		struct config *config;

		assert_non_null(mkdtemp(dir));
		config = load(dir, files[i].file, files[i].kata);
		if (env_collect(config, &env, &err))
			fail_msg("%s", err_msg(&err));
		put(&env.hypervisor.version, "a monitor\nof one's own");
		if (geteuid() == 0)
			assert_string_equal(env.hypervisor.socket_path, files[i].socket);
		put(&env.hypervisor.socket_path, files[i].socket);
		put_runtime(&env.runtime, files[i].file);
		put_host(&env.host);
		assert_golden(&env, env_print_toml, files[i].file, "toml");
		assert_golden(&env, env_print_json, files[i].file, "json");
		env_free(&env);
		config_free(config);
		assert_int_equal(tree_remove(dir, &err), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kata_env) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("kata-env", tests, NULL, NULL);
}
