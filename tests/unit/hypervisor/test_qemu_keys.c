/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of [hypervisor.qemu], so that none is forgotten: a value that is not
 * its default changes QEMU's command line, or is refused with a sentence that
 * names it, or is somebody else's to heed.
 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include "host/hypervisor/qemu/args.h"

static const struct key_row keys[] = {
	{ "path", "\"/q/emu\"", CHANGES, "/q/emu -name", NULL },
	{ "valid_hypervisor_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "kernel", "\"/k/other\"", CHANGES, " -kernel /k/other ", NULL },
	{ "image", "\"/k/image\"", CHANGES, "mem-path=/k/image,", "initrd = \"\"" },
	{ "initrd", "\"/k/other\"", CHANGES, " -initrd /k/other ", NULL },
	{ "rootfs_type", "\"erofs\"", CHANGES, " rootfstype=erofs ",
	  "image = \"/i\"\ninitrd = \"\"" },
	{ "firmware", "\"/f,w\"", CHANGES, " -bios /f,w ", NULL },
	{ "firmware_volume", "\"/vars\"", CHANGES,
	  " -drive if=pflash,unit=0,format=raw,readonly=on,file=/code"
	  " -drive if=pflash,unit=1,format=raw,snapshot=on,file=/vars ",
	  "firmware = \"/code\"" },
	{ "pflashes", "[\"/a\", \"/b\"]", CHANGES,
	  " -drive if=pflash,unit=0,format=raw,snapshot=on,file=/a"
	  " -drive if=pflash,unit=1,format=raw,snapshot=on,file=/b ",
	  NULL },
	{ "kernel_params", "\"a=b c\"", CHANGES, " a=b c'", NULL },
	{ "kernel_verity_params",
	  "\"root_hash=ab12,salt=cd,data_blocks=10,data_block_size=4096,hash_block_size=4096\"",
	  CHANGES,
	  " dm-mod.create=\"dm-verity,,,ro,0 80 verity 1 /dev/pmem0p1 /dev/pmem0p2 4096 4096 10 0 "
	  "sha256 ab12 cd\" root=/dev/dm-0 ",
	  "image = \"/i\"\ninitrd = \"\"" },
	{ "machine_type", "\"pc\"", CHANGES, " -machine pc,", NULL },
	{ "machine_accelerators", "\"kvm,pit=off\"", CHANGES, ",pit=off ", NULL },
	{ "cpu_features", "\"pmu=off\"", CHANGES, " -cpu max,-erms,-fsrm,pmu=off ", NULL },
	{ "seccompsandbox", "\"on,spawn=deny\"", CHANGES, " -sandbox on,spawn=deny ", NULL },
	{ "enable_annotations", "[\"x\"]", ABOVE, "annotations", NULL },
	{ "rootless", "true", REFUSED, "user", NULL },
	{ "disable_selinux", "true", ABOVE, "the label of the process", NULL },
	{ "disable_guest_selinux", "false", CHANGES, " selinux=1", NULL },
	/* KVM is measured, on every host. */
	{ "disable_nesting_checks", "true", ABOVE, "kvm_probe", NULL },
	{ "confidential_guest", "true", REFUSED, "memory", NULL },
	{ "sev_snp_guest", "true", REFUSED, "memory", NULL },
	{ "snp_id_block", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_id_auth", "\"x\"", MOOT, "sev_snp_guest", NULL },
	{ "snp_guest_policy", "1", MOOT, "sev_snp_guest", NULL },
	{ "tdx_quote_generation_service_socket_port", "1", MOOT, "confidential_guest", NULL },
	{ "guest_hook_path", "\"/x\"", ABOVE, "CreateSandbox", NULL },

	{ "default_vcpus", "2", CHANGES, " -smp 2,maxcpus=4,", NULL },
	{ "default_maxvcpus", "3", CHANGES, " -smp 1,maxcpus=3,sockets=1,cores=3,threads=1 ",
	  NULL },
	{ "default_memory", "300", CHANGES, " -m 300M,", NULL },
	{ "default_maxmemory", "1000", CHANGES, ",maxmem=1024M ", NULL },
	{ "memory_slots", "3", CHANGES, ",slots=3,", NULL },
	{ "memory_offset", "100", CHANGES, ",maxmem=8164M ", NULL },
	{ "overhead_vcpus", "0.5", ABOVE, "size_boot()", NULL },
	{ "overhead_memory", "64", ABOVE, "size_boot()", NULL },
	{ "enable_virtio_mem", "true", CHANGES,
	  ",id=virtiomem,size=7808M,reserve=off -device virtio-mem-pci,", NULL },
	{ "enable_mem_prealloc", "true", CHANGES, ",prealloc=on ", NULL },
	{ "file_mem_backend", "\"/dev/shm\"", CHANGES,
	  " -object memory-backend-file,mem-path=/dev/shm,share=on,", NULL },
	{ "valid_file_mem_backends", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "enable_hugepages", "true", CHANGES,
	  " -object memory-backend-memfd,hugetlb=on,share=on,id=mem,size=256M,prealloc=on ", NULL },
	{ "enable_guest_swap", "true", REFUSED, "swap", NULL },
	{ "reclaim_guest_freed_memory", "true", CHANGES,
	  " -device virtio-balloon-pci,id=balloon,free-page-reporting=on ", NULL },
	{ "enable_numa", "true", REFUSED, "NUMA", NULL },
	{ "numa_mapping", "[\"0\"]", REFUSED, "NUMA", NULL },
	{ "enable_iommu", "true", CHANGES,
	  " -device intel-iommu,intremap=on,device-iotlb=on,caching-mode=on ", NULL },
	{ "enable_iommu_platform", "true", CHANGES,
	  " -device virtio-serial-pci,id=serial,disable-legacy=on,iommu_platform=on ", NULL },

	{ "shared_fs", "\"virtio-9p\"", REFUSED, "virtio-9p", NULL },
	{ "virtio_fs_daemon", "\"/x\"", ABOVE, "virtiofsd", NULL },
	{ "valid_virtio_fs_daemon_paths", "[\"/x\"]", ABOVE, "annotations", NULL },
	{ "virtio_fs_cache", "\"never\"", ABOVE, "virtiofsd", NULL },
	{ "virtio_fs_cache_size", "64", CHANGES, ",queue-size=1024,cache-size=64M ", NULL },
	{ "virtio_fs_queue_size", "512", CHANGES, ",queue-size=512 ", NULL },
	{ "virtio_fs_extra_args", "[\"-d\"]", ABOVE, "virtiofsd", NULL },
	{ "msize_9p", "1", MOOT, "shared_fs = \"virtio-9p\"", NULL },

	{ "block_device_driver", "\"virtio-scsi\"", CHANGES, " -device virtio-scsi-pci,id=scsi0 ",
	  NULL },
	{ "block_device_aio", "\"threads\"", ABOVE, "plug", NULL },
	{ "disable_block_device_use", "false", ABOVE, "the sandbox", NULL },
	{ "block_device_cache_set", "true", ABOVE, "plug", NULL },
	{ "block_device_cache_direct", "true", ABOVE, "plug", NULL },
	{ "block_device_cache_noflush", "true", ABOVE, "plug", NULL },
	{ "block_device_logical_sector_size", "4096", ABOVE, "plug", NULL },
	{ "block_device_physical_sector_size", "4096", ABOVE, "plug", NULL },
	{ "enable_iothreads", "true", CHANGES, " -object iothread,id=iothread0 ", NULL },
	{ "indep_iothreads", "2", CHANGES,
	  " -object iothread,id=indep_iothread_0 -object iothread,id=indep_iothread_1 ", NULL },
	{ "queue_size", "64", ABOVE, "plug", NULL },
	{ "num_queues", "2", ABOVE, "plug", NULL },
	{ "vm_rootfs_driver", "\"virtio-blk-pci\"", CHANGES, " root=/dev/vda1 ",
	  "image = \"/i\"\ninitrd = \"\"" },
	{ "disable_image_nvdimm", "true", CHANGES,
	  " -device virtio-blk-pci,drive=image,id=image,share-rw=on ",
	  "image = \"/i\"\ninitrd = \"\"" },
	{ "enable_vhost_user_store", "true", REFUSED, "QEMU itself", NULL },
	{ "vhost_user_store_path", "\"/x\"", MOOT, "enable_vhost_user_store", NULL },
	{ "valid_vhost_user_store_paths", "[\"/x\"]", MOOT, "enable_vhost_user_store", NULL },
	{ "vhost_user_reconnect_timeout_sec", "1", MOOT, "enable_vhost_user_store", NULL },

	{ "disable_vhost_net", "true", ABOVE, "the sandbox", NULL },
	{ "network_queues", "2", ABOVE, "the sandbox", NULL },
	{ "rx_rate_limiter_max_rate", "1", ABOVE, "the sandbox", NULL },
	{ "tx_rate_limiter_max_rate", "1", ABOVE, "the sandbox", NULL },
	{ "default_bridges", "0", REMOVES, " -device pci-bridge,", NULL },
	{ "hot_plug_vfio", "\"root-port\"", REFUSED, "devices of the host", NULL },
	{ "cold_plug_vfio", "\"root-port\"", ABOVE, "HV_CAP_NET_DEVICE", NULL },
	{ "pcie_root_port", "2", CHANGES,
	  " -device pcie-root-port,bus=pcie.0,id=rp0,chassis=2,slot=2"
	  " -device pcie-root-port,bus=pcie.0,id=rp1,chassis=3,slot=3 ",
	  NULL },
	{ "pcie_switch_port", "1", CHANGES,
	  " -device pcie-root-port,bus=pcie.0,id=swrp,chassis=2,slot=2"
	  " -device x3130-upstream,bus=swrp,id=swup"
	  " -device xio3130-downstream,bus=swup,id=swdp0,chassis=3,slot=3 ",
	  NULL },
	{ "entropy_source", "\"/dev/random\"", CHANGES, ",filename=/dev/random ", NULL },
	{ "valid_entropy_sources", "[\"/x\"]", ABOVE, "annotations", NULL },

	{ "enable_debug", "true", REMOVES, " quiet ", NULL },
	{ "extra_monitor_socket", "\"qmp-pretty\"", CHANGES,
	  " -chardev socket,id=extra,path=/run/x/extra-monitor.sock,server=on,wait=off"
	  " -mon chardev=extra,mode=control,pretty=on ",
	  "enable_debug = true" },
	/* The console is a serial port in any case: it has the first words of a guest that dies. */
	{ "use_legacy_serial", "true", MOOT, "nothing", NULL },
	{ "guest_memory_dump_path", "\"/x\"", REFUSED, "panics", NULL },
	{ "guest_memory_dump_paging", "true", MOOT, "guest_memory_dump_path", NULL },
};

/* The lines of a small q35 with @lines (and @more) in place of what they set. */
static char *with(const char *lines, const char *more)
{
	static const char *const base[] = {
		"path = \"/bin/qemu\"",	  "kernel = \"/k/vmlinux\"", "initrd = \"/k/initrd\"",
		"machine_type = \"q35\"", "default_memory = 256",
	};
	struct str out = STR_INIT;

	str_puts(&out, "[hypervisor.qemu]\n");
	for (size_t i = 0; i < ARRAY_SIZE(base); i++) {
		auto_free char *key = xstrndup(base[i], strcspn(base[i], " "));

		if (!lines_set(lines, key) && !lines_set(more, key))
			str_printf(&out, "%s\n", base[i]);
	}
	str_printf(&out, "%s\n%s\n", lines, more);
	/* An image takes the initrd's place. */
	if (lines_set(lines, "image") || lines_set(more, "image"))
		assert_true(lines_set(more, "initrd"));
	return str_take(&out);
}

static const struct qemu_facts facts = {
	.qmp_fd = 3,
	.console_fd = 4,
	.log_fd = 5,
	.agent_fd = 6,
	.fs_fd = 7,
	.vsock_fd = -1,
	.memory_fd = -1,
	.image_size = 2 << 20,
};

/* The command line, or the error. */
static char *outcome(const char *lines, const char *more)
{
	auto_free char *text = with(lines, more);
	auto_strv struct strv argv = { 0 };
	struct str line = STR_INIT;
	struct err err = ERR_INIT;
	struct config *c = config_of(text, &err);

	if (!c || qemu_keys_check(c, &err) < 0) {
		config_free(c);
		return key_error(&err);
	}
	qemu_args(
		&(struct vm_spec){
			.id = "x",
			.run_dir = "/run/x",
			.config = c,
			.share_tag = "tag",
			.size = size_for(c, true, true),
		},
		&facts, &argv);
	qemu_args_quote(&argv, &line);
	config_free(c);
	return str_take(&line);
}

static void every_key_has_its_place(void **state)
{
	(void)state;
	keys_are_complete(keys, ARRAY_SIZE(keys), HV_QEMU, false);
}

static void every_key_does_what_it_says(void **state)
{
	(void)state;
	keys_have_effect(keys, ARRAY_SIZE(keys), "qemu", outcome);
}

/* What cannot be had without PCI is refused there, and the machine's type is in the sentence. */
static void microvm_refuses_what_needs_pci(void **state)
{
	static const char *const lines[] = {
		"enable_iommu = true",
		"enable_virtio_mem = true",
		"virtio_fs_cache_size = 64",
		"pcie_root_port = 1",
		"pcie_switch_port = 1",
		"firmware_volume = \"/x\"",
		"pflashes = [\"/x\"]",
		"block_device_driver = \"virtio-blk-pci\"",
		"vm_rootfs_driver = \"virtio-pmem\"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		auto_free char *line = outcome(lines[i], "machine_type = \"microvm\"");
		auto_free char *key = xstrndup(lines[i], strcspn(lines[i], " "));

		if (strstr(line, "error -95: hypervisor.qemu.") != line || !strstr(line, key) ||
		    !strstr(line, "the type microvm"))
			fail_msg("%s: %s", lines[i], line);
	}
}

/* Also when it comes after the agent has looked for it. */
static void memory_that_comes_is_used(void **state)
{
	auto_free char *grows = outcome("default_memory = 300", "");
	auto_free char *stays = outcome("default_memory = 8000", "");

	(void)state;
	assert_non_null(strstr(grows, " memhp_default_state=online "));
	assert_null(strstr(stays, "memhp_default_state"));
}

/* What has a slot of its own gets it before QEMU gives slots to the others. */
static void bridges_come_first(void **state)
{
	static const char *const types[] = { "machine_type = \"pc\"", "machine_type = \"q35\"" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		auto_free char *line = outcome("enable_virtio_mem = true", types[i]);
		const char *at = strstr(line, "addr=");

		assert_non_null(at);
		for (const char *p = line; (p = strstr(p, " -device ")) && p < at; p++)
			assert_true(str_starts(p, " -device pci-bridge,"));
	}
}

static void bad_values_are_named(void **state)
{
	static const struct bad_lines cases[] = {
		{ "machine_type = \"isapc\"",
		  "error -95: hypervisor.qemu.machine_type: \"isapc\" is not supported "
		  "(\"microvm\", \"q35\", \"pc\")" },
		{ "default_memory = 1", "hypervisor.qemu.default_memory: 1 MiB are not enough" },
		{ "default_memory = 512\ndefault_maxmemory = 256",
		  "hypervisor.qemu.default_maxmemory: 256 MiB are less than default_memory, 512" },
		{ "memory_slots = 256", "hypervisor.qemu.memory_slots: 256 are too many" },
		{ "indep_iothreads = 65", "hypervisor.qemu.indep_iothreads: 65 are too many" },
		{ "firmware_volume = \"/x\"", "hypervisor.qemu.firmware_volume: holds" },
		{ "shared_fs = \"virtio-fs-nydus\"", "hypervisor.qemu.shared_fs: " },
		{ "shared_fs = \"inline-virtio-fs\"", "hypervisor.qemu.shared_fs: " },
		{ "block_device_driver = \"nvdimm\"", "hypervisor.qemu.block_device_driver: " },
		{ "block_device_driver = \"virtio-blk-ccw\"",
		  "hypervisor.qemu.block_device_driver: " },
		{ "block_device_driver = \"virtio-mmio\"", "the machine is of the type q35" },
		{ "vm_rootfs_driver = \"virtio-blk-mmio\"", "hypervisor.qemu.vm_rootfs_driver: " },
		{ "machine_type = \"pc\"\npcie_root_port = 1",
		  "hypervisor.qemu.pcie_root_port: is a port of PCI Express" },
		{ "machine_type = \"pc\"\nenable_iommu = true",
		  "hypervisor.qemu.enable_iommu: translates for devices of PCI Express, which a "
		  "machine of the type pc does not have" },
		{ "kernel_verity_params = \"root_hash=xyz\"",
		  "kernel_verity_params: \"root_hash=xyz\" is not understood" },
		{ "kernel_verity_params = \"data_blocks=-1\"",
		  "kernel_verity_params: \"data_blocks=-1\" is not understood" },
		{ "kernel_verity_params = \"data_block_size=1000\"", "is not understood" },
		{ "kernel_verity_params = \"junk\"", "\"junk\" is not understood" },
		{ "kernel_verity_params = \"salt=ab\"", "needs root_hash, salt" },
	};

	(void)state;
	bad_lines_are_named(cases, ARRAY_SIZE(cases), outcome);
}

/* As Kata ships configuration-qemu.toml, with its Go and with its Rust runtime's keys. */
static void what_kata_ships_is_accepted(void **state)
{
	static const char shipped[] =
		"image = \"/usr/share/kata-containers/kata-containers.img\"\n"
		"machine_type = \"q35\"\nrootfs_type = \"ext4\"\nrootless = false\n"
		"enable_annotations = [\"enable_iommu\", \"kernel_params\"]\n"
		"valid_hypervisor_paths = [\"/usr/bin/qemu-system-x86_64\"]\n"
		"kernel_params = \"cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1\"\n"
		"firmware = \"\"\nfirmware_volume = \"\"\nmachine_accelerators = \"\"\n"
		"seccompsandbox = \"\"\ncpu_features = \"pmu=off\"\ndefault_vcpus = 1\n"
		"default_maxvcpus = 0\ndefault_bridges = 1\ndefault_memory = 2048\n"
		"memory_slots = 10\ndefault_maxmemory = 0\nmemory_offset = 0\n"
		"enable_virtio_mem = false\ndisable_block_device_use = false\n"
		"shared_fs = \"virtio-fs\"\nvirtio_fs_daemon = \"/usr/libexec/virtiofsd\"\n"
		"valid_virtio_fs_daemon_paths = [\"/usr/libexec/virtiofsd\"]\n"
		"virtio_fs_cache_size = 0\nvirtio_fs_queue_size = 1024\n"
		"virtio_fs_extra_args = [\"--thread-pool-size=1\", \"--announce-submounts\"]\n"
		"virtio_fs_cache = \"auto\"\nblock_device_driver = \"virtio-scsi\"\n"
		"block_device_aio = \"io_uring\"\nblock_device_cache_set = false\n"
		"enable_iothreads = false\nindep_iothreads = 0\nenable_mem_prealloc = false\n"
		"reclaim_guest_freed_memory = false\nenable_hugepages = false\n"
		"enable_vhost_user_store = false\n"
		"vhost_user_store_path = \"/var/run/kata-containers/vhost-user\"\n"
		"enable_iommu = false\nenable_iommu_platform = false\n"
		"valid_vhost_user_store_paths = [\"/var/run/kata-containers/vhost-user\"]\n"
		"vhost_user_reconnect_timeout_sec = 0\nfile_mem_backend = \"\"\n"
		"valid_file_mem_backends = [\"\"]\npflashes = []\nenable_debug = false\n"
		"extra_monitor_socket = \"\"\ndisable_nesting_checks = false\nmsize_9p = 8192\n"
		"disable_image_nvdimm = false\nhot_plug_vfio = \"no-port\"\n"
		"cold_plug_vfio = \"no-port\"\npcie_root_port = 0\ndisable_vhost_net = false\n"
		"entropy_source = \"/dev/urandom\"\nguest_hook_path = \"\"\n"
		"valid_entropy_sources = [\"/dev/urandom\", \"/dev/random\", \"\"]\n"
		"rx_rate_limiter_max_rate = 0\ntx_rate_limiter_max_rate = 0\n"
		"guest_memory_dump_path = \"\"\nguest_memory_dump_paging = false\n"
		"enable_guest_swap = false\nuse_legacy_serial = false\ndisable_selinux = false\n"
		"disable_guest_selinux = true\nenable_numa = false\nnuma_mapping = []\n";
	static const char rust[] = "queue_size = 128\nnum_queues = 1\nnetwork_queues = 1\n"
				   "vm_rootfs_driver = \"virtio-pmem\"\noverhead_vcpus = 0.2\n"
				   "overhead_memory = 32\npcie_switch_port = 0\n"
				   "initrd = \"\"\n";
	auto_free char *go = outcome(shipped, "initrd = \"\""), *both = outcome(shipped, rust);

	(void)state;
	assert_non_null(strstr(go, "/bin/qemu -name"));
	assert_non_null(strstr(both, "/bin/qemu -name"));
	assert_non_null(strstr(both, " root=/dev/pmem0p1 "
				     "rootflags=dax,data=ordered,errors=remount-ro ro "
				     "rootfstype=ext4 quiet systemd.show_status=false "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_its_place),
		cmocka_unit_test(every_key_does_what_it_says),
		cmocka_unit_test(microvm_refuses_what_needs_pci),
		cmocka_unit_test(memory_that_comes_is_used),
		cmocka_unit_test(bridges_come_first),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(what_kata_ships_is_accepted),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu keys", tests, NULL, NULL);
}
