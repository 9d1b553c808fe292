/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.dragonball] may say. A key without a rule here does what
 * the configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/dragonball/args.h"
#include "host/hypervisor/keys.h"

#define VCPUS_MAX 254

/* Only the default will do. */
static const struct key_refusal refusals[] = {
	{ "ctlpath", "the monitor needs no other program to be told what to do" },
	{ "firmware", "the monitor boots the kernel itself, without a firmware" },
	{ "firmware_volume", "the monitor boots the kernel itself, without a firmware" },
	{ "pflashes", "the monitor boots the kernel itself, without a firmware" },
	{ "machine_type", "the monitor has one type of machine" },
	{ "machine_accelerators", "it speaks of QEMU's machines" },
	{ "cpu_features", "the guest's processors are what the host's KVM gives it" },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "rootless", "the monitor gives up its privileges by itself" },
	{ "disable_guest_selinux", "the guest's kernel is started without SELinux" },
	{ "confidential_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "sev_snp_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "disable_nested_virtualization", "the guest has what the host's KVM gives it" },
	{ "enable_hugepages", "the monitor advises transparent huge pages and takes none that "
			      "are reserved" },
	{ "enable_mem_prealloc", "the guest's memory is taken when it is touched" },
	{ "file_mem_backend", "the guest's memory is in no file system" },
	{ "enable_virtio_mem", "the machine keeps the memory that it starts with" },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_iommu", "the machine has no IOMMU" },
	{ "enable_iommu_platform", "the machine has no IOMMU" },
	{ "virtio_fs_cache_size", "the guest cannot map the host's page cache" },
	{ "enable_vhost_user_store", "disks are served by the monitor itself" },
	{ "enable_iothreads", "disks are served by the monitor's one thread" },
	{ "indep_iothreads", "disks are served by the monitor's one thread" },
	{ "num_queues", "disks have one queue" },
	{ "queue_size", "the length of the disks' queues is fixed" },
	{ "block_device_logical_sector_size", "disks have sectors of 512 bytes" },
	{ "block_device_physical_sector_size", "disks have sectors of 512 bytes" },
	{ "block_device_cache_noflush", "the guest's flushes are always carried out" },
	{ "disk_rate_limiter_bw_one_time_burst", "the limit holds from the start" },
	{ "disk_rate_limiter_ops_one_time_burst", "the limit holds from the start" },
	{ "network_queues", "network interfaces have one pair of queues" },
	{ "net_rate_limiter_bw_max_rate",
	  "rx_rate_limiter_max_rate and tx_rate_limiter_max_rate are the limits of a network interface" },
	{ "net_rate_limiter_bw_one_time_burst", "the limit holds from the start" },
	{ "net_rate_limiter_ops_max_rate", "packets are not counted" },
	{ "net_rate_limiter_ops_one_time_burst", "packets are not counted" },
	{ "default_bridges", "the machine has no PCI bus" },
	{ "hot_plug_vfio", "devices of the host are not given to a guest" },
	{ "cold_plug_vfio", "devices of the host are not given to a guest" },
	{ "pcie_root_port", "the machine has no PCI bus" },
	{ "pcie_switch_port", "the machine has no PCI bus" },
	{ "entropy_source", "the guest's random numbers are those of the host's kernel" },
	{ "extra_monitor_socket", "it is for commands to QEMU" },
	{ "use_legacy_serial", "the machine has no serial port" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

static int check_choices(const struct config *config, struct err *err)
{
	static const char *const shares[] = { "inline-virtio-fs", "virtio-fs", "none", "", NULL };
	/* All of them mean the same: the machine's only bus. */
	static const char *const disks[] = { "virtio-blk-pci", "virtio-blk-mmio", "virtio-blk",
					     "virtio-mmio", NULL };
	static const char *const roots[] = { "", "virtio-blk-pci", "virtio-blk-mmio", "virtio-blk",
					     NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_choose(config, "shared_fs", h->shared_fs, shares, NULL, err);

	if (r == 0)
		r = keys_choose(config, "block_device_driver", h->block_device_driver, disks, NULL,
				err);
	if (r == 0)
		r = keys_choose(config, "vm_rootfs_driver", h->vm_rootfs_driver, roots, NULL, err);
	return r == 0 ? keys_check_log_level(config, err) : r;
}

static int check_numbers(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_check_memory(config, KEYS_MEMORY_MIN, err);

	if (r == 0)
		r = keys_check_vcpus(config, VCPUS_MAX, err);
	if (r == 0)
		r = keys_check_rate(config, "disk_rate_limiter_bw",
				    h->disk_rate_limiter_bw_max_rate, 0, true, err);
	if (r == 0)
		r = keys_check_rate(config, "rx_rate_limiter", h->rx_rate_limiter_max_rate, 0, true,
				    err);
	if (r == 0)
		r = keys_check_rate(config, "tx_rate_limiter", h->tx_rate_limiter_max_rate, 0, true,
				    err);
	return r;
}

int dragonball_keys_check(const struct config *config, struct err *err)
{
	int r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);

	if (r == 0)
		r = check_choices(config, err);
	return r == 0 ? check_numbers(config, err) : r;
}

bool dragonball_shares(const struct config *config)
{
	const char *kind = config->hypervisor.shared_fs;

	return !strcmp(kind, "inline-virtio-fs") || !strcmp(kind, "virtio-fs");
}

unsigned dragonball_keys_caps(const struct config *config)
{
	return HV_CAP_BLOCK | HV_CAP_NET | HV_CAP_PAUSE |
	       (dragonball_shares(config) ? HV_CAP_FS_SHARE : 0);
}
