/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of [hypervisor.acrn], so that none is forgotten, and whole command lines for a
 * matrix of configurations.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "host/hypervisor/acrn/args.h"
#include "tests/unit/hypervisor/golden.h"

static const struct key_row keys[] = {
	{ "path", "\"/a/crn\"", CHANGES, "/a/crn|-A|", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "ctlpath", "\"/c/tl\"", CHANGES, "|/c/tl|blkrescan|", NULL },
	{ "valid_ctlpaths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", CHANGES, "|-k|/k/other|", NULL },
	{ "image", "\"/i\"", CHANGES, "|4,virtio-blk,/i,ro|", NULL },
	{ "rootfs_type", "\"erofs\"", CHANGES, " root=/dev/vda1 rootfstype=erofs ro ", NULL },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c|", NULL },
	{ "firmware", "\"/x\"", REFUSED, "firmware", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	/* Whatever the host is, it is ACRN that is looked for. */
	{ "disable_nesting_checks", "true", ABOVE, "acrn_hsm_check", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_maxvcpus", "3", CHANGES, " maxcpus=3 ", "default_vcpus = 7" },
	{ "default_memory", "300", CHANGES, "|-m|300M|", NULL },

	{ "block_device_driver", "\"virtio-scsi\"", REFUSED, "virtio-blk", NULL },
	{ "disable_vhost_net", "true", REMOVES, "|14,virtio-net,tap=tap0,vhost,mac=", NULL },
	{ "default_bridges", "2", REFUSED, "one PCI bus", NULL },

	{ "enable_debug", "true", REMOVES, " quiet ", NULL },
};

/*
 * Keys of other hypervisors: in a file they are told as a warning, an annotation may have them
 * as well. What somebody counts on is refused; what only says how another program does
 * something is not.
 */
static const struct key_row foreign[] = {
	{ "initrd", "\"/x\"", REFUSED, "image", "image = \"\"" },
	{ "machine_type", "\"q35\"", REFUSED, "one type", NULL },
	{ "disable_guest_selinux", "false", REFUSED, "SELinux", NULL },
	{ "default_vcpus", "2", ABOVE, "size_boot()", NULL },
	{ "default_maxmemory", "5000", MOOT, "no memory is added", NULL },
	{ "memory_slots", "3", REFUSED, "keeps the memory", NULL },
	{ "memory_offset", "100", REFUSED, "keeps the memory", NULL },
	{ "enable_hugepages", "true", REFUSED, "hypervisor's to give", NULL },
	{ "enable_iommu", "true", REFUSED, "IOMMU", NULL },
	{ "shared_fs", "\"virtio-fs\"", REFUSED, "no files are shared", NULL },
	{ "virtio_fs_daemon", "\"/x\"", MOOT, "shared_fs", NULL },
	{ "valid_virtio_fs_daemon_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "virtio_fs_cache", "\"never\"", MOOT, "shared_fs", NULL },
	{ "virtio_fs_cache_size", "64", REFUSED, "no files are shared", NULL },
	{ "virtio_fs_extra_args", "[\"-d\"]", MOOT, "shared_fs", NULL },
	{ "disable_block_device_use", "true", ABOVE, "the sandbox", NULL },
	{ "block_device_cache_set", "true", MOOT, "block_device_cache_direct", NULL },
	{ "block_device_cache_direct", "true", REFUSED, "page cache", NULL },
	{ "block_device_cache_noflush", "true", REFUSED, "flushed", NULL },
	{ "block_device_logical_sector_size", "4096", REFUSED, "512", NULL },
	{ "block_device_physical_sector_size", "4096", REFUSED, "512", NULL },
	{ "entropy_source", "\"/dev/hwrng\"", REFUSED, "random numbers", NULL },
	{ "jailer_path", "\"/x\"", MOOT, "there is none", NULL },
	{ "valid_jailer_paths", "[\"/x\"]", MOOT, "jailer_path", NULL },
	{ "firmware_volume", "\"/x\"", REFUSED, "firmware", NULL },
	{ "pflashes", "[\"/x\"]", REFUSED, "firmware", NULL },
	{ "kernel_verity_params", "\"root_hash=ab\"", REFUSED, "block by block", NULL },
	{ "machine_accelerators", "\"kvm\"", REFUSED, "ACRN", NULL },
	{ "cpu_features", "\"pmu=off\"", REFUSED, "processors", NULL },
	{ "seccompsandbox", "\"on\"", MOOT, "it has filters of its own", NULL },
	{ "rootless", "true", REFUSED, "user", NULL },
	{ "disable_seccomp", "true", MOOT, "it has filters of its own", NULL },
	{ "confidential_guest", "true", REFUSED, "memory", NULL },
	{ "sev_snp_guest", "true", REFUSED, "memory", NULL },
	{ "snp_id_block", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_id_auth", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_guest_policy", "1", MOOT, "sev_snp_guest", NULL },
	{ "tdx_quote_generation_service_socket_port", "1", MOOT, "confidential_guest", NULL },
	{ "disable_nested_virtualization", "true", REFUSED, "no virtualization", NULL },

	{ "overhead_vcpus", "0.5", ABOVE, "size_boot()", NULL },
	{ "overhead_memory", "64", ABOVE, "size_boot()", NULL },
	{ "enable_virtio_mem", "true", REFUSED, "keeps the memory", NULL },
	{ "enable_mem_prealloc", "true", REFUSED, "hypervisor's to give", NULL },
	{ "file_mem_backend", "\"/x\"", REFUSED, "hypervisor's to give", NULL },
	{ "valid_file_mem_backends", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "enable_guest_swap", "true", REFUSED, "swap", NULL },
	{ "guest_swap_path", "\"/x\"", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_size_percent", "1", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_create_threshold_secs", "1", MOOT, "enable_guest_swap", NULL },
	{ "reclaim_guest_freed_memory", "true", REFUSED, "hypervisor's to give", NULL },
	{ "enable_numa", "true", REFUSED, "NUMA", NULL },
	{ "numa_mapping", "[\"0\"]", REFUSED, "NUMA", NULL },
	{ "enable_iommu_platform", "true", REFUSED, "IOMMU", NULL },

	{ "virtio_fs_queue_size", "512", MOOT, "no files are shared", NULL },
	{ "msize_9p", "1", MOOT, "virtio-9p", NULL },

	{ "block_device_aio", "\"threads\"", MOOT, "the device model chooses itself", NULL },
	{ "enable_iothreads", "true", REFUSED, "itself", NULL },
	{ "indep_iothreads", "2", REFUSED, "itself", NULL },
	{ "queue_size", "64", REFUSED, "fixed length", NULL },
	{ "num_queues", "2", REFUSED, "one queue", NULL },
	{ "vm_rootfs_driver", "\"virtio-pmem\"", REFUSED, "virtio-blk", NULL },
	{ "disable_image_nvdimm", "true", MOOT, "it is so always", NULL },
	{ "enable_vhost_user_store", "true", REFUSED, "itself", NULL },
	{ "vhost_user_store_path", "\"/x\"", MOOT, "enable_vhost_user_store", NULL },
	{ "valid_vhost_user_store_paths", "[\"/x\"]", MOOT, "enable_vhost_user_store", NULL },
	{ "vhost_user_reconnect_timeout_sec", "1", MOOT, "enable_vhost_user_store", NULL },
	{ "disk_rate_limiter_bw_max_rate", "80", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_bw_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_ops_max_rate", "50", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_ops_one_time_burst", "1", REFUSED, "limits", NULL },

	{ "network_queues", "2", REFUSED, "one queue", NULL },
	{ "rx_rate_limiter_max_rate", "1", REFUSED, "limits", NULL },
	{ "tx_rate_limiter_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_bw_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_bw_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_ops_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_ops_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "hot_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "cold_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "pcie_root_port", "2", REFUSED, "no ports", NULL },
	{ "pcie_switch_port", "1", REFUSED, "no ports", NULL },
	{ "valid_entropy_sources", "[\"/x\"]", ABOVE, "annotations", NULL },

	{ "hypervisor_loglevel", "3", MOOT, "enable_debug", NULL },
	{ "log_level", "\"debug\"", MOOT, "enable_debug", NULL },
	{ "extra_monitor_socket", "\"qmp\"", REFUSED, "no such socket", NULL },
	{ "use_legacy_serial", "true", REFUSED, "virtio device", NULL },
	{ "guest_memory_dump_path", "\"/x\"", REFUSED, "panics", NULL },
	{ "guest_memory_dump_paging", "true", MOOT, "guest_memory_dump_path", NULL },
};

static const struct vm_dev net = { .type = VM_DEV_NET,
				   .id = "net0",
				   .net = { .tap = "tap0", .mac = { 2, 0, 0xab, 0, 0, 1 } } };

/* The configuration with @lines and @more, or NULL and @err. */
static struct config *configure(const char *lines, const char *more, struct err *err)
{
	auto_str struct str text = STR_INIT;

	str_printf(&text, "[hypervisor.acrn]\n%s\n%s\n", lines, more);
	if (!lines_set(str_text(&text), "kernel"))
		str_puts(&text, "kernel = \"/k/bzImage\"\n");
	if (!lines_set(str_text(&text), "image"))
		str_puts(&text, "image = \"/k/image\"\n");
	return config_of(str_text(&text), err);
}

static const unsigned ids[] = { 0, 2, 4, 6 };

/* Both command lines, joined by bars. */
static char *outcome(const char *lines, const char *more)
{
	static const struct vm_dev disk = { .type = VM_DEV_DISK,
					    .id = "d",
					    .disk = { "/d", true } };
	struct err err = ERR_INIT;
	struct config *config = configure(lines, more, &err);
	struct vm_spec spec = { .id = "x", .nets = &net, .n_nets = 1 };
	struct acrn_facts facts = {
		.cid = 42, .apic_ids = ids, .n_apic_ids = 1, .vhost_net = true
	};
	auto_strv struct strv argv = { 0 };
	struct str line = STR_INIT;

	if (!config)
		return key_error(&err);
	if (acrn_keys_check(config, &err) < 0) {
		config_free(config);
		return key_error(&err);
	}
	spec.config = config;
	spec.size = size_for(config, false, false);
	acrn_args(&spec, &facts, &argv);
	acrn_fill_args(&spec, 0, &disk, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(&line, "%s|", argv.v[i]);
	config_free(config);
	return str_take(&line);
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_ACRN, false);
	keys_are_complete(foreign, ARRAY_SIZE(foreign), HV_ACRN, true);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "acrn", outcome);
	keys_have_effect(foreign, ARRAY_SIZE(foreign), "acrn", outcome);
}

static void what_is_shipped_is_accepted(void **state)
{
	struct err err = ERR_INIT;
	struct config *config = config_load(CONFIG_DIR "/configuration-acrn.toml", &err);

	(void)state;
	if (!config || acrn_keys_check(config, &err) < 0)
		fail_msg("%s", err_msg(&err));
	config_free(config);
}

static void command_lines(void **state)
{
	static const struct {
		const char *name, *lines, *id;
		size_t cpus;
		bool devices;
	} cases[] = {
		{ "plain", "", "box", 1, false },
		{ "debug", "enable_debug = true\nrootfs_type = \"erofs\"", "box", 1, false },
		{ "devices", "", "0123456789ab", 1, true },
		{ "without-vhost", "disable_vhost_net = true", "box", 1, true },
		{ "four", "default_maxvcpus = 4\ndefault_memory = 4096\nkernel_params = \"a=1 b\"",
		  "box", 4, false },
	};
	static const struct vm_dev disks[] = {
		{ .type = VM_DEV_DISK, .id = "d0", .disk = { "/dev/x", false } },
		{ .type = VM_DEV_DISK, .id = "d1", .disk = { "/img", true } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct config *config = configure(cases[i].lines, "", &err);
		auto_free char *name = xasprintf("acrn/%s.args", cases[i].name);
		auto_strv struct strv argv = { 0 };
		struct vm_spec spec = { .id = cases[i].id,
					.config = config,
					.size = size_for(config, false, false),
					.kernel_params = "agent.x=1" };
		struct acrn_facts facts = {
			.cid = 42, .apic_ids = ids, .n_apic_ids = cases[i].cpus, .vhost_net = true
		};

		spec.size.vcpus = (unsigned)cases[i].cpus;
		if (cases[i].devices) {
			spec.disks = disks;
			spec.n_disks = ARRAY_SIZE(disks);
			spec.nets = &net;
			spec.n_nets = 1;
		}
		assert_int_equal(acrn_spec_check(&spec, &err), 0);
		acrn_args(&spec, &facts, &argv);
		acrn_fill_args(&spec, 7, &disks[i % 2], &argv);
		golden_words(name, &argv);
		config_free(config);
	}
}

static void what_cannot_be_built_is_said(void **state)
{
	struct vm_dev disks[20] = { { .id = "a", .disk = { "/a", false } } };
	auto_free char *longer = xasprintf("a=%02100d", 1);
	struct err err = ERR_INIT;
	struct config *config = configure("", "", &err);
	struct vm_spec spec = { .id = "x", .config = config, .disks = disks, .n_disks = 1 };

	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(disks); i++)
		disks[i] = disks[0];
	assert_int_equal(acrn_spec_check(&spec, &err), 0);
	spec.n_disks = ARRAY_SIZE(disks);
	assert_int_equal(acrn_spec_check(&spec, &err), -ENOSPC);
	assert_non_null(strstr(err_msg(&err), "at most 18 of both"));
	spec.n_disks = 1;
	disks[0].disk.path = "/a,b";
	assert_int_equal(acrn_spec_check(&spec, &err), -EINVAL);
	disks[0].disk.path = "/nodisk";
	assert_int_equal(acrn_spec_check(&spec, &err), -EINVAL);
	disks[0].disk.path = "/a";
	spec.kernel_params = longer;
	assert_int_equal(acrn_spec_check(&spec, &err), -E2BIG);
	config_free(config);
}

static void names_are_short_and_differ(void **state)
{
	char a[ACRN_NAME_MAX + 1], b[ACRN_NAME_MAX + 1];

	(void)state;
	acrn_name("box", a);
	assert_string_equal(a, "sbx-box");
	acrn_name("12345678901", a);
	assert_string_equal(a, "sbx-12345678901");
	acrn_name("123456789012", a);
	acrn_name("123456789013", b);
	assert_int_equal(strlen(a), ACRN_NAME_MAX);
	assert_string_not_equal(a, b);
}

static bool is_odd(unsigned cpu, void *arg)
{
	(void)arg;
	return cpu % 2;
}

static void processors_have_apic_ids(void **state)
{
	static const char cpuinfo[] = "processor\t: 0\nmodel name\t: x\napicid\t\t: 10\n"
				      "initial apicid\t: 99\n\n"
				      "processor\t: 1\napicid\t\t: 12\ninitial apicid\t: 99\n\n"
				      "processor\t: 3\napicid\t\t: 14\n";
	unsigned found[4] = { 0 };

	(void)state;
	assert_int_equal(acrn_apic_ids(cpuinfo, is_odd, NULL, found, 4), 2);
	assert_int_equal(found[0], 12);
	assert_int_equal(found[1], 14);
	assert_int_equal(acrn_apic_ids(cpuinfo, is_odd, NULL, found, 1), 1);
	assert_int_equal(acrn_apic_ids("", is_odd, NULL, found, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_its_place),
		cmocka_unit_test(every_key_does_what_it_says),
		cmocka_unit_test(what_is_shipped_is_accepted),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(what_cannot_be_built_is_said),
		cmocka_unit_test(names_are_short_and_differ),
		cmocka_unit_test(processors_have_apic_ids),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("acrn keys", tests, NULL, NULL);
}
