/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys of [hypervisor.qemu] may say. A key without a rule here does
 * what the configuration file says of it, with this driver's machines or in the
 * layers above.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/keys.h"
#include "host/hypervisor/qemu/parts.h"

static const struct key_refusal refusals[] = {
	{ "rootless", "QEMU runs as the user who runs the runtime" },
	{ "confidential_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "sev_snp_guest", "the guest's memory cannot be hidden from this runtime" },
	{ "enable_guest_swap", "the guest's memory is not extended by swap space" },
	{ "guest_memory_dump_path", "a guest that panics ends, with its last words in the error" },
	{ "enable_numa", "the guest has a single NUMA node" },
	{ "numa_mapping", "the guest has a single NUMA node" },
	{ "enable_vhost_user_store", "disks are served by QEMU itself" },
	{ "hot_plug_vfio", "devices of the host are not given to a guest" },
};

/* Refused where the machine lacks what it needs: PCI, or with @express that of PCI Express. */
static const struct {
	const char *key;
	bool express;
	const char *why; /* between "KEY: " and ", which a machine of the type" */
} pci_keys[] = {
	{ "enable_virtio_mem", false, "is a PCI device" },
	{ "virtio_fs_cache_size", false, "is a memory region of a PCI device" },
	{ "firmware_volume", false, "the machine has no flash memory" },
	{ "pflashes", false, "the machine has no flash memory" },

	{ "enable_iommu", true, "translates for devices of PCI Express" },
	{ "pcie_root_port", true, "is a port of PCI Express" },
	{ "pcie_switch_port", true, "is a port of PCI Express" },
	{ "cold_plug_vfio", true, "gives devices a port of PCI Express" },
};

static int check_pci(const struct config *config, const struct machine *m, struct err *err)
{
	const bool express = m->pci && !strcmp(m->pci, "pcie.0");

	for (size_t i = 0; i < ARRAY_SIZE(pci_keys); i++)
		if (!(pci_keys[i].express ? express : m->pci != NULL) &&
		    !config_is_default(config, pci_keys[i].key))
			return keys_error(config, ENOTSUP, pci_keys[i].key, err,
					  "%s, which a machine of the type %s does not have",
					  pci_keys[i].why, m->type);
	return 0;
}

static int check_disks(const struct config *config, const struct machine *m, struct err *err)
{
	static const char *const pci[] = { "virtio-scsi", "virtio-blk", "virtio-blk-pci", NULL };
	static const char *const mmio[] = { "virtio-scsi", "virtio-blk", "virtio-mmio",
					    "virtio-blk-mmio", NULL };
	static const char *const root_pci[] = { "", "virtio-pmem", "virtio-blk", "virtio-blk-pci",
						NULL };
	static const char *const root_mmio[] = { "", "virtio-blk", "virtio-blk-mmio", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	auto_free char *why = xasprintf("the machine is of the type %s", m->type);
	int r = keys_choose(config, "block_device_driver", h->block_device_driver,
			    m->pci ? pci : mmio, why, err);

	if (r == 0)
		r = keys_choose(config, "vm_rootfs_driver", h->vm_rootfs_driver,
				m->pci ? root_pci : root_mmio, why, err);
	return r;
}

static int check_share(const struct config *config, struct err *err)
{
	static const char *const kinds[] = { "virtio-fs", "none", "", NULL };

	return keys_choose(config, "shared_fs", config->hypervisor.shared_fs, kinds, NULL, err);
}

static int check_numbers(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = keys_check_memory(config, KEYS_MEMORY_MIN, err);

	if (r == 0 && h->memory_slots > 255)
		r = keys_error(config, EINVAL, "memory_slots", err,
			       "%lld are too many, QEMU has at most 255",
			       (long long)h->memory_slots);
	if (r == 0 && h->indep_iothreads > 64)
		r = keys_error(config, EINVAL, "indep_iothreads", err,
			       "%lld are too many, at most 64 are started",
			       (long long)h->indep_iothreads);
	return r;
}

static int check_firmware(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;

	if (*h->firmware_volume && !*h->firmware)
		return keys_error(config, EINVAL, "firmware_volume", err,
				  "holds the variables of a firmware, so firmware must be set as "
				  "well");
	return 0;
}

int qemu_keys_check(const struct config *config, struct err *err)
{
	static const char *const types[] = { "microvm", "q35", "pc", NULL };
	static const char *const ports[] = { "no-port", "root-port", NULL };
	const struct config_hypervisor *h = &config->hypervisor;
	const struct machine *m = machine_find(h->machine_type);
	int r;

	if (!m)
		return keys_choose(config, "machine_type", h->machine_type, types, NULL, err);
	r = keys_refuse(config, refusals, ARRAY_SIZE(refusals), err);
	if (r == 0)
		r = check_pci(config, m, err);
	if (r == 0)
		r = keys_choose(config, "cold_plug_vfio", h->cold_plug_vfio, ports, NULL, err);
	if (r == 0)
		r = check_share(config, err);
	if (r == 0)
		r = check_disks(config, m, err);
	if (r == 0)
		r = check_numbers(config, err);
	if (r == 0)
		r = check_firmware(config, err);
	return r < 0 ? r : args_check_verity(h, err);
}

unsigned qemu_keys_caps(const struct config *config)
{
	const struct config_hypervisor *h = &config->hypervisor;
	const struct machine *m = machine_find(h->machine_type);
	unsigned caps = qemu_forced_kvm(config) > 0 ? 0 : HV_CAP_EMULATE;

	caps |= HV_CAP_NET | HV_CAP_VHOST_NET;
	if (m && m->pci && h->default_bridges)
		caps |= HV_CAP_NET_HOTPLUG;
	if (strcmp(h->cold_plug_vfio, "no-port") != 0)
		caps |= HV_CAP_NET_DEVICE;
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
