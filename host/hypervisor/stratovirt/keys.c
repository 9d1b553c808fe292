/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.stratovirt] may say. A key without a rule here does what the
 * configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/keys.h"
#include "host/hypervisor/stratovirt/args.h"

/* StratoVirt's own limits. */
#define VCPUS_MAX  254
#define MEMORY_MIN 128

static const char no_firmware[] = "the monitor boots the kernel itself, without a firmware";
static const char no_growth[] = "the machine keeps the memory that it starts with";
static const char no_iommu[] = "the machine has no IOMMU";
static const char no_pci[] = "the machine has no PCI bus";
static const char no_limit[] = "the monitor limits no networks and no disks";
static const char hidden[] = "the guest's memory cannot be hidden from this runtime";
static const char one_queue[] = "devices have one queue of a fixed length";
static const char not_given[] = "devices of the host are not given to a guest";

/* Only the default will do. */
static const struct key_refusal refusals[] = {
	{ "ctlpath", "the monitor needs no other program to be told what to do" },
	{ "firmware", no_firmware },
	{ "firmware_volume", no_firmware },
	{ "pflashes", no_firmware },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "machine_accelerators", "the monitor runs on KVM alone" },
	{ "cpu_features", "processors are the host's" },
	{ "rootless", "the monitor runs as the user who runs the runtime" },
	{ "confidential_guest", hidden },
	{ "sev_snp_guest", hidden },
	{ "disable_nested_virtualization", "the guest has what the host's KVM gives it" },
	{ "memory_slots", no_growth },
	{ "memory_offset", no_growth },
	{ "enable_virtio_mem", no_growth },
	{ "enable_mem_prealloc", "the guest's memory is taken when it is touched" },
	{ "reclaim_guest_freed_memory", "the machine has no balloon" },
	{ "file_mem_backend", "the guest's memory is in no file system" },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_iommu", no_iommu },
	{ "enable_iommu_platform", no_iommu },
	{ "virtio_fs_cache_size", "the guest cannot map the host's page cache" },
	{ "virtio_fs_queue_size", one_queue },
	{ "block_device_cache_noflush", "what the guest flushes is flushed" },
	{ "block_device_logical_sector_size", "disks have sectors of 512 bytes" },
	{ "block_device_physical_sector_size", "disks have sectors of 512 bytes" },
	{ "enable_vhost_user_store", "disks are served by the monitor itself" },
	{ "enable_iothreads", "disks are served by the monitor's one thread" },
	{ "indep_iothreads", "disks are served by the monitor's one thread" },
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
	{ "default_bridges", no_pci },
	{ "hot_plug_vfio", not_given },
	{ "cold_plug_vfio", not_given },
	{ "pcie_root_port", no_pci },
	{ "pcie_switch_port", no_pci },
	{ "extra_monitor_socket", "the monitor has one control socket, which the driver holds" },
	{ "use_legacy_serial", "the guest's console is a virtio device" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

static bool shares(const struct config *config)
{
	return !strcmp(config->hypervisor.shared_fs, "virtio-fs");
}

int stratovirt_keys_check(const struct config *config, struct err *err)
{
	static const char *const types[] = { "microvm", NULL };
	static const char *const kinds[] = { "virtio-fs", "none", "", NULL };
	/* All of them mean the same: the machine's only bus. */
	static const char *const disks[] = { "virtio-mmio", "virtio-blk-mmio", "virtio-blk", NULL };
	static const char *const roots[] = { "", "virtio-blk-mmio", "virtio-blk", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);

	if (r == 0)
		r = keys_choose(config, "machine_type", h->machine_type, types, NULL, err);
	if (r == 0)
		r = keys_choose(config, "shared_fs", h->shared_fs, kinds, NULL, err);
	if (r == 0)
		r = keys_choose(config, "block_device_driver", h->block_device_driver, disks, NULL,
				err);
	if (r == 0)
		r = keys_choose(config, "vm_rootfs_driver", h->vm_rootfs_driver, roots, NULL, err);
	if (r == 0)
		r = keys_check_memory(config, MEMORY_MIN, err);
	return r == 0 ? keys_check_vcpus(config, VCPUS_MAX, err) : r;
}

unsigned stratovirt_keys_caps(const struct config *config)
{
	return HV_CAP_BLOCK | HV_CAP_BLOCK_HOTPLUG | HV_CAP_NET | HV_CAP_PAUSE |
	       (shares(config) ? HV_CAP_FS_SHARE : 0);
}
