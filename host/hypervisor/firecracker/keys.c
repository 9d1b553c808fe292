/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.firecracker] may say. A key without a rule here does what
 * the configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/firecracker/body.h"
#include "host/hypervisor/keys.h"

#define VCPUS_MAX  32
#define MEMORY_MIN 128

/* Only the default will do. */
static const struct key_refusal refusals[] = {
	{ "ctlpath", "Firecracker needs no other program to be told what to do" },
	{ "firmware", "Firecracker boots the kernel itself, without a firmware" },
	{ "firmware_volume", "Firecracker boots the kernel itself, without a firmware" },
	{ "pflashes", "Firecracker boots the kernel itself, without a firmware" },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "rootless", "the jailer confines Firecracker, which needs root" },
	{ "confidential_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "sev_snp_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "disable_nested_virtualization", "the guest has what the host's KVM gives it" },
	{ "memory_slots", "no memory is plugged into a running machine" },
	{ "memory_offset", "the machine has no devices that are like memory" },
	{ "enable_mem_prealloc", "the guest's memory is taken when it is touched" },
	{ "file_mem_backend", "the guest's memory is in no file system" },
	{ "enable_virtio_mem", "the machine keeps the memory that it starts with" },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "reclaim_guest_freed_memory", "the machine has no balloon" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_iommu", "the machine has no IOMMU" },
	{ "enable_iommu_platform", "the machine has no IOMMU" },
	{ "shared_fs", "Firecracker shares no files with its guest" },
	{ "virtio_fs_daemon", "Firecracker shares no files with its guest" },
	{ "virtio_fs_cache_size", "Firecracker shares no files with its guest" },
	{ "msize_9p", "Firecracker shares no files with its guest" },
	{ "block_device_cache_direct", "Firecracker reads and writes through the host's page "
				       "cache" },
	{ "block_device_logical_sector_size", "disks have sectors of 512 bytes" },
	{ "block_device_physical_sector_size", "disks have sectors of 512 bytes" },
	{ "enable_iothreads", "disks are served by Firecracker's one thread" },
	{ "indep_iothreads", "disks are served by Firecracker's one thread" },
	{ "enable_vhost_user_store", "disks are served by Firecracker itself" },
	{ "queue_size", "the length of the disks' queues is fixed" },
	{ "num_queues", "disks have one queue" },
	{ "network_queues", "network interfaces have one pair of queues" },
	{ "net_rate_limiter_bw_max_rate", "rx_ and tx_rate_limiter_max_rate are Firecracker's" },
	{ "net_rate_limiter_ops_max_rate", "rx_ and tx_rate_limiter_max_rate are Firecracker's" },
	{ "default_bridges", "the machine has no PCI bus" },
	{ "hot_plug_vfio", "devices of the host are not given to a guest" },
	{ "cold_plug_vfio", "devices of the host are not given to a guest" },
	{ "pcie_root_port", "the machine has no PCI bus" },
	{ "pcie_switch_port", "the machine has no PCI bus" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

static int check_choices(const struct config *config, struct err *err)
{
	/* All of them mean the same: the machine's only bus. */
	static const char *const disks[] = { "virtio-mmio", "virtio-blk-mmio", "virtio-blk", NULL };
	static const char *const sources[] = { "/dev/urandom", "", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_choose(config, "block_device_driver", h->block_device_driver, disks, NULL,
			    err);

	if (r == 0)
		r = keys_choose(config, "entropy_source", h->entropy_source, sources,
				"Firecracker asks the host's kernel for random numbers", err);
	return r;
}

static int check_rates(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_check_rate(config, "disk_rate_limiter_bw", h->disk_rate_limiter_bw_max_rate,
				h->disk_rate_limiter_bw_one_time_burst, true, err);

	if (r == 0)
		r = keys_check_rate(config, "disk_rate_limiter_ops",
				    h->disk_rate_limiter_ops_max_rate,
				    h->disk_rate_limiter_ops_one_time_burst, false, err);
	if (r == 0)
		r = keys_check_rate(config, "rx_rate_limiter", h->rx_rate_limiter_max_rate, 0, true,
				    err);
	if (r == 0)
		r = keys_check_rate(config, "tx_rate_limiter", h->tx_rate_limiter_max_rate, 0, true,
				    err);
	return r;
}

int fc_keys_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);

	if (r == 0)
		r = check_choices(config, err);
	if (r == 0)
		r = keys_check_memory(config, MEMORY_MIN, err);
	if (r == 0)
		r = keys_check_vcpus(config, VCPUS_MAX, err);
	if (r == 0 && h->enable_hugepages && h->default_memory % 2)
		r = keys_error(config, EINVAL, "default_memory", err,
			       "%lld MiB are no multiple of a huge page, 2 MiB",
			       (long long)h->default_memory);
	return r == 0 ? check_rates(config, err) : r;
}
