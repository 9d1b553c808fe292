/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of [hypervisor.stratovirt], so that none is forgotten, and whole command lines for
 * a matrix of configurations.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "host/hypervisor/stratovirt/args.h"
#include "tests/unit/hypervisor/golden.h"

#define IMAGE "image = \"/i\"\ninitrd = \"\""

static const struct key_row keys[] = {
	{ "path", "\"/s/virt\"", CHANGES, "/s/virt|-name|", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", CHANGES, "|-kernel|/k/other|", NULL },
	{ "initrd", "\"/k/other\"", CHANGES, "|-initrd|/k/other|", NULL },
	{ "image", "\"/i\"", CHANGES, "|id=rootfs,file=/i,readonly=on,direct=off|",
	  "initrd = \"\"" },
	{ "rootfs_type", "\"erofs\"", CHANGES, " root=/dev/vda1 ro rootfstype=erofs ", IMAGE },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c|", NULL },
	{ "machine_type", "\"q35\"", REFUSED, "microvm", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	{ "disable_guest_selinux", "false", CHANGES, " selinux=1", NULL },
	/* KVM is measured, on every host. */
	{ "disable_nesting_checks", "true", ABOVE, "kvm_probe", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_vcpus", "2", CHANGES, "|-smp|2|", NULL },
	{ "default_maxvcpus", "3", CHANGES, "|-smp|3|", "default_vcpus = 7" },
	{ "default_memory", "300", CHANGES, "|-m|300M|", NULL },
	{ "default_maxmemory", "5000", MOOT, "no memory is added", NULL },
	{ "memory_slots", "3", REFUSED, "keeps the memory", NULL },
	{ "memory_offset", "100", REFUSED, "keeps the memory", NULL },
	{ "enable_hugepages", "true", CHANGES, "|-mem-path|/dev/hugepages|", NULL },
	{ "enable_iommu", "true", REFUSED, "IOMMU", NULL },

	{ "shared_fs", "\"none\"", REMOVES, "mem-share=on", NULL },
	{ "virtio_fs_daemon", "\"/x\"", ABOVE, "virtiofsd", NULL },
	{ "valid_virtio_fs_daemon_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "virtio_fs_cache", "\"never\"", ABOVE, "virtiofsd", NULL },
	{ "virtio_fs_cache_size", "64", REFUSED, "cannot map", NULL },
	{ "virtio_fs_extra_args", "[\"-d\"]", ABOVE, "virtiofsd", NULL },

	{ "block_device_driver", "\"virtio-scsi\"", REFUSED, "virtio-mmio", NULL },
	{ "disable_block_device_use", "false", ABOVE, "the sandbox", NULL },
	{ "block_device_cache_set", "true", CHANGES, ",direct=on|",
	  IMAGE "\nblock_device_cache_direct = true" },
	{ "block_device_cache_direct", "true", CHANGES, ",direct=on|",
	  IMAGE "\nblock_device_cache_set = true" },
	{ "block_device_cache_noflush", "true", REFUSED, "flushed", NULL },
	{ "block_device_logical_sector_size", "4096", REFUSED, "512", NULL },
	{ "block_device_physical_sector_size", "4096", REFUSED, "512", NULL },

	{ "default_bridges", "2", REFUSED, "PCI", NULL },
	{ "entropy_source", "\"/dev/hwrng\"", CHANGES, "|rng-random,id=rng,filename=/dev/hwrng|",
	  NULL },

	{ "enable_debug", "true", REMOVES, " quiet ", NULL },
};

/*
 * Keys of other hypervisors: in a file they are told as a warning, an annotation may have them
 * as well. What somebody counts on is refused; what only says how another program does
 * something is not.
 */
static const struct key_row foreign[] = {
	{ "ctlpath", "\"/x\"", REFUSED, "no other program", NULL },
	{ "valid_ctlpaths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "jailer_path", "\"/x\"", MOOT, "there is none", NULL },
	{ "valid_jailer_paths", "[\"/x\"]", MOOT, "jailer_path", NULL },
	{ "firmware", "\"/x\"", REFUSED, "firmware", NULL },
	{ "firmware_volume", "\"/x\"", REFUSED, "firmware", NULL },
	{ "pflashes", "[\"/x\"]", REFUSED, "firmware", NULL },
	{ "kernel_verity_params", "\"root_hash=ab\"", REFUSED, "block by block", NULL },
	{ "machine_accelerators", "\"kvm\"", REFUSED, "KVM", NULL },
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
	{ "disable_nested_virtualization", "true", REFUSED, "KVM", NULL },

	{ "overhead_vcpus", "0.5", ABOVE, "size_boot()", NULL },
	{ "overhead_memory", "64", ABOVE, "size_boot()", NULL },
	{ "enable_virtio_mem", "true", REFUSED, "keeps the memory", NULL },
	{ "enable_mem_prealloc", "true", REFUSED, "touched", NULL },
	{ "file_mem_backend", "\"/x\"", REFUSED, "no file system", NULL },
	{ "valid_file_mem_backends", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "enable_guest_swap", "true", REFUSED, "swap", NULL },
	{ "guest_swap_path", "\"/x\"", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_size_percent", "1", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_create_threshold_secs", "1", MOOT, "enable_guest_swap", NULL },
	{ "reclaim_guest_freed_memory", "true", REFUSED, "balloon", NULL },
	{ "enable_numa", "true", REFUSED, "NUMA", NULL },
	{ "numa_mapping", "[\"0\"]", REFUSED, "NUMA", NULL },
	{ "enable_iommu_platform", "true", REFUSED, "IOMMU", NULL },

	{ "virtio_fs_queue_size", "512", REFUSED, "fixed length", NULL },
	{ "msize_9p", "1", MOOT, "virtio-9p", NULL },

	{ "block_device_aio", "\"threads\"", MOOT, "block_device_cache_direct", NULL },
	{ "enable_iothreads", "true", REFUSED, "thread", NULL },
	{ "indep_iothreads", "2", REFUSED, "thread", NULL },
	{ "queue_size", "64", REFUSED, "fixed length", NULL },
	{ "num_queues", "2", REFUSED, "one queue", NULL },
	{ "vm_rootfs_driver", "\"virtio-pmem\"", REFUSED, "virtio-blk-mmio", NULL },
	{ "disable_image_nvdimm", "true", MOOT, "it is so always", NULL },
	{ "enable_vhost_user_store", "true", REFUSED, "itself", NULL },
	{ "vhost_user_store_path", "\"/x\"", MOOT, "enable_vhost_user_store", NULL },
	{ "valid_vhost_user_store_paths", "[\"/x\"]", MOOT, "enable_vhost_user_store", NULL },
	{ "vhost_user_reconnect_timeout_sec", "1", MOOT, "enable_vhost_user_store", NULL },
	{ "disk_rate_limiter_bw_max_rate", "80", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_bw_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_ops_max_rate", "50", REFUSED, "limits", NULL },
	{ "disk_rate_limiter_ops_one_time_burst", "1", REFUSED, "limits", NULL },

	{ "disable_vhost_net", "true", MOOT, "it is so always", NULL },
	{ "network_queues", "2", REFUSED, "one queue", NULL },
	{ "rx_rate_limiter_max_rate", "1", REFUSED, "limits", NULL },
	{ "tx_rate_limiter_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_bw_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_bw_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_ops_max_rate", "1", REFUSED, "limits", NULL },
	{ "net_rate_limiter_ops_one_time_burst", "1", REFUSED, "limits", NULL },
	{ "hot_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "cold_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "pcie_root_port", "2", REFUSED, "PCI", NULL },
	{ "pcie_switch_port", "1", REFUSED, "PCI", NULL },
	{ "valid_entropy_sources", "[\"/x\"]", ABOVE, "annotations", NULL },

	{ "hypervisor_loglevel", "3", MOOT, "enable_debug", NULL },
	{ "log_level", "\"debug\"", MOOT, "enable_debug", NULL },
	{ "extra_monitor_socket", "\"qmp\"", REFUSED, "control socket", NULL },
	{ "use_legacy_serial", "true", REFUSED, "virtio device", NULL },
	{ "guest_memory_dump_path", "\"/x\"", REFUSED, "panics", NULL },
	{ "guest_memory_dump_paging", "true", MOOT, "guest_memory_dump_path", NULL },
};

/* The configuration with @lines and @more, or NULL and @err. */
static struct config *configure(const char *lines, const char *more, struct err *err)
{
	auto_str struct str text = STR_INIT;

	str_printf(&text, "[hypervisor.stratovirt]\n%s\n%s\n", lines, more);
	if (!lines_set(str_text(&text), "kernel"))
		str_puts(&text, "kernel = \"/k/vmlinux\"\n");
	if (!lines_set(str_text(&text), "initrd"))
		str_puts(&text, "initrd = \"/k/initrd\"\n");
	return config_of(str_text(&text), err);
}

/* Joined by bars, one in front and one behind. */
static char *outcome(const char *lines, const char *more)
{
	struct err err = ERR_INIT;
	struct config *config = configure(lines, more, &err);
	struct vm_spec spec = { .id = "x", .run_dir = "/run/x", .share_tag = "tag" };
	struct stratovirt_facts facts = { .cid = 42, .vsock_fd = 5 };
	auto_strv struct strv argv = { 0 };
	struct str line = STR_INIT;

	if (!config)
		return key_error(&err);
	if (stratovirt_keys_check(config, &err) < 0) {
		config_free(config);
		return key_error(&err);
	}
	spec.config = config;
	spec.size = size_for(config, false, false);
	facts.share = stratovirt_keys_caps(config) & HV_CAP_FS_SHARE;
	stratovirt_args(&spec, &facts, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(&line, "%s|", argv.v[i]);
	config_free(config);
	return str_take(&line);
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_STRATOVIRT, false);
	keys_are_complete(foreign, ARRAY_SIZE(foreign), HV_STRATOVIRT, true);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "stratovirt", outcome);
	keys_have_effect(foreign, ARRAY_SIZE(foreign), "stratovirt", outcome);
}

static void bad_values_are_named(void **state)
{
	static const struct bad_lines cases[] = {
		{ "default_memory = 100", "default_memory: 100 MiB are not enough" },
		{ "default_vcpus = 300", "default_vcpus: 300 are too many" },
		{ "shared_fs = \"virtio-9p\"", "shared_fs: \"virtio-9p\" is not supported" },
	};

	(void)state;
	bad_lines_are_named(cases, ARRAY_SIZE(cases), outcome);
}

/* The file that is installed, and Kata's own defaults. */
static void what_is_shipped_is_accepted(void **state)
{
	struct err err = ERR_INIT;
	struct config *config = config_load(CONFIG_DIR "/configuration-stratovirt.toml", &err);

	(void)state;
	if (!config || stratovirt_keys_check(config, &err) < 0 ||
	    config_supported(config, &err) < 0)
		fail_msg("%s", err_msg(&err));
	config_free(config);
}

/* ---- command lines, whole -------------------------------------------------------------- */

static void command_lines(void **state)
{
	static const struct {
		const char *name, *lines;
		bool share, devices;
	} cases[] = {
		{ "initrd", "", false, false },
		{ "initrd-shared", "", true, false },
		{ "image-shared", IMAGE "\nrootfs_type = \"erofs\"", true, false },
		{ "image-debug", IMAGE "\nenable_debug = true", false, false },
		{ "devices",
		  IMAGE "\nblock_device_cache_set = true\nblock_device_cache_direct = true", true,
		  true },
		{ "large",
		  "default_vcpus = 4\ndefault_memory = 4096\nenable_hugepages = true\n"
		  "kernel_params = \"a=1 b\"\nentropy_source = \"\"",
		  false, false },
	};
	const int tap = 7;
	const struct vm_dev disks[] = {
		{ .type = VM_DEV_DISK, .id = "d0", .disk = { "/dev/x", false } },
		{ .type = VM_DEV_DISK, .id = "d1", .disk = { "/img", true } },
	};
	const struct vm_dev net = {
		.type = VM_DEV_NET,
		.id = "net0",
		.net = { .tap = "tap0", .fds = &tap, .n_fds = 1, .mac = { 2, 0, 0xab, 0, 0, 1 } }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct config *config = configure(cases[i].lines, "", &err);
		auto_free char *name = xasprintf("stratovirt/%s.args", cases[i].name);
		auto_strv struct strv argv = { 0 };
		struct vm_spec spec = { .id = "box",
					.run_dir = "/run/vc/vm/box",
					.config = config,
					.size = size_for(config, false, false),
					.share_tag = "kataShared",
					.kernel_params = "agent.x=1" };
		struct stratovirt_facts facts = { .cid = 42,
						  .vsock_fd = 5,
						  .share = cases[i].share };

		if (cases[i].devices) {
			spec.disks = disks;
			spec.n_disks = ARRAY_SIZE(disks);
			spec.nets = &net;
			spec.n_nets = 1;
		}
		assert_int_equal(stratovirt_spec_check(&spec, &err), 0);
		stratovirt_args(&spec, &facts, &argv);
		golden_words(name, &argv);
		config_free(config);
	}
}

static void commands(void **state)
{
	const struct vm_dev dev = { .type = VM_DEV_DISK, .id = "d0", .disk = { "/dev/x", true } };
	struct err err = ERR_INIT;
	struct config *config = configure("", "", &err);

	(void)state;
	golden_json("stratovirt/blockdev-add.json",
		    stratovirt_node(&config->hypervisor, &dev, true));
	config->hypervisor.block_device_cache_set = true;
	config->hypervisor.block_device_cache_direct = true;
	golden_json("stratovirt/blockdev-add-direct.json",
		    stratovirt_node(&config->hypervisor, &dev, false));
	golden_json("stratovirt/device-add.json", stratovirt_device("d0", 2));
	config_free(config);
}

static void what_cannot_be_built_is_said(void **state)
{
	static const struct vm_dev disks[4] = { { .id = "a", .disk = { "/a", false } },
						{ .id = "b", .disk = { "/b", false } },
						{ .id = "c", .disk = { "/c", false } },
						{ .id = "d", .disk = { "/d", false } } };
	static const struct vm_dev comma = { .id = "a", .disk = { "/a,b", false } };
	struct err err = ERR_INIT;
	struct config *config = configure(IMAGE, "", &err);
	struct vm_spec spec = {
		.id = "x", .run_dir = "/run/x", .config = config, .disks = disks, .n_disks = 3
	};
	auto_free char *longer = xasprintf("/run/vc/vm/%0100d", 1);

	(void)state;
	assert_int_equal(stratovirt_spec_check(&spec, &err), 0);
	spec.n_disks = 4;
	assert_int_equal(stratovirt_spec_check(&spec, &err), -ENOSPC);
	assert_string_equal(err_msg(&err),
			    "5 disks are too many, a machine of StratoVirt has at most 4");
	spec.n_disks = 0;
	spec.n_nets = 3;
	assert_int_equal(stratovirt_spec_check(&spec, &err), -ENOSPC);
	spec.n_nets = 0;
	spec.disks = &comma;
	spec.n_disks = 1;
	assert_int_equal(stratovirt_spec_check(&spec, &err), -EINVAL);
	assert_non_null(strstr(err_msg(&err), "disk /a,b: "));
	spec.n_disks = 0;
	spec.run_dir = longer;
	assert_int_equal(stratovirt_spec_check(&spec, &err), -ENAMETOOLONG);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_its_place),
		cmocka_unit_test(every_key_does_what_it_says),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(what_is_shipped_is_accepted),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(commands),
		cmocka_unit_test(what_cannot_be_built_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("stratovirt keys", tests, NULL, NULL);
}
