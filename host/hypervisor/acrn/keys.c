/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.acrn] may say. A key without a rule here does what the
 * configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/acrn/args.h"
#include "host/hypervisor/keys.h"

static const char no_firmware[] = "the device model loads the kernel itself, without a firmware";
static const char no_growth[] = "the machine keeps the memory that it starts with";
static const char no_files[] = "no files are shared with the guest";
static const char no_iommu[] = "the machine has no IOMMU";
static const char no_limit[] = "the device model limits no networks and no disks";
static const char no_port[] = "the machine's PCI bus has no ports";
static const char own_memory[] = "the guest's memory is the hypervisor's to give";
static const char hidden[] = "the guest's memory cannot be hidden from this runtime";
static const char one_queue[] = "devices have one queue of a fixed length";
static const char own_disks[] = "disks are served by the device model itself";
static const char not_given[] = "devices of the host are not given to a guest";

/* Only the default will do. */
static const struct key_refusal refusals[] = {
	{ "initrd", "the guest's root file system is an image" },
	{ "firmware", no_firmware },
	{ "firmware_volume", no_firmware },
	{ "pflashes", no_firmware },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "machine_type", "the machine has one type only" },
	{ "machine_accelerators", "the hypervisor is ACRN" },
	{ "cpu_features", "processors are the host's" },
	{ "rootless", "the device model runs as the user who runs the runtime" },
	{ "disable_guest_selinux", "SELinux is not applied in the guest" },
	{ "confidential_guest", hidden },
	{ "sev_snp_guest", hidden },
	{ "disable_nested_virtualization", "the guest has no virtualization" },
	{ "memory_slots", no_growth },
	{ "memory_offset", no_growth },
	{ "enable_virtio_mem", no_growth },
	{ "enable_mem_prealloc", own_memory },
	{ "reclaim_guest_freed_memory", own_memory },
	{ "file_mem_backend", own_memory },
	{ "enable_hugepages", own_memory },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_iommu", no_iommu },
	{ "enable_iommu_platform", no_iommu },
	{ "virtio_fs_cache_size", no_files },
	{ "block_device_cache_noflush", "what the guest flushes is flushed" },
	{ "block_device_cache_direct", "disks are read and written through the host's page cache" },
	{ "block_device_logical_sector_size", "disks have sectors of 512 bytes" },
	{ "block_device_physical_sector_size", "disks have sectors of 512 bytes" },
	{ "enable_vhost_user_store", own_disks },
	{ "enable_iothreads", own_disks },
	{ "indep_iothreads", own_disks },
	{ "num_queues", one_queue },
	{ "queue_size", one_queue },
	{ "network_queues", one_queue },
	{ "disk_rate_limiter_bw_max_rate", no_limit },
	{ "disk_rate_limiter_bw_one_time_burst", no_limit },
	{ "disk_rate_limiter_ops_max_rate", no_limit },
	{ "disk_rate_limiter_ops_one_time_burst", no_limit },
	{ "rx_rate_limiter_max_rate", no_limit },
	{ "tx_rate_limiter_max_rate", no_limit },
	{ "net_rate_limiter_bw_max_rate", no_limit },
	{ "net_rate_limiter_bw_one_time_burst", no_limit },
	{ "net_rate_limiter_ops_max_rate", no_limit },
	{ "net_rate_limiter_ops_one_time_burst", no_limit },
	{ "default_bridges", "the machine has one PCI bus, and no bridges to others" },
	{ "hot_plug_vfio", not_given },
	{ "cold_plug_vfio", not_given },
	{ "pcie_root_port", no_port },
	{ "pcie_switch_port", no_port },
	{ "entropy_source", "the guest's random numbers are its processor's" },
	{ "extra_monitor_socket", "the device model has no such socket" },
	{ "use_legacy_serial", "the guest's console is a virtio device" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

int acrn_keys_check(const struct config *config, struct err *err)
{
	static const char *const kinds[] = { "none", "", NULL };
	static const char *const disks[] = { "virtio-blk", "virtio-blk-pci", NULL };
	static const char *const roots[] = { "", "virtio-blk", "virtio-blk-pci", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);

	if (r == 0)
		r = keys_choose(config, "shared_fs", h->shared_fs, kinds, no_files, err);
	if (r == 0)
		r = keys_choose(config, "block_device_driver", h->block_device_driver, disks, NULL,
				err);
	if (r == 0)
		r = keys_choose(config, "vm_rootfs_driver", h->vm_rootfs_driver, roots, NULL, err);
	return r == 0 ? keys_check_memory(config, KEYS_MEMORY_MIN, err) : r;
}
