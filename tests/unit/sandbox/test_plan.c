/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/sandbox/plan.h"
#include "oci/json_pb.h"
#include "oci/spec.h"

static struct config *make_config(const char *text)
{
	char path[] = "/tmp/test-plan-XXXXXX";
	struct err err = ERR_INIT;
	struct config *config;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
	config = config_load(path, &err);
	unlink(path);
	if (!config)
		fail_msg("%s", err.msg);
	return config;
}

static Grpc__Spec *parse(const char *text)
{
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	if (oci_spec_parse(text, strlen(text), "spec", &spec, &err) < 0)
		fail_msg("%s", err.msg);
	return spec;
}

/* JSON without what is between its tokens: the texts here have no blanks inside strings. */
static void compact(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (!strchr(" \n\t", *s))
			*to++ = *s;
	*to = '\0';
}

static void assert_json(char *json, const char *expected)
{
	auto_free char *want = xstrdup(expected);

	compact(json);
	compact(want);
	assert_string_equal(json, want);
}

/* What becomes of @from; @to is compared as compact JSON. */
static void check_container(const struct plan_guest *g, const char *from, const char *to,
			    bool sandbox_pidns)
{
	Grpc__Spec *spec = parse(from);
	auto_free char *json = NULL;
	struct err err = ERR_INIT;
	bool pidns = !sandbox_pidns;

	if (plan_container(g, "/guest/rootfs", spec, &pidns, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(pidns, sandbox_pidns);
	json = json_pb_print(&spec->base, NULL);
	grpc__spec__free_unpacked(spec, NULL);
	assert_json(json, to);
}

static void leaves_out_what_is_the_hosts(void **state)
{
	struct config *config = make_config("[hypervisor.qemu]\n[agent.kata]\n[runtime]\n");
	struct plan_guest g = { .config = config, .sandbox_id = "sb", .shm_size = 1 << 20 };

	(void)state;
	check_container(
		&g,
		"{\"ociVersion\":\"1.0.2\",\"hostname\":\"h\",\"annotations\":{\"k\":\"v\"},"
		"\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"apparmorProfile\":\"docker\","
		" \"selinuxLabel\":\"a:b:kvm_t:s0\"},"
		"\"root\":{\"path\":\"/host/rootfs\",\"readonly\":true},"
		"\"mounts\":["
		" {\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		" {\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
		"  \"options\":[\"size=1m\"]}],"
		"\"hooks\":{\"prestart\":[{\"path\":\"/hook\"}],\"poststop\":[{\"path\":\"/hook\"}],"
		" \"startContainer\":[{\"path\":\"/in\",\"timeout\":3}]},"
		"\"linux\":{\"cgroupsPath\":\"/docker/x\",\"mountLabel\":\"a:b:c:d\","
		" \"sysctl\":{\"net.x\":\"1\"},\"maskedPaths\":[\"/proc/kcore\"],"
		" \"intelRdt\":{\"l3CacheSchema\":\"x\"},"
		" \"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"},"
		" \"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}],"
		"  \"memory\":{\"limit\":1000},\"pids\":{\"limit\":5},\"blockIO\":{\"weight\":10},"
		"  \"network\":{\"classID\":1},"
		"  \"cpu\":{\"shares\":512,\"quota\":100,\"cpus\":\"0-3\",\"mems\":\"0\"}},"
		" \"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"},"
		"  {\"type\":\"ipc\",\"path\":\"/proc/1/ns/ipc\"},{\"type\":\"cgroup\"},"
		"  {\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"time\"}]}}",
		"{\"version\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
		"\"root\":{\"path\":\"/guest/rootfs\",\"readonly\":true},\"hostname\":\"h\","
		"\"mounts\":["
		" {\"destination\":\"/proc\",\"source\":\"proc\",\"type\":\"proc\"},"
		" {\"destination\":\"/dev/shm\",\"source\":\"/run/kata-containers/sandbox/shm\","
		"  \"type\":\"bind\",\"options\":[\"rbind\"]}],"
		"\"hooks\":{\"startContainer\":[{\"path\":\"/in\",\"timeout\":3}]},"
		"\"annotations\":{\"k\":\"v\"},"
		"\"linux\":{\"sysctl\":{\"net.x\":\"1\"},"
		" \"resources\":{\"memory\":{\"limit\":1000},\"cpu\":{\"shares\":512,\"quota\":100},"
		"  \"pids\":{\"limit\":5}},"
		" \"cgroupsPath\":\"/docker/x\","
		" \"namespaces\":[{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}],"
		" \"maskedPaths\":[\"/proc/kcore\"]}}",
		false);
	config_free(config);
}

/* As little as a specification may hold. */
static void copes_with_little(void **state)
{
	struct config *config = make_config("[hypervisor.qemu]\n[agent.kata]\n[runtime]\n");
	struct plan_guest g = { .config = config, .sandbox_id = "sb" };
	Grpc__Spec *spec = parse("{\"root\":{\"path\":\"/r\"}}");
	struct err err = ERR_INIT;
	bool pidns;

	(void)state;
	check_container(&g, "{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"}}",
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/guest/rootfs\"}}",
			false);
	check_container(&g, "{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"},\"linux\":{}}",
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/guest/rootfs\"},"
			"\"linux\":{\"namespaces\":[{\"type\":\"uts\"}]}}",
			false);
	assert_int_equal(plan_container(&g, "/g", spec, &pidns, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "process"));
	grpc__spec__free_unpacked(spec, NULL);
	spec = parse("{\"process\":{\"cwd\":\"/\"}}");
	assert_int_equal(plan_container(&g, "/g", spec, &pidns, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "root"));
	grpc__spec__free_unpacked(spec, NULL);
	config_free(config);
}

static void follows_the_configuration(void **state)
{
	struct config *config =
		make_config("[hypervisor.qemu]\ndisable_guest_selinux = false\n[agent.kata]\n"
			    "[runtime]\ndisable_guest_seccomp = false\n");
	struct plan_guest g = { .config = config, .sandbox_id = "sb" };
	Grpc__Spec *spec;
	bool pidns;

	(void)state;
	/* No shared memory of the sandbox: the container gets its own. A pid namespace with a
	 * path is the pod's. */
	check_container(&g,
			"{\"process\":{\"cwd\":\"/\",\"selinuxLabel\":\"u:r:kvm_t:s0:c1,c2\"},"
			"\"root\":{\"path\":\"/r\"},"
			"\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"bind\","
			" \"source\":\"/host/shm\",\"options\":[\"rbind\"]}],"
			"\"linux\":{\"seccomp\":{\"defaultAction\":\"A\"},"
			" \"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/7/ns/pid\"}]}}",
			"{\"process\":{\"cwd\":\"/\","
			" \"selinuxLabel\":\"u:r:container_t:s0:c1,c2\"},"
			"\"root\":{\"path\":\"/guest/rootfs\"},"
			"\"mounts\":[{\"destination\":\"/dev/shm\",\"source\":\"shm\","
			" \"type\":\"tmpfs\",\"options\":[\"noexec\",\"nosuid\",\"nodev\","
			" \"mode=1777\",\"size=67108864\"]}],"
			"\"linux\":{\"namespaces\":[{\"type\":\"uts\"}],"
			"\"seccomp\":{\"defaultAction\":\"A\"}}}",
			true);
	spec = parse(
		"{\"process\":{\"cwd\":\"/\",\"selinuxLabel\":\"x\"},\"root\":{\"path\":\"/\"}}");
	assert_int_equal(plan_container(&g, "/g", spec, &pidns, NULL), -EINVAL);
	grpc__spec__free_unpacked(spec, NULL);
	config_free(config);
}

/* They need a new time namespace, and that needs them. */
static void time_offsets_are_passed_or_refused(void **state)
{
	static const char offsets[] = "\"timeOffsets\":{\"boottime\":{\"secs\":7}}";
	static const char *const wrong[] = {
		"[]",
		"[{\"type\":\"ipc\"}]",
		"[{\"type\":\"time\",\"path\":\"/proc/7/ns/time\"}]",
	};
	struct config *config = make_config("[hypervisor.qemu]\n[agent.kata]\n[runtime]\n");
	struct plan_guest g = { .config = config, .sandbox_id = "sb" };

	(void)state;
	check_container(&g,
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"},"
			"\"linux\":{\"timeOffsets\":{\"boottime\":{\"secs\":7}},"
			"\"namespaces\":[{\"type\":\"time\"}]}}",
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/guest/rootfs\"},"
			"\"linux\":{\"namespaces\":[{\"type\":\"time\"},{\"type\":\"uts\"}],"
			"\"timeOffsets\":{\"boottime\":{\"secs\":7}}}}",
			false);
	check_container(&g,
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"},"
			"\"linux\":{\"namespaces\":[{\"type\":\"time\"}]}}",
			"{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/guest/rootfs\"},"
			"\"linux\":{\"namespaces\":[{\"type\":\"uts\"}]}}",
			false);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		auto_free char *text =
			xasprintf("{\"process\":{\"cwd\":\"/\"},\"root\":{\"path\":\"/r\"},"
				  "\"linux\":{%s,\"namespaces\":%s}}",
				  offsets, wrong[i]);
		Grpc__Spec *spec = parse(text);
		struct err err = ERR_INIT;
		bool pidns;

		assert_int_equal(plan_container(&g, "/g", spec, &pidns, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "timeOffsets"));
		grpc__spec__free_unpacked(spec, NULL);
	}
	config_free(config);
}

static void splits_hooks_between_host_and_guest(void **state)
{
	static const char all[] = "{\"hooks\":{\"prestart\":[{\"path\":\"/p\"}],"
				  "\"startContainer\":[{\"path\":\"/s\"},{\"path\":\"/t\"}]}}";
	Grpc__Spec *spec = parse(all);
	Grpc__Hooks *host = plan_take_hooks(spec);

	(void)state;
	assert_int_equal(host->n_prestart, 1);
	assert_int_equal(host->n_startcontainer, 0);
	assert_int_equal(spec->hooks->n_prestart, 0);
	assert_int_equal(spec->hooks->n_startcontainer, 2);
	assert_string_equal(spec->hooks->startcontainer[1]->path, "/t");
	grpc__hooks__free_unpacked(host, NULL);
	grpc__spec__free_unpacked(spec, NULL);
	spec = parse("{}");
	assert_null(plan_take_hooks(spec));
	grpc__spec__free_unpacked(spec, NULL);
}

static void check_sandbox(const struct plan_guest *g, const char *spec_text, const char *expected)
{
	Grpc__Spec *spec = parse(spec_text);
	Grpc__CreateSandboxRequest *req = plan_sandbox(g, spec);
	auto_free char *json = json_pb_print(&req->base, NULL);

	grpc__spec__free_unpacked(spec, NULL);
	grpc__create_sandbox_request__free_unpacked(req, NULL);
	assert_json(json, expected);
}

static void asks_for_the_sandbox(void **state)
{
	struct config *config = make_config(
		"[hypervisor.qemu]\nguest_hook_path = \"/hooks\"\n"
		"virtio_fs_cache = \"auto\"\nvirtio_fs_cache_size = 1024\n"
		"[agent.kata]\nkernel_modules = [\"e1000e InterruptThrottleRate=3000 EEE=1\","
		" \" \", \"i915\"]\n[runtime]\n");
	struct plan_guest g = {
		.config = config, .sandbox_id = "sb", .share_dir = "/share", .shm_size = 4096
	};

	(void)state;
	check_sandbox(
		&g,
		"{\"hostname\":\"0123456789012345678901234567890123456789012345678901234567890123-cut\","
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/p\"}]}}",
		"{\"hostname\":\"0123456789012345678901234567890123456789012345678901234567890123\","
		"\"storages\":["
		" {\"driver\":\"virtio-fs\",\"source\":\"kataShared\",\"fstype\":\"virtiofs\","
		"  \"options\":[\"dax\"],"
		"  \"mount_point\":\"/run/kata-containers/shared/containers/\"},"
		" {\"driver\":\"ephemeral\",\"source\":\"shm\",\"fstype\":\"tmpfs\","
		"  \"options\":[\"noexec\",\"nosuid\",\"nodev\",\"mode=1777\",\"size=4096\"],"
		"  \"mount_point\":\"/run/kata-containers/sandbox/shm\"}],"
		"\"sandbox_pidns\":true,\"sandbox_id\":\"sb\",\"guest_hook_path\":\"/hooks\","
		"\"kernel_modules\":[{\"name\":\"e1000e\","
		" \"parameters\":[\"InterruptThrottleRate=3000\",\"EEE=1\"]},{\"name\":\"i915\"}]}");
	g.local = true;
	g.shm_size = 0;
	config->agent.kernel_modules.n = 0;
	check_sandbox(&g, "{}",
		      "{\"storages\":[{\"driver\":\"virtio-fs\",\"source\":\"/share\","
		      "\"fstype\":\"bind\",\"options\":[\"rbind\"],"
		      "\"mount_point\":\"/run/kata-containers/shared/containers/\"}],"
		      "\"sandbox_id\":\"sb\",\"guest_hook_path\":\"/hooks\"}");
	config->agent.kernel_modules.n = 3;
	config_free(config);
}

static void measures_shared_memory(void **state)
{
	static const struct {
		const char *mount; /* the rest of /dev/shm's */
		uint64_t size;
		const char *source;
	} cases[] = {
		{ "\"type\":\"tmpfs\",\"source\":\"shm\"", 64 << 20, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"mode=1777\",\"size=4096\"]", 4096, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=65536k\"]", 64 << 20, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=2M\"]", 2 << 20, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=1g\"]", 1 << 30, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=50%\"]", 64 << 20, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=-1\"]", 64 << 20, NULL },
		{ "\"type\":\"tmpfs\",\"options\":[\"size=99999999999g\"]", UINT64_MAX, NULL },
		{ "\"type\":\"bind\",\"source\":\"/h\"", 64 << 20, "/h" },
		{ "\"options\":[\"rbind\"],\"source\":\"/dev/shm\"", 64 << 20, NULL },
	};
	const char *source = "x";
	Grpc__Spec *spec = parse("{}");

	(void)state;
	assert_int_equal(plan_shm_size(spec, &source), 0);
	assert_null(source);
	grpc__spec__free_unpacked(spec, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text = xasprintf("{\"mounts\":[{\"destination\":\"/dev/shm\",%s}]}",
						 cases[i].mount);

		spec = parse(text);
		if (plan_shm_size(spec, &source) != cases[i].size)
			fail_msg("%s: %llu", text,
				 (unsigned long long)plan_shm_size(spec, &source));
		if (cases[i].source)
			assert_string_equal(source, cases[i].source);
		else
			assert_null(source);
		grpc__spec__free_unpacked(spec, NULL);
	}
}

static void sorts_mounts(void **state)
{
	static const struct {
		const char *mount;
		enum plan_mount kind;
		bool ro;
	} cases[] = {
		{ "\"type\":\"proc\",\"source\":\"proc\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"tmpfs\",\"source\":\"/x\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"bind\",\"source\":\"/x\"", PLAN_MOUNT_SHARE, false },
		{ "\"source\":\"/x\",\"options\":[\"rbind\",\"ro\"]", PLAN_MOUNT_SHARE, true },
		{ "\"type\":\"bind\",\"source\":\"/x\",\"options\":[\"ro\",\"rw\"]",
		  PLAN_MOUNT_SHARE, false },
		{ "\"type\":\"bind\",\"source\":\"/proc\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"bind\",\"source\":\"/proc/sys\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"bind\",\"source\":\"/process\"", PLAN_MOUNT_SHARE, false },
		{ "\"type\":\"bind\",\"source\":\"/sys/fs/cgroup\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"bind\",\"source\":\"/dev\"", PLAN_MOUNT_GUEST, false },
		{ "\"type\":\"bind\",\"source\":\"/dev/log\"", PLAN_MOUNT_SHARE_IF_FILE, false },
		{ "\"type\":\"bind\",\"source\":\"/devel\"", PLAN_MOUNT_SHARE, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *text =
			xasprintf("{\"mounts\":[{\"destination\":\"/d\",%s}]}", cases[i].mount);
		Grpc__Spec *spec = parse(text);

		if (plan_mount(spec->mounts[0]) != cases[i].kind)
			fail_msg("%s", text);
		assert_int_equal(plan_mount_read_only(spec->mounts[0]), cases[i].ro);
		plan_set(&spec->mounts[0]->destination, "/dev/shm");
		assert_int_equal(plan_mount(spec->mounts[0]), PLAN_MOUNT_GUEST);
		grpc__spec__free_unpacked(spec, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_out_what_is_the_hosts),
		cmocka_unit_test(copes_with_little),
		cmocka_unit_test(follows_the_configuration),
		cmocka_unit_test(time_offsets_are_passed_or_refused),
		cmocka_unit_test(splits_hooks_between_host_and_guest),
		cmocka_unit_test(asks_for_the_sandbox),
		cmocka_unit_test(measures_shared_memory),
		cmocka_unit_test(sorts_mounts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
