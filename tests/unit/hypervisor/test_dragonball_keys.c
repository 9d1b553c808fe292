/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of [hypervisor.dragonball], so that none is forgotten: a value that is not its
 * default changes the monitor's command line, or is refused with a sentence that names
 * it, or is somebody else's to heed.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include "host/hypervisor/dragonball/args.h"

#define IMAGE "image = \"/i\"\ninitrd = \"\""

static const struct key_row keys[] = {
	{ "path", "\"/v/mm\"", ABOVE, "dragonball_program()", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "ctlpath", "\"/x\"", REFUSED, "no other program", NULL },
	{ "valid_ctlpaths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", ABOVE, "it is opened", NULL },
	{ "initrd", "\"/k/other\"", ABOVE, "it is opened", NULL },
	{ "image", "\"/i\"", CHANGES, " root=/dev/vda1 rootflags=", "initrd = \"\"" },
	{ "rootfs_type", "\"erofs\"", CHANGES, " root=/dev/vda1 ro rootfstype=erofs ", IMAGE },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c|", NULL },
	{ "firmware", "\"/x\"", REFUSED, "firmware", NULL },
	{ "disable_seccomp", "true", CHANGES, "|--no-seccomp|", NULL },
	/* KVM is measured, on every host. */
	{ "disable_nesting_checks", "true", ABOVE, "kvm_probe", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_vcpus", "2", CHANGES, "|--cpus|2|", NULL },
	{ "default_maxvcpus", "3", CHANGES, "|--cpus|3|", "default_vcpus = 7" },
	{ "default_memory", "300", CHANGES, "|--memory|300|", NULL },
	{ "default_maxmemory", "5000", MOOT, "no memory is added", NULL },
	{ "overhead_vcpus", "0.5", ABOVE, "size_boot()", NULL },
	{ "overhead_memory", "64", ABOVE, "size_boot()", NULL },
	{ "enable_hugepages", "true", REFUSED, "transparent huge pages", NULL },
	{ "enable_guest_swap", "true", REFUSED, "swap", NULL },
	{ "guest_swap_path", "\"/x\"", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_size_percent", "1", MOOT, "enable_guest_swap", NULL },
	{ "guest_swap_create_threshold_secs", "1", MOOT, "enable_guest_swap", NULL },
	{ "reclaim_guest_freed_memory", "true", CHANGES, "|--balloon|reporting|", NULL },

	{ "shared_fs", "\"virtio-fs-nydus\"", REFUSED, "virtio-fs-nydus", NULL },
	{ "virtio_fs_daemon", "\"/x\"", ABOVE, "virtiofsd", NULL },
	{ "valid_virtio_fs_daemon_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "virtio_fs_cache", "\"never\"", ABOVE, "virtiofsd", NULL },
	{ "virtio_fs_cache_size", "64", REFUSED, "cannot map", NULL },
	{ "virtio_fs_extra_args", "[\"-d\"]", ABOVE, "virtiofsd", NULL },

	{ "block_device_driver", "\"virtio-blk-mmio\"", MOOT, "there is one bus", NULL },
	{ "block_device_cache_direct", "true", CHANGES, ",id=image,ro,direct|", IMAGE },
	{ "queue_size", "64", REFUSED, "fixed", NULL },
	{ "num_queues", "2", REFUSED, "one queue", NULL },
	{ "vm_rootfs_driver", "\"virtio-pmem\"", REFUSED, "virtio-blk-pci", NULL },
	{ "disk_rate_limiter_bw_max_rate", "8000000", CHANGES, ",id=image,ro,bps=1000000|", IMAGE },
	{ "disk_rate_limiter_bw_one_time_burst", "1", REFUSED, "limit", NULL },
	{ "disk_rate_limiter_ops_max_rate", "50", CHANGES, ",id=image,ro,iops=50|", IMAGE },
	{ "disk_rate_limiter_ops_one_time_burst", "1", REFUSED, "limit", NULL },

	{ "disable_vhost_net", "true", MOOT, "it is so always", NULL },
	{ "network_queues", "2", REFUSED, "one pair", NULL },
	{ "default_bridges", "1", REFUSED, "PCI", NULL },

	{ "enable_debug", "true", CHANGES, "|--debug|", NULL },
	{ "log_level", "\"debug\"", CHANGES, "|--debug|", NULL },
};

/*
 * Keys of other hypervisors: in a file they are told as a warning, an annotation may have them
 * as well. What somebody counts on is refused; what only says how another program does
 * something is not.
 */
static const struct key_row foreign[] = {
	{ "jailer_path", "\"/x\"", MOOT, "the monitor has a jail of its own", NULL },
	{ "valid_jailer_paths", "[\"/x\"]", MOOT, "jailer_path", NULL },
	{ "firmware_volume", "\"/x\"", REFUSED, "firmware", NULL },
	{ "pflashes", "[\"/x\"]", REFUSED, "firmware", NULL },
	{ "kernel_verity_params", "\"root_hash=ab\"", REFUSED, "block by block", NULL },
	{ "machine_type", "\"q35\"", REFUSED, "one type", NULL },
	{ "machine_accelerators", "\"kvm\"", REFUSED, "QEMU", NULL },
	{ "cpu_features", "\"pmu=off\"", REFUSED, "processors", NULL },
	{ "seccompsandbox", "\"on\"", MOOT, "the monitor has filters of its own", NULL },
	{ "rootless", "true", REFUSED, "privileges", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	{ "disable_guest_selinux", "false", REFUSED, "SELinux", NULL },
	{ "confidential_guest", "true", REFUSED, "memory", NULL },
	{ "sev_snp_guest", "true", REFUSED, "memory", NULL },
	{ "snp_id_block", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_id_auth", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_guest_policy", "1", MOOT, "sev_snp_guest", NULL },
	{ "tdx_quote_generation_service_socket_port", "1", MOOT, "confidential_guest", NULL },
	{ "disable_nested_virtualization", "true", REFUSED, "KVM", NULL },

	{ "memory_slots", "3", MOOT, "no memory is added", NULL },
	{ "memory_offset", "100", MOOT, "no memory is added", NULL },
	{ "enable_virtio_mem", "true", REFUSED, "keeps the memory", NULL },
	{ "enable_mem_prealloc", "true", REFUSED, "touched", NULL },
	{ "file_mem_backend", "\"/x\"", REFUSED, "no file system", NULL },
	{ "valid_file_mem_backends", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "enable_numa", "true", REFUSED, "NUMA", NULL },
	{ "numa_mapping", "[\"0\"]", REFUSED, "NUMA", NULL },
	{ "enable_iommu", "true", REFUSED, "IOMMU", NULL },
	{ "enable_iommu_platform", "true", REFUSED, "IOMMU", NULL },

	{ "virtio_fs_queue_size", "512", CHANGES, ",queue-size=512|", NULL },
	{ "msize_9p", "1", MOOT, "virtio-9p", NULL },

	{ "block_device_aio", "\"threads\"", MOOT, "the monitor chooses itself", NULL },
	{ "disable_block_device_use", "false", ABOVE, "the sandbox", NULL },
	{ "block_device_cache_set", "true", MOOT, "block_device_cache_direct", NULL },
	{ "block_device_cache_noflush", "true", REFUSED, "flushes", NULL },
	{ "block_device_logical_sector_size", "4096", REFUSED, "512", NULL },
	{ "block_device_physical_sector_size", "4096", REFUSED, "512", NULL },
	{ "enable_iothreads", "true", REFUSED, "thread", NULL },
	{ "indep_iothreads", "2", REFUSED, "thread", NULL },
	{ "disable_image_nvdimm", "true", MOOT, "it is so always", NULL },
	{ "enable_vhost_user_store", "true", REFUSED, "itself", NULL },
	{ "vhost_user_store_path", "\"/x\"", MOOT, "enable_vhost_user_store", NULL },
	{ "valid_vhost_user_store_paths", "[\"/x\"]", MOOT, "enable_vhost_user_store", NULL },
	{ "vhost_user_reconnect_timeout_sec", "1", MOOT, "enable_vhost_user_store", NULL },

	{ "rx_rate_limiter_max_rate", "8000", CHANGES, ",mtu=1400,rx-bps=1000|", NULL },
	{ "tx_rate_limiter_max_rate", "8000", CHANGES, ",mtu=1400,tx-bps=1000|", NULL },
	{ "net_rate_limiter_bw_max_rate", "1", REFUSED, "rx_rate_limiter_max_rate", NULL },
	{ "net_rate_limiter_bw_one_time_burst", "1", REFUSED, "from the start", NULL },
	{ "net_rate_limiter_ops_max_rate", "1", REFUSED, "packets", NULL },
	{ "net_rate_limiter_ops_one_time_burst", "1", REFUSED, "packets", NULL },
	{ "hot_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "cold_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "pcie_root_port", "2", REFUSED, "PCI", NULL },
	{ "pcie_switch_port", "1", REFUSED, "PCI", NULL },
	{ "entropy_source", "\"/dev/hwrng\"", REFUSED, "random numbers", NULL },
	{ "valid_entropy_sources", "[\"/x\"]", ABOVE, "annotations", NULL },

	{ "hypervisor_loglevel", "3", MOOT, "log_level", NULL },
	{ "extra_monitor_socket", "\"qmp\"", REFUSED, "QEMU", NULL },
	{ "use_legacy_serial", "true", REFUSED, "serial port", NULL },
	{ "guest_memory_dump_path", "\"/x\"", REFUSED, "panics", NULL },
	{ "guest_memory_dump_paging", "true", MOOT, "guest_memory_dump_path", NULL },
};

static struct config *config_with(const char *lines, struct err *err)
{
	auto_free char *text = xasprintf("[hypervisor.dragonball]\n%s\n", lines);

	return config_of(text, err);
}

static bool own_network; /* of the machine that is built */

static void add_line(const struct config *c, struct str *out)
{
	static const struct vm_dev disks[] = {
		{ .id = "disk0", .disk = { .path = "/d0" } },
		{ .id = "disk1", .disk = { .path = "/d1", .read_only = true } },
	};
	static const int tap_fds[] = { 30 };
	static const struct vm_dev nets[] = {
		{ .type = VM_DEV_NET,
		  .id = "eth0",
		  .net = { .fds = tap_fds,
			   .n_fds = 1,
			   .mac = { 2, 0, 0, 0, 0, 0xab },
			   .mtu = 1400 } },
	};
	int disk_fds[] = { 20, 21 };
	const struct vm_spec spec = {
		.id = "x",
		.config = c,
		.size = size_for(c, false, false),
		.share_tag = "tag",
		.kernel_params = "",
		.disks = disks,
		.n_disks = 2,
		.nets = nets,
		.n_nets = 1,
		.netns_is_own = own_network,
	};
	const struct dragonball_facts f = {
		.path = "/bin/kata-vmm",
		.kvm_fd = 3,
		.kernel_fd = 4,
		.initrd_fd = *c->hypervisor.initrd ? 5 : -1,
		.image_fd = *c->hypervisor.image ? 6 : -1,
		.control_fd = 7,
		.console_fd = 8,
		.vsock_fd = 9,
		.fs_fd = dragonball_shares(c) ? 10 : -1,
		.disk_fds = disk_fds,
	};
	auto_strv struct strv argv = { 0 };

	dragonball_args(&spec, &f, &argv);
	for (size_t i = 0; i < argv.n; i++)
		str_printf(out, "%s|", argv.v[i]);
}

/* The arguments between bars, or the error. */
static char *outcome(const char *lines, const char *more)
{
	const bool initrd = lines_set(lines, "initrd") || lines_set(more, "initrd");
	auto_free char *text =
		xasprintf("%s\n%s%s", lines, more, initrd ? "" : "\ninitrd = \"/k/initrd\"");
	struct str out = STR_INIT;
	struct err err = ERR_INIT;
	struct config *c = config_with(text, &err);

	if (!c || dragonball_keys_check(c, &err) < 0) {
		config_free(c);
		return key_error(&err);
	}
	add_line(c, &out);
	config_free(c);
	return str_take(&out);
}

static void its_own_network_is_kept(void **state)
{
	auto_free char *engines = outcome("", ""), *own = NULL;

	(void)state;
	own_network = true;
	own = outcome("", "");
	own_network = false;
	assert_null(strstr(engines, "--keep-netns"));
	assert_non_null(strstr(own, "|--keep-netns|"));
}

static void the_whole_line(void **state)
{
	auto_free char *line = outcome("default_memory = 256", "");

	(void)state;
	assert_string_equal(
		line,
		"/bin/kata-vmm|--id|x|--control|fd:7|--kvm|fd:3|--kernel|fd:4|--initrd|fd:5|"
		"--cmdline|tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 "
		"reboot=k panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on "
		"console=hvc0 agent.log_vport=1025 quiet|--memory|256|--cpus|1|--shared-memory|"
		"--console|fd:8|--disk|fd:20,id=disk0|--disk|fd:21,id=disk1,ro|"
		"--net|fd=30,id=eth0,mac=02:00:00:00:00:ab,mtu=1400|--vsock|fd:9,cid=3|"
		"--fs|fd:10,tag=tag,queue-size=1024|--rng|");
}

/* The words before a console is there, which for some kernels is a module. */
static void debug_shows_the_first_words(void **state)
{
	auto_free char *line = outcome("enable_debug = true", "kernel_params = \"a=b\"");

	(void)state;
	assert_non_null(strstr(line, " agent.log_vport=1025 earlyprintk=ttyS0 a=b|"));
	assert_null(strstr(line, "quiet"));
}

/* Memory is shared only where a daemon has to see it. */
static void nothing_is_shared(void **state)
{
	static const char *const lines[] = { "shared_fs = \"none\"", "shared_fs = \"\"" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_free char *line = outcome(lines[i], "");

		assert_null(strstr(line, "|--fs|"));
		assert_null(strstr(line, "|--shared-memory|"));
		assert_non_null(strstr(line, "|--rng|"));
	}
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_DRAGONBALL, false);
	keys_are_complete(foreign, ARRAY_SIZE(foreign), HV_DRAGONBALL, true);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "dragonball", outcome);
	keys_have_effect(foreign, ARRAY_SIZE(foreign), "dragonball", outcome);
}

static void bad_values_are_named(void **state)
{
	static const struct bad_lines cases[] = {
		{ "default_memory = 32",
		  "error -22: hypervisor.dragonball.default_memory: 32 MiB" },
		{ "default_memory = 512\ndefault_maxmemory = 256", "256 MiB are less than" },
		{ "default_vcpus = 255",
		  "error -22: hypervisor.dragonball.default_vcpus: 255 are" },
		{ "disk_rate_limiter_bw_max_rate = 7", "less than a byte" },
		{ "tx_rate_limiter_max_rate = 7", "7 bit/s are less than a byte" },
		{ "log_level = \"loud\"", "hypervisor.dragonball.log_level: \"loud\"" },
		{ "shared_fs = \"virtio-9p\"",
		  "hypervisor.dragonball.shared_fs: \"virtio-9p\" is "
		  "not supported (\"inline-virtio-fs\", \"virtio-fs\", "
		  "\"none\")" },
		{ "block_device_driver = \"virtio-scsi\"",
		  "hypervisor.dragonball.block_device_driver: \"virtio-scsi\" is not supported" },
	};

	(void)state;
	bad_lines_are_named(cases, ARRAY_SIZE(cases), outcome);
}

/* As the Rust runtime of Kata ships configuration-dragonball.toml. */
static void what_kata_ships_is_accepted(void **state)
{
	auto_free char *line = outcome(
		"path = \"\"\nctlpath = \"\"\nvalid_hypervisor_paths = []\nvalid_ctlpaths = []\n"
		"image = \"/usr/share/kata-containers/kata-containers.img\"\nrootfs_type = \"ext4\"\n"
		"enable_annotations = [\"kernel_params\"]\nfirmware = \"\"\n"
		"kernel_params = \"console=ttyS1 agent.log_vport=1025\"\ndefault_vcpus = 1\n"
		"default_maxvcpus = 0\ndefault_bridges = 0\noverhead_vcpus = 0.2\n"
		"overhead_memory = 32\nreclaim_guest_freed_memory = false\ndefault_memory = 2048\n"
		"default_maxmemory = 0\nblock_device_driver = \"virtio-blk-pci\"\n"
		"vm_rootfs_driver = \"virtio-blk-pci\"\nblock_device_cache_direct = false\n"
		"queue_size = 128\nnum_queues = 1\nnetwork_queues = 1\nenable_debug = false\n"
		"log_level = \"info\"\nenable_hugepages = false\ndisable_nesting_checks = false\n"
		"disable_vhost_net = false\nguest_hook_path = \"\"\nshared_fs = \"inline-virtio-fs\"\n"
		"virtio_fs_cache_size = 0\nvirtio_fs_extra_args = []\nvirtio_fs_cache = \"auto\"\n"
		"enable_guest_swap = false\nguest_swap_path = \"/run/kata-containers/swap\"\n"
		"guest_swap_size_percent = 100\nguest_swap_create_threshold_secs = 60\n"
		"disable_seccomp = false\nenable_balloon_f_reporting = true\n",
		"initrd = \"\"");

	(void)state;
	assert_non_null(strstr(line, " root=/dev/vda1 rootflags=data=ordered,errors=remount-ro ro "
				     "rootfstype=ext4 quiet systemd.show_status=false "));
	assert_non_null(strstr(line, " console=ttyS1 agent.log_vport=1025|"));
	assert_non_null(strstr(line, "|--balloon|reporting|"));
}

static void disks_have_names(void **state)
{
	struct err err = ERR_INIT;
	struct config *c = config_with("initrd = \"/x\"", &err), *i = config_with(IMAGE, &err);
	struct vm_spec spec = { .config = c, .n_disks = 2 };
	struct vm_place place;

	(void)state;
	assert_true(c && i);
	dragonball_place(&spec, 0, &place);
	assert_int_equal(place.type, VM_PLACE_NODE);
	assert_string_equal(place.at, "/dev/vda");
	spec.config = i;
	dragonball_place(&spec, 1, &place);
	assert_string_equal(place.at, "/dev/vdc");
	config_free(c);
	config_free(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_line),
		cmocka_unit_test(its_own_network_is_kept),
		cmocka_unit_test(debug_shows_the_first_words),
		cmocka_unit_test(nothing_is_shared),
		cmocka_unit_test(every_key_has_its_place),
		cmocka_unit_test(every_key_does_what_it_says),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(what_kata_ships_is_accepted),
		cmocka_unit_test(disks_have_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dragonball keys", tests, NULL, NULL);
}
