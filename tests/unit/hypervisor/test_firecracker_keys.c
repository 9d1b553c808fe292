/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Firecracker is told: golden files for whole configurations, and every key of
 * [hypervisor.firecracker], so that none is forgotten.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include <errno.h>

#include "host/hypervisor/firecracker/body.h"
#include "host/hypervisor/firecracker/jail.h"
#include "tests/unit/hypervisor/golden.h"

#define IMAGE "image = \"/i\"\ninitrd = \"\""

static const struct key_row keys[] = {
	{ "path", "\"/f/c\"", CHANGES, "/f/c|--api-sock|", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "jailer_path", "\"/j/r\"", CHANGES, "/j/r|--id|x|--exec-file|", NULL },
	{ "valid_jailer_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", CHANGES, "\"kernel_image_path\":\"/k/other\"", NULL },
	{ "initrd", "\"/k/other\"", CHANGES, "\"initrd_path\":\"/k/other\"", NULL },
	{ "image", "\"/i\"", CHANGES, " root=/dev/vda1 rootflags=", "initrd = \"\"" },
	{ "rootfs_type", "\"erofs\"", CHANGES, " root=/dev/vda1 ro rootfstype=erofs ", IMAGE },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c\"", NULL },
	{ "disable_seccomp", "true", CHANGES, "|--no-seccomp|", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	/* KVM is measured, on every host. */
	{ "disable_nesting_checks", "true", ABOVE, "kvm_probe", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_vcpus", "2", CHANGES, "\"vcpu_count\":2,", NULL },
	{ "default_maxvcpus", "3", CHANGES, "\"vcpu_count\":3,", "default_vcpus = 7" },
	{ "default_memory", "256", CHANGES, "\"mem_size_mib\":256,", NULL },
	{ "default_maxmemory", "5000", MOOT, "no memory is added", NULL },
	{ "memory_slots", "3", REFUSED, "no memory is plugged", NULL },
	{ "memory_offset", "3", REFUSED, "like memory", NULL },
	{ "enable_mem_prealloc", "true", REFUSED, "touched", NULL },
	{ "enable_hugepages", "true", CHANGES, "\"huge_pages\":\"2M\"", NULL },
	{ "enable_iommu", "true", REFUSED, "IOMMU", NULL },
	{ "msize_9p", "4096", REFUSED, "shares no files", NULL },

	{ "block_device_driver", "\"virtio-scsi\"", REFUSED, "\"virtio-mmio\"", NULL },
	{ "block_device_cache_set", "true", CHANGES, "\"cache_type\":\"Writeback\"", NULL },
	{ "block_device_cache_noflush", "true", CHANGES, "\"cache_type\":\"Unsafe\"",
	  "block_device_cache_set = true" },
	{ "queue_size", "64", REFUSED, "fixed", NULL },
	{ "num_queues", "2", REFUSED, "one queue", NULL },
	{ "disk_rate_limiter_bw_max_rate", "8000000", CHANGES,
	  "\"bandwidth\":{\"size\":1000000,\"refill_time\":1000}", NULL },
	{ "disk_rate_limiter_bw_one_time_burst", "80", CHANGES, ",\"one_time_burst\":10,",
	  "disk_rate_limiter_bw_max_rate = 800" },
	{ "disk_rate_limiter_ops_max_rate", "50", CHANGES,
	  "\"ops\":{\"size\":50,\"refill_time\":1000}", NULL },
	{ "disk_rate_limiter_ops_one_time_burst", "9", CHANGES, ",\"one_time_burst\":9,",
	  "disk_rate_limiter_ops_max_rate = 50" },

	{ "network_queues", "2", REFUSED, "one pair", NULL },
	{ "rx_rate_limiter_max_rate", "1600", CHANGES,
	  "\"rx_rate_limiter\":{\"bandwidth\":{\"size\":200,", NULL },
	{ "tx_rate_limiter_max_rate", "1600", CHANGES,
	  "\"tx_rate_limiter\":{\"bandwidth\":{\"size\":200,", NULL },
	{ "default_bridges", "2", REFUSED, "PCI", NULL },
	{ "entropy_source", "\"\"", REMOVES, "\"entropy\":{}", NULL },
	{ "valid_entropy_sources", "[\"/x\"]", ABOVE, "annotations", NULL },

	{ "enable_debug", "true", CHANGES, "\"level\":\"Debug\"", NULL },
};

static const struct vm_dev net = {
	.type = VM_DEV_NET,
	.id = "net0",
	.net = { .tap = "tap0_kata", .mac = { 2, 0, 0xca, 0xfe, 0, 1 }, .mtu = 1400 }
};
static const struct vm_dev disks[] = {
	{ .id = "disk0", .disk = { .path = "/d0" } },
	{ .id = "disk1", .disk = { .path = "/d1", .read_only = true } },
};

static struct vm_spec spec_for(const struct config *c)
{
	return (struct vm_spec){
		.id = "x",
		.run_dir = "/run/vc/vm/x",
		.config = c,
		.size = size_for(c, false, false),
		.kernel_params = "",
		.nets = &net,
		.n_nets = 1,
		.netns = -1,
	};
}

static struct config *config_with(const char *lines, const char *more, struct err *err)
{
	bool root = lines_set(lines, "initrd") || lines_set(more, "initrd");
	auto_free char *text = xasprintf("[hypervisor.firecracker]\n%s\n%s\n%s\n", lines, more,
					 root ? "" : "initrd = \"/k/initrd\"");

	return config_of(text, err);
}

/* The arguments between bars, and the configuration file. */
static char *outcome(const char *lines, const char *more)
{
	struct str out = STR_INIT;
	auto_strv struct strv argv = { 0 };
	struct err err = ERR_INIT;
	struct config *c = config_with(lines, more, &err);
	struct json_object *body;

	if (!c || fc_keys_check(c, &err) < 0) {
		config_free(c);
		return key_error(&err);
	}
	struct vm_spec spec = spec_for(c);

	fc_args(&spec, "/run/vc", &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(&out, "%s|", argv.v[i]);
	body = fc_body_config(&spec);
	str_printf(&out, "\n%s",
		   json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(body);
	config_free(c);
	return str_take(&out);
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_FC, false);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "firecracker", outcome);
}

/* Keys of other hypervisors that somebody may count on. */
static void foreign_keys_are_refused(void **state)
{
	static const char *const lines[] = {
		"ctlpath = \"/x\"",
		"firmware = \"/x\"",
		"kernel_verity_params = \"root_hash=ab\"",
		"rootless = true",
		"confidential_guest = true",
		"sev_snp_guest = true",
		"shared_fs = \"virtio-fs\"",
		"enable_virtio_mem = true",
		"enable_guest_swap = true",
		"reclaim_guest_freed_memory = true",
		"file_mem_backend = \"/dev/shm\"",
		"block_device_cache_direct = true",
		"enable_numa = true",
		"hot_plug_vfio = \"root-port\"",
		"pcie_root_port = 1",
		"enable_vhost_user_store = true",
		"net_rate_limiter_bw_max_rate = 8",
		"guest_memory_dump_path = \"/x\"",
	};

	(void)state;
	lines_are_refused(lines, ARRAY_SIZE(lines), "firecracker", "", outcome);
}

static void bad_values_are_named(void **state)
{
	static const struct bad_lines cases[] = {
		{ "default_memory = 100",
		  "error -22: hypervisor.firecracker.default_memory: 100 MiB" },
		{ "default_memory = 512\ndefault_maxmemory = 256", "256 MiB are less than" },
		{ "default_memory = 511\nenable_hugepages = true", "no multiple of a huge page" },
		{ "default_vcpus = 33", "hypervisor.firecracker.default_vcpus: 33 are" },
		{ "tx_rate_limiter_max_rate = 7", "tx_rate_limiter_max_rate: 7 bit/s are" },
		{ "disk_rate_limiter_ops_one_time_burst = 7",
		  "disk_rate_limiter_ops_one_time_burst: there is no "
		  "disk_rate_limiter_ops_max_rate" },
		{ "entropy_source = \"/dev/hwrng\"",
		  "hypervisor.firecracker.entropy_source: \"/dev/hwrng\" is not supported: " },
	};

	(void)state;
	bad_lines_are_named(cases, ARRAY_SIZE(cases), outcome);
}

/* What is installed asks for nothing that is refused. */
static void the_shipped_file_is_accepted(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_load(CONFIG_DIR "/configuration-fc.toml", &err);

	(void)state;
	if (!c || fc_keys_check(c, &err) < 0)
		fail_msg("%s", err_msg(&err));
	assert_int_equal(c->warnings.n, 0);
	config_free(c);
}

static void whole_machines(void **state)
{
	static const struct {
		const char *name, *lines;
		size_t n_disks, n_nets;
	} cases[] = {
		{ "firecracker/initrd", "default_memory = 256", 0, 0 },
		{ "firecracker/jailed",
		  "jailer_path = \"/usr/bin/jailer\"\npath = \"/usr/bin/firecracker\"\n"
		  "disable_seccomp = true\n" IMAGE "\nrootfs_type = \"erofs\"",
		  2, 1 },
		{ "firecracker/limits",
		  IMAGE "\ndisk_rate_limiter_bw_max_rate = 8000000\n"
			"disk_rate_limiter_ops_max_rate = 100\n"
			"disk_rate_limiter_ops_one_time_burst = 10\n"
			"rx_rate_limiter_max_rate = 1600\ntx_rate_limiter_max_rate = 3200\n"
			"block_device_cache_set = true\nenable_hugepages = true\n"
			"entropy_source = \"\"\nenable_debug = true\ndefault_vcpus = 3",
		  1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *json = xasprintf("%s.json", cases[i].name);
		auto_free char *args = xasprintf("%s.args", cases[i].name);
		auto_strv struct strv argv = { 0 };
		struct err err = ERR_INIT;
		struct config *c = config_with(cases[i].lines, "", &err);

		if (!c)
			fail_msg("%s", err_msg(&err));
		struct vm_spec spec = spec_for(c);

		spec.disks = disks;
		spec.n_disks = cases[i].n_disks;
		spec.n_nets = cases[i].n_nets;
		fc_args(&spec, "/run/vc", &argv);
		golden_words(args, &argv);
		golden_json(json, fc_body_config(&spec));
		config_free(c);
	}
	golden_json("firecracker/drive.json", fc_body_drive("drive_3", "/drive_3"));
	golden_json("firecracker/paused.json", fc_body_state(true));
	golden_json("firecracker/resumed.json", fc_body_state(false));
}

static void names_fit(void **state)
{
	static const char *const ids[][2] = {
		{ "abc-123", "abc-123" },
		{ "12345678901234567890123456789012", "12345678901234567890123456789012" },
		{ "123456789012345678901234567890123", "12345678901234567890123-" },
		{ "a_b.c", "a-b-c-" },
	};
	auto_free char *a = fc_jail_id("0123456789012345678901234567890123456789-a");
	auto_free char *b = fc_jail_id("0123456789012345678901234567890123456789-b");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		auto_free char *id = fc_jail_id(ids[i][0]);

		assert_true(str_starts(id, ids[i][1]));
		assert_true(strlen(id) <= 32 &&
			    strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz-") == strlen(id));
	}
	assert_string_not_equal(a, b);
}

static void programs_with_libraries_are_told(void **state)
{
	(void)state;
	assert_true(jail_lacks_libraries("/proc/self/exe"));
	assert_false(jail_lacks_libraries(CONFIG_DIR "/configuration-fc.toml"));
	assert_false(jail_lacks_libraries("/nonexistent"));
}

static void drives_have_places(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_with(IMAGE, "", &err), *i = config_with("", "", &err);
	struct vm_spec spec = spec_for(c);
	struct vm_place place;
	auto_free char *dir = jail_own_dir(&spec), *root = jail_root(&spec);

	(void)state;
	spec.disks = disks;
	spec.n_disks = 2;
	fc_disk_place(&spec, 0, &place);
	assert_string_equal(place.at, "/dev/vdb");
	fc_drive_place(&spec, 0, &place);
	assert_string_equal(place.at, "/dev/vdd");
	assert_int_equal(place.type, VM_PLACE_NODE);
	spec.config = i;
	spec.n_disks = 0;
	fc_drive_place(&spec, 11, &place);
	assert_string_equal(place.at, "/dev/vdl");
	assert_string_equal(dir, "/run/vc/firecracker/x");
	assert_string_equal(root, "/run/vc/firecracker/x/root");
	/* 12 that wait, vsock, random numbers, one network: four are left. */
	spec.n_disks = 4;
	assert_int_equal(fc_check_devices(&spec, &err), 0);
	spec.n_disks = 5;
	assert_int_equal(fc_check_devices(&spec, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "would have 20 devices, and it has interrupts for 19"));
	config_free(c);
	config_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_its_place),
		cmocka_unit_test(every_key_does_what_it_says),
		cmocka_unit_test(foreign_keys_are_refused),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(the_shipped_file_is_accepted),
		cmocka_unit_test(whole_machines),
		cmocka_unit_test(names_fit),
		cmocka_unit_test(drives_have_places),
		cmocka_unit_test(programs_with_libraries_are_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("firecracker keys", tests, NULL, NULL);
}
