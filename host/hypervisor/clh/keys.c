/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.clh] may say. A key without a rule here does what the
 * configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/clh/body.h"
#include "host/hypervisor/keys.h"

#define VCPUS_MAX 254

/* Only the default will do. */
static const struct key_refusal refusals[] = {
	{ "ctlpath", "Cloud Hypervisor needs no other program to be told what to do" },
	{ "firmware", "the kernel is booted directly, without a firmware" },
	{ "firmware_volume", "the kernel is booted directly, without a firmware" },
	{ "pflashes", "the kernel is booted directly, without a firmware" },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "rootless", "Cloud Hypervisor runs as the user who runs the runtime" },
	{ "confidential_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "sev_snp_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "file_mem_backend", "the guest's memory is in no file system" },
	{ "enable_virtio_mem", "memory is plugged in by ACPI" },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_iommu", "it would translate for devices of the host, and none is given to a "
			  "guest" },
	{ "enable_iommu_platform", "the machine has no IOMMU" },
	{ "virtio_fs_cache_size", "Cloud Hypervisor maps nothing of the host's page cache" },
	{ "enable_vhost_user_store", "disks are served by Cloud Hypervisor itself" },
	{ "block_device_cache_noflush", "Cloud Hypervisor always heeds the guest's flushes" },
	{ "block_device_logical_sector_size", "disks have the sectors of what is behind them" },
	{ "block_device_physical_sector_size", "disks have the sectors of what is behind them" },
	{ "enable_iothreads", "each queue of a disk has a thread of its own anyway" },
	{ "indep_iothreads", "each queue of a disk has a thread of its own anyway" },
	{ "rx_rate_limiter_max_rate", "net_rate_limiter_bw_max_rate is Cloud Hypervisor's" },
	{ "tx_rate_limiter_max_rate", "net_rate_limiter_bw_max_rate is Cloud Hypervisor's" },
	{ "default_bridges", "devices are plugged into the root bus" },
	{ "hot_plug_vfio", "devices of the host are not given to a guest" },
	{ "cold_plug_vfio", "devices of the host are not given to a guest" },
	{ "pcie_root_port", "devices are plugged into the root bus" },
	{ "pcie_switch_port", "devices are plugged into the root bus" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

static int check_choices(const struct config *config, struct err *err)
{
	static const char *const shares[] = { "virtio-fs", "none", "", NULL };
	static const char *const disks[] = { "virtio-blk", "virtio-blk-pci", NULL };
	static const char *const roots[] = { "", "virtio-pmem", "virtio-blk", "virtio-blk-pci",
					     NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_choose(config, "shared_fs", h->shared_fs, shares, NULL, err);

	if (r == 0)
		r = keys_choose(config, "block_device_driver", h->block_device_driver, disks, NULL,
				err);
	return r == 0 ? keys_choose(config, "vm_rootfs_driver", h->vm_rootfs_driver, roots, NULL,
				    err) :
			r;
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
		r = keys_check_rate(config, "net_rate_limiter_bw", h->net_rate_limiter_bw_max_rate,
				    h->net_rate_limiter_bw_one_time_burst, true, err);
	if (r == 0)
		r = keys_check_rate(config, "net_rate_limiter_ops",
				    h->net_rate_limiter_ops_max_rate,
				    h->net_rate_limiter_ops_one_time_burst, false, err);
	return r;
}

static int check_numbers(const struct config *config, struct err *err)
{
	const int64_t queue = config->hypervisor.queue_size;
	int r = keys_check_memory(config, KEYS_MEMORY_MIN, err);

	if (r == 0)
		r = keys_check_vcpus(config, VCPUS_MAX, err);
	if (r == 0 && (queue & (queue - 1)) != 0)
		r = keys_error(config, EINVAL, "queue_size", err, "%lld is no power of two",
			       (long long)queue);
	return r;
}

int clh_keys_check(const struct config *config, struct err *err)
{
	int r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);

	if (r == 0)
		r = check_choices(config, err);
	if (r == 0)
		r = check_numbers(config, err);
	return r == 0 ? check_rates(config, err) : r;
}

unsigned clh_memory_slots(const struct config *config)
{
	const int64_t slots = config->hypervisor.memory_slots;

	return slots < CLH_MEMORY_SLOTS ? (unsigned)slots : CLH_MEMORY_SLOTS;
}

unsigned clh_keys_caps(const struct config *config)
{
	unsigned caps = HV_CAP_BLOCK_HOTPLUG | HV_CAP_NET_HOTPLUG | HV_CAP_NET |
			HV_CAP_CPU_HOTPLUG | HV_CAP_PAUSE;

	if (!strcmp(config->hypervisor.shared_fs, "virtio-fs"))
		caps |= HV_CAP_FS_SHARE;
	if (clh_memory_slots(config) > 0)
		caps |= HV_CAP_MEM_HOTPLUG;
	return caps;
}
