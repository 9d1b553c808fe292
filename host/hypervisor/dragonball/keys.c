/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.dragonball] may say. A key without a rule here does what
 * the configuration file says of it, with this driver's machines or in the layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/dragonball/args.h"

/* Below this a guest kernel with its initrd does not come up; and the most processors. */
#define MEMORY_MIN_MIB 64
#define VCPUS_MAX      254

/* Only the default will do. */
static const struct rule {
	const char *key;
	const char *why; /* behind "KEY: is not supported: " */
} rules[] = {
	{ "ctlpath", "the monitor needs no other program to be told what to do" },
	{ "firmware", "the monitor boots the kernel itself, without a firmware" },
	{ "firmware_volume", "the monitor boots the kernel itself, without a firmware" },
	{ "pflashes", "the monitor boots the kernel itself, without a firmware" },
	{ "kernel_verity_params", "the root image is not verified block by block" },
	{ "rootless", "the monitor gives up its privileges by itself" },
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
	{ "disk_rate_limiter_bw_one_time_burst", "the limit holds from the start" },
	{ "disk_rate_limiter_ops_one_time_burst", "the limit holds from the start" },
	{ "network_queues", "the machine has no network interface" },
	{ "rx_rate_limiter_max_rate", "the machine has no network interface to limit" },
	{ "tx_rate_limiter_max_rate", "the machine has no network interface to limit" },
	{ "default_bridges", "the machine has no PCI bus" },
	{ "hot_plug_vfio", "devices of the host are not given to a guest" },
	{ "cold_plug_vfio", "devices of the host are not given to a guest" },
	{ "pcie_root_port", "the machine has no PCI bus" },
	{ "pcie_switch_port", "the machine has no PCI bus" },
	{ "entropy_source", "the guest's random numbers are those of the host's kernel" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
};

static int check_rules(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (!config_is_default(config, rules[i].key))
			return err_set(err, ENOTSUP,
				       "hypervisor.dragonball.%s: is not supported: %s",
				       rules[i].key, rules[i].why);
	return 0;
}

/* A string that may be one of some only. */
static int check_choice(const char *key, const char *value, const char *const *choices,
			struct err *err)
{
	auto_str struct str list = STR_INIT;

	for (size_t i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], value))
			return 0;
		if (*choices[i])
			str_printf(&list, "%s\"%s\"", list.len ? ", " : "", choices[i]);
	}
	return err_set(err, ENOTSUP, "hypervisor.dragonball.%s: \"%s\" is not supported (%s)", key,
		       value, str_text(&list));
}

static int check_choices(const struct config_hypervisor *h, struct err *err)
{
	static const char *const shares[] = { "inline-virtio-fs", "virtio-fs", "none", "", NULL };
	/* All of them mean the same: the machine's only bus. */
	static const char *const disks[] = { "virtio-blk-pci", "virtio-blk-mmio", "virtio-blk",
					     "virtio-mmio", NULL };
	static const char *const roots[] = { "", "virtio-blk-pci", "virtio-blk-mmio", "virtio-blk",
					     NULL };
	enum log_level level;
	int r = check_choice("shared_fs", h->shared_fs, shares, err);

	if (r == 0)
		r = check_choice("block_device_driver", h->block_device_driver, disks, err);
	if (r == 0)
		r = check_choice("vm_rootfs_driver", h->vm_rootfs_driver, roots, err);
	if (r == 0 && log_level_parse(h->log_level, &level) < 0)
		r = err_set(err, EINVAL,
			    "hypervisor.dragonball.log_level: \"%s\" is none of \"error\", "
			    "\"warn\", \"info\", \"debug\" and \"trace\"",
			    h->log_level);
	return r;
}

static int check_numbers(const struct config_hypervisor *h, struct err *err)
{
	if (h->default_memory < MEMORY_MIN_MIB)
		return err_set(err, EINVAL,
			       "hypervisor.dragonball.default_memory: %lld MiB are not enough, at "
			       "least %d are needed",
			       (long long)h->default_memory, MEMORY_MIN_MIB);
	if (h->default_maxmemory > 0 && h->default_maxmemory < h->default_memory)
		return err_set(err, EINVAL,
			       "hypervisor.dragonball.default_maxmemory: %lld MiB are less than "
			       "default_memory, %lld MiB",
			       (long long)h->default_maxmemory, (long long)h->default_memory);
	if (h->default_vcpus > VCPUS_MAX)
		return err_set(
			err, EINVAL,
			"hypervisor.dragonball.default_vcpus: %g are too many, a machine has "
			"at most %d",
			h->default_vcpus, VCPUS_MAX);
	if (h->disk_rate_limiter_bw_max_rate > 0 && h->disk_rate_limiter_bw_max_rate < 8)
		return err_set(err, EINVAL,
			       "hypervisor.dragonball.disk_rate_limiter_bw_max_rate: %lld bit/s "
			       "are less than a byte",
			       (long long)h->disk_rate_limiter_bw_max_rate);
	return 0;
}

int dragonball_keys_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = check_rules(config, err);

	if (r == 0)
		r = check_choices(h, err);
	return r < 0 ? r : check_numbers(h, err);
}

bool dragonball_shares(const struct config *config)
{
	const char *kind = config->hypervisor.shared_fs;

	return !strcmp(kind, "inline-virtio-fs") || !strcmp(kind, "virtio-fs");
}

unsigned dragonball_keys_caps(const struct config *config)
{
	return HV_CAP_BLOCK | HV_CAP_PAUSE | (dragonball_shares(config) ? HV_CAP_FS_SHARE : 0);
}
