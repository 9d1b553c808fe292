/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Cloud Hypervisor is told: golden files for whole bodies, and every key of
 * [hypervisor.clh], so that none is forgotten.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include <errno.h>

#include "host/hypervisor/clh/body.h"
#include "tests/unit/hypervisor/golden.h"

#define IMAGE "image = \"/i\"\ninitrd = \"\""
#define SLOW  "net_rate_limiter_bw_max_rate = 800"

static const struct key_row keys[] = {
	{ "path", "\"/c/h\"", CHANGES, "/c/h|--api-socket|", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "valid_ctlpaths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", CHANGES, "\"kernel\":\"/k/other\"", NULL },
	{ "initrd", "\"/k/other\"", CHANGES, "\"initramfs\":\"/k/other\"", NULL },
	{ "image", "\"/i\"", CHANGES, " root=/dev/vda1 rootflags=", "initrd = \"\"" },
	{ "rootfs_type", "\"erofs\"", CHANGES, " root=/dev/vda1 ro rootfstype=erofs ", IMAGE },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c\"", NULL },
	{ "firmware", "\"/x\"", REFUSED, "without a firmware", NULL },
	{ "rootless", "true", REFUSED, "user", NULL },
	{ "disable_seccomp", "true", CHANGES, "|--seccomp|false|", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	{ "disable_guest_selinux", "false", CHANGES, " selinux=1", NULL },
	/* KVM is measured, on every host. */
	{ "disable_nesting_checks", "true", ABOVE, "kvm_probe", NULL },
	{ "disable_nested_virtualization", "true", CHANGES, "\"nested\":false", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_vcpus", "2", CHANGES, "\"boot_vcpus\":2,", NULL },
	{ "default_maxvcpus", "3", CHANGES, "\"max_vcpus\":3", NULL },
	{ "default_memory", "256", CHANGES, "\"memory\":{\"size\":268435456,", NULL },
	{ "default_maxmemory", "2304", CHANGES, "\"hotplug_size\":268435456,", NULL },
	{ "memory_slots", "0", REMOVES, "\"hotplug_size\"", NULL },
	{ "overhead_vcpus", "0.5", ABOVE, "size_boot()", NULL },
	{ "overhead_memory", "64", ABOVE, "size_boot()", NULL },
	{ "enable_mem_prealloc", "true", CHANGES, "\"prefault\":true", NULL },
	{ "enable_hugepages", "true", CHANGES, "\"hugepages\":true", NULL },
	{ "enable_guest_swap", "true", REFUSED, "swap", NULL },
	{ "guest_swap_path", "\"/x\"", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_size_percent", "1", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_create_threshold_secs", "1", MOOT, "enable_guest_swap", NULL },
	{ "reclaim_guest_freed_memory", "true", CHANGES, "\"free_page_reporting\":true", NULL },
	{ "enable_iommu", "true", REFUSED, "none is given", NULL },

	{ "shared_fs", "\"none\"", REMOVES, "\"fs\":[{\"tag\":\"kataShared\"", NULL },
	{ "virtio_fs_daemon", "\"/x\"", ABOVE, "virtiofsd", NULL },
	{ "valid_virtio_fs_daemon_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "virtio_fs_cache", "\"never\"", ABOVE, "virtiofsd", NULL },
	{ "virtio_fs_cache_size", "64", REFUSED, "maps nothing", NULL },
	{ "virtio_fs_queue_size", "512", CHANGES, "\"num_queues\":1,\"queue_size\":512", NULL },
	{ "virtio_fs_extra_args", "[\"-d\"]", ABOVE, "virtiofsd", NULL },

	{ "block_device_driver", "\"virtio-scsi\"", REFUSED, "\"virtio-blk\"", NULL },
	{ "disable_block_device_use", "false", ABOVE, "disk_plan()", NULL },
	{ "block_device_cache_set", "true", CHANGES, "\"direct\":true",
	  "block_device_cache_direct = true" },
	{ "block_device_cache_direct", "true", CHANGES, "\"direct\":true",
	  "block_device_cache_set = true" },
	{ "queue_size", "64", CHANGES, "\"num_queues\":1,\"queue_size\":64}", NULL },
	{ "num_queues", "2", CHANGES, "\"num_queues\":2,\"queue_size\":128}", NULL },
	{ "vm_rootfs_driver", "\"virtio-pmem\"", CHANGES, "\"pmem\":[{\"id\":\"image\"", IMAGE },
	{ "disable_image_nvdimm", "false", CHANGES, " root=/dev/pmem0p1 rootflags=dax,", IMAGE },
	{ "disk_rate_limiter_bw_max_rate", "8000000", CHANGES,
	  "\"bandwidth\":{\"size\":1000000,\"refill_time\":1000}", NULL },
	{ "disk_rate_limiter_bw_one_time_burst", "80", CHANGES, ",\"one_time_burst\":10,",
	  "disk_rate_limiter_bw_max_rate = 800" },
	{ "disk_rate_limiter_ops_max_rate", "50", CHANGES,
	  "\"ops\":{\"size\":50,\"refill_time\":1000}", NULL },
	{ "disk_rate_limiter_ops_one_time_burst", "9", CHANGES, ",\"one_time_burst\":9,",
	  "disk_rate_limiter_ops_max_rate = 50" },

	{ "network_queues", "2", ABOVE, "who opens the taps", NULL },
	{ "net_rate_limiter_bw_max_rate", "1600", CHANGES, "\"bandwidth\":{\"size\":200,", NULL },
	{ "net_rate_limiter_bw_one_time_burst", "80", CHANGES, ",\"one_time_burst\":10,", SLOW },
	{ "net_rate_limiter_ops_max_rate", "70", CHANGES, "\"ops\":{\"size\":70,", NULL },
	{ "net_rate_limiter_ops_one_time_burst", "7", CHANGES, ",\"one_time_burst\":7,",
	  "net_rate_limiter_ops_max_rate = 50" },
	{ "default_bridges", "2", REFUSED, "root bus", NULL },
	{ "hot_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "cold_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },

	{ "enable_debug", "true", CHANGES, "|-v|", NULL },
	{ "hypervisor_loglevel", "3", CHANGES, "|-vvv|", "enable_debug = true" },
};

static const int tap_fds[] = { 20, 21 };
static const struct vm_dev disk = { .id = "disk0", .disk = { .path = "/d0" } };
static const struct vm_dev net = {
	.type = VM_DEV_NET,
	.id = "net0",
	.net = { .tap = "tap0",
		 .fds = tap_fds,
		 .n_fds = 2,
		 .mac = { 2, 0, 0xca, 0xfe, 0, 1 },
		 .mtu = 1400 },
};

static struct vm_spec spec_for(const struct config *c)
{
	unsigned caps = clh_keys_caps(c);

	return (struct vm_spec){
		.id = "x",
		.config = c,
		.size = size_for(c, caps & HV_CAP_CPU_HOTPLUG, caps & HV_CAP_MEM_HOTPLUG),
		.share_dir = caps & HV_CAP_FS_SHARE ? "/share" : NULL,
		.share_tag = "kataShared",
		.kernel_params = "",
	};
}

static struct config *config_with(const char *lines, const char *more, struct err *err)
{
	bool root = lines_set(lines, "initrd") || lines_set(more, "initrd");
	auto_free char *text = xasprintf("[hypervisor.clh]\n%s\n%s\n%s\n", lines, more,
					 root ? "" : "initrd = \"/k/initrd\"");

	return config_of(text, err);
}

static void add(struct str *out, struct json_object *body)
{
	str_printf(out, "\n%s",
		   json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN |
								JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(body);
}

/* The arguments between bars, and all bodies. */
static char *outcome(const char *lines, const char *more)
{
	struct str out = STR_INIT;
	auto_strv struct strv argv = { 0 };
	struct err err = ERR_INIT;
	struct config *c = config_with(lines, more, &err);

	if (!c || clh_keys_check(c, &err) < 0) {
		config_free(c);
		return key_error(&err);
	}
	struct vm_spec spec = spec_for(c);

	clh_args(c, 7, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(&out, "%s|", argv.v[i]);
	add(&out, clh_body_vm(&spec, UINT64_C(64) << 20));
	add(&out, clh_body_disk(c, &disk));
	add(&out, clh_body_net(c, &net));
	config_free(c);
	return str_take(&out);
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_CLH, false);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "clh", outcome);
}

/* Keys of other hypervisors that somebody may count on. */
static void foreign_keys_are_refused(void **state)
{
	static const char *const lines[] = {
		"enable_virtio_mem = true",
		"ctlpath = \"/x\"",
		"file_mem_backend = \"/dev/shm\"",
		"kernel_verity_params = \"root_hash=ab\"",
		"confidential_guest = true",
		"sev_snp_guest = true",
		"enable_numa = true",
		"pcie_root_port = 1",
		"enable_vhost_user_store = true",
		"block_device_cache_noflush = true",
		"rx_rate_limiter_max_rate = 8",
		"tx_rate_limiter_max_rate = 8",
		"guest_memory_dump_path = \"/x\"",
	};

	(void)state;
	lines_are_refused(lines, ARRAY_SIZE(lines), "clh", "", outcome);
}

static void bad_values_are_named(void **state)
{
	static const struct bad_lines cases[] = {
		{ "default_memory = 32", "error -22: hypervisor.clh.default_memory: 32 MiB" },
		{ "default_memory = 512\ndefault_maxmemory = 256", "256 MiB are less than" },
		{ "default_vcpus = 255", "error -22: hypervisor.clh.default_vcpus: 255 are" },
		{ "queue_size = 100", "hypervisor.clh.queue_size: 100 is no power of two" },
		{ "disk_rate_limiter_bw_max_rate = 7", "disk_rate_limiter_bw_max_rate: 7 bit/s" },
		{ "net_rate_limiter_ops_one_time_burst = 7",
		  "net_rate_limiter_ops_one_time_burst: there is no "
		  "net_rate_limiter_ops_max_rate" },
		{ "shared_fs = \"virtio-9p\"",
		  "hypervisor.clh.shared_fs: \"virtio-9p\" is not supported (\"virtio-fs\", "
		  "\"none\")" },
		{ "vm_rootfs_driver = \"virtio-scsi\"", "clh.vm_rootfs_driver: \"virtio-scsi\"" },
	};

	(void)state;
	bad_lines_are_named(cases, ARRAY_SIZE(cases), outcome);
}

/* What is installed asks for nothing that is refused. */
static void the_shipped_file_is_accepted(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_load(CONFIG_DIR "/configuration-clh.toml", &err);

	(void)state;
	if (!c || clh_keys_check(c, &err) < 0)
		fail_msg("%s", err_msg(&err));
	assert_int_equal(c->warnings.n, 0);
	config_free(c);
}

static void whole_machines(void **state)
{
	static const struct {
		const char *name, *lines;
		uint64_t image_mib;
	} cases[] = {
		{ "clh/vm-initrd.json", "default_memory = 256", 0 },
		{ "clh/vm-image.json",
		  IMAGE "\nrootfs_type = \"erofs\"\nshared_fs = \"none\"\n"
			"default_maxmemory = 2048\nmemory_slots = 0\n"
			"disk_rate_limiter_bw_max_rate = 8000000\n"
			"disk_rate_limiter_bw_one_time_burst = 800\n"
			"disk_rate_limiter_ops_max_rate = 100\ndisable_guest_selinux = false",
		  10 },
		{ "clh/vm-pmem.json",
		  IMAGE "\ndisable_image_nvdimm = false\nenable_hugepages = true\n"
			"enable_mem_prealloc = true\nreclaim_guest_freed_memory = true\n"
			"disable_nested_virtualization = true\nenable_debug = true",
		  64 },
		/* It does not fill the pages of persistent memory. */
		{ "clh/vm-odd-image.json", IMAGE "\nvm_rootfs_driver = \"virtio-pmem\"", 33 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct config *c = config_with(cases[i].lines, "", &err);

		if (!c)
			fail_msg("%s", err_msg(&err));
		struct vm_spec spec = spec_for(c);

		golden_json(cases[i].name, clh_body_vm(&spec, cases[i].image_mib << 20));
		config_free(c);
	}
}

static void devices_and_arguments(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_with("enable_debug = true\ndisable_seccomp = true",
				       "net_rate_limiter_bw_max_rate = 80000", &err);
	auto_strv struct strv argv = { 0 };
	struct vm_dev ro = { .id = "disk1", .disk = { .path = "/d1", .read_only = true } };

	(void)state;
	assert_non_null(c);
	clh_args(c, 7, &argv);
	golden_words("clh/args", &argv);
	golden_json("clh/disk.json", clh_body_disk(c, &disk));
	golden_json("clh/disk-read-only.json", clh_body_disk(c, &ro));
	golden_json("clh/net.json", clh_body_net(c, &net));
	golden_json("clh/vcpus.json", clh_body_vcpus(3));
	golden_json("clh/memory.json", clh_body_memory(384));
	golden_json("clh/remove.json", clh_body_id("disk0"));
	config_free(c);
}

static void places_are_slots(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"bdf\":6}",
		"{\"bdf\":\"0000:00:06\"}",
		"{\"bdf\":\"0001:00:06.0\"}",
		"{\"bdf\":\"0000:01:06.0\"}",
		"{\"bdf\":\"0000:00:20.0\"}",
		"{\"bdf\":\"0000:00:06.0x\"}",
	};
	struct json_object *o = json_tokener_parse("{\"id\":\"x\",\"bdf\":\"0000:00:1f.0\"}");
	struct vm_place place;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(clh_place(o, &place, &err), 0);
	assert_int_equal(place.type, VM_PLACE_PCI);
	assert_string_equal(place.at, "1f");
	json_object_put(o);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		o = json_tokener_parse(bad[i]);
		assert_int_equal(clh_place(o, &place, &err), -EPROTO);
		json_object_put(o);
	}
	assert_int_equal(clh_place(NULL, &place, &err), -EPROTO);
}

static void what_it_can_do(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_with("shared_fs = \"none\"\nmemory_slots = 0", "", &err);
	const unsigned less = HV_CAP_FS_SHARE | HV_CAP_MEM_HOTPLUG;

	(void)state;
	assert_int_equal(clh_keys_caps(c) & less, 0);
	config_free(c);
	c = config_with("memory_slots = 100", "", &err);
	assert_int_equal(clh_keys_caps(c) & less, less);
	assert_int_equal(clh_memory_slots(c), CLH_MEMORY_SLOTS);
	config_free(c);
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
		cmocka_unit_test(devices_and_arguments),
		cmocka_unit_test(places_are_slots),
		cmocka_unit_test(what_it_can_do),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("clh keys", tests, NULL, NULL);
}
