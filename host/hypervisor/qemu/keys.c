/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.qemu] may say. A key without a rule here does
 * what the configuration file says of it, with this driver's machines or in the
 * layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/qemu/parts.h"

/* Below this a guest kernel with its initrd does not come up. */
#define MEMORY_MIN_MIB 64

enum rule_kind {
	NEVER,	   /* only the default will do */
	NEEDS_PCI, /* only the default will do on a machine without PCI */
	NEEDS_PCIE /* nor on one whose PCI is not Express */
};

struct rule {
	const char *key;
	enum rule_kind kind;
	const char *why; /* behind "KEY: is not supported: " */
};

static const struct rule rules[] = {
	{ "rootless", NEVER, "QEMU runs as the user who runs the runtime" },
	{ "confidential_guest", NEVER, "the guest's memory cannot be hidden from this runtime" },
	{ "sev_snp_guest", NEVER, "the guest's memory cannot be hidden from this runtime" },
	{ "enable_guest_swap", NEVER, "the guest's memory is not extended by swap space" },
	{ "guest_memory_dump_path", NEVER,
	  "a guest that panics ends, with its last words in the error" },
	{ "enable_numa", NEVER, "the guest has a single NUMA node" },
	{ "numa_mapping", NEVER, "the guest has a single NUMA node" },
	{ "enable_vhost_user_store", NEVER, "disks are served by QEMU itself" },
	{ "hot_plug_vfio", NEVER, "devices of the host are not given to a guest" },
	{ "cold_plug_vfio", NEVER, "devices of the host are not given to a guest" },
	{ "rx_rate_limiter_max_rate", NEVER, "the machine has no network interface to limit" },
	{ "tx_rate_limiter_max_rate", NEVER, "the machine has no network interface to limit" },

	{ "enable_virtio_mem", NEEDS_PCI, "is a PCI device" },
	{ "virtio_fs_cache_size", NEEDS_PCI, "is a memory region of a PCI device" },
	{ "firmware_volume", NEEDS_PCI, "the machine has no flash memory" },
	{ "pflashes", NEEDS_PCI, "the machine has no flash memory" },

	{ "enable_iommu", NEEDS_PCIE, "translates for devices of PCI Express" },
	{ "pcie_root_port", NEEDS_PCIE, "is a port of PCI Express" },
	{ "pcie_switch_port", NEEDS_PCIE, "is a port of PCI Express" },
};

static int check_rules(const struct config *config, const struct machine *m, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];

		if ((r->kind == NEEDS_PCI && m->pci) ||
		    (r->kind == NEEDS_PCIE && m->pci && !strcmp(m->pci, "pcie.0")) ||
		    config_is_default(config, r->key))
			continue;
		if (r->kind != NEVER)
			return err_set(
				err, ENOTSUP,
				"hypervisor.qemu.%s: %s, which a machine of the type %s does "
				"not have",
				r->key, r->why, m->type);
		return err_set(err, ENOTSUP, "hypervisor.qemu.%s: is not supported: %s", r->key,
			       r->why);
	}
	return 0;
}

/* A string that may be one of some only. */
static int check_choice(const char *key, const char *value, const char *const *choices,
			const char *why, struct err *err)
{
	auto_str struct str list = STR_INIT;

	for (size_t i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], value))
			return 0;
		if (*choices[i])
			str_printf(&list, "%s\"%s\"", list.len ? ", " : "", choices[i]);
	}
	return err_set(err, ENOTSUP, "hypervisor.qemu.%s: \"%s\" is not supported%s%s (%s)", key,
		       value, *why ? ": " : "", why, str_text(&list));
}

static int check_disks(const struct config_hypervisor *h, const struct machine *m, struct err *err)
{
	static const char *const pci[] = { "virtio-scsi", "virtio-blk", "virtio-blk-pci", NULL };
	static const char *const mmio[] = { "virtio-scsi", "virtio-blk", "virtio-mmio",
					    "virtio-blk-mmio", NULL };
	static const char *const root_pci[] = { "", "virtio-pmem", "virtio-blk", "virtio-blk-pci",
						NULL };
	static const char *const root_mmio[] = { "", "virtio-blk", "virtio-blk-mmio", NULL };
	auto_free char *why = xasprintf("the machine is of the type %s", m->type);
	int r = check_choice("block_device_driver", h->block_device_driver, m->pci ? pci : mmio,
			     why, err);

	if (r == 0)
		r = check_choice("vm_rootfs_driver", h->vm_rootfs_driver,
				 m->pci ? root_pci : root_mmio, why, err);
	return r;
}

static int check_share(const struct config_hypervisor *h, struct err *err)
{
	static const char *const kinds[] = { "virtio-fs", "none", "", NULL };

	return check_choice("shared_fs", h->shared_fs, kinds, "", err);
}

static int check_numbers(const struct config_hypervisor *h, struct err *err)
{
	if (h->default_memory < MEMORY_MIN_MIB)
		return err_set(
			err, EINVAL,
			"hypervisor.qemu.default_memory: %lld MiB are not enough, at least %d "
			"are needed",
			(long long)h->default_memory, MEMORY_MIN_MIB);
	if (h->default_maxmemory > 0 && h->default_maxmemory < h->default_memory)
		return err_set(err, EINVAL,
			       "hypervisor.qemu.default_maxmemory: %lld MiB are less than "
			       "default_memory, %lld MiB",
			       (long long)h->default_maxmemory, (long long)h->default_memory);
	if (h->memory_slots > 255)
		return err_set(
			err, EINVAL,
			"hypervisor.qemu.memory_slots: %lld are too many, QEMU has at most 255",
			(long long)h->memory_slots);
	if (h->indep_iothreads > 64)
		return err_set(err, EINVAL,
			       "hypervisor.qemu.indep_iothreads: %lld are too many, at most 64 are "
			       "started",
			       (long long)h->indep_iothreads);
	return 0;
}

static int check_firmware(const struct config_hypervisor *h, struct err *err)
{
	if (*h->firmware_volume && !*h->firmware)
		return err_set(
			err, EINVAL,
			"hypervisor.qemu.firmware_volume: holds the variables of a firmware, "
			"so firmware must be set as well");
	return 0;
}

int qemu_keys_check(const struct config *config, struct err *err)
{
	static const char *const types[] = { "microvm", "q35", "pc", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	const struct machine *m = machine_find(h->machine_type);
	int r;

	if (!m)
		return check_choice("machine_type", h->machine_type, types, "", err);
	r = check_rules(config, m, err);
	if (r == 0)
		r = check_share(h, err);
	if (r == 0)
		r = check_disks(h, m, err);
	if (r == 0)
		r = check_numbers(h, err);
	if (r == 0)
		r = check_firmware(h, err);
	return r < 0 ? r : args_check_verity(h, err);
}

unsigned qemu_keys_caps(const struct config *config)
{
	const struct config_hypervisor *h = &config->hypervisor;
	const struct machine *m = machine_find(h->machine_type);
	unsigned caps = qemu_forced_kvm(config) > 0 ? 0 : HV_CAP_EMULATE;

	if (!strcmp(h->shared_fs, "virtio-fs"))
		caps |= HV_CAP_FS_SHARE;
	/* A SCSI controller takes disks on any machine, a bridge only where there is PCI. */
	if (!strcmp(h->block_device_driver, "virtio-scsi") || (m && m->pci && h->default_bridges))
		caps |= HV_CAP_BLOCK_HOTPLUG;
	if (m && m->pci)
		caps |= HV_CAP_CPU_HOTPLUG;
	if (m && m->pci && (h->memory_slots > 0 || h->enable_virtio_mem))
		caps |= HV_CAP_MEM_HOTPLUG;
	return caps;
}
