/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that build QEMU's command line share among themselves. */
#ifndef HOST_HYPERVISOR_QEMU_PARTS_H
#define HOST_HYPERVISOR_QEMU_PARTS_H

#include "host/hypervisor/qemu/args.h"

/* A machine type and how its devices are named. */
struct machine {
	const char *type;
	const char *options; /* behind the type */
	const char *bus;     /* suffix of the virtio devices' names */
	const char *global;
	const char *pci; /* its root bus, or NULL: it has none */
	const char *kernel_params;
	unsigned places; /* for devices */
};

/* NULL when there is none of that name. */
const struct machine *machine_find(const char *type);

#define addf(argv, option, ...)               \
	do {                                  \
		strv_add(argv, option);       \
		strv_addf(argv, __VA_ARGS__); \
	} while (0)

/* What every virtio device gets; the older version of the protocol knows no IOMMU. */
const char *args_virtio(const struct config_hypervisor *h, const struct machine *m);

/* In an option's value a comma is written twice. The caller frees. */
char *args_escape(const char *value);

/* -machine, -cpu, -smp, -m, the memory, the firmware (machine.c) */
void args_machine(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		  struct strv *argv);

/* Whether there is room to plug memory in. */
bool args_memory_grows(const struct vm_spec *spec);

/* The size of the virtio-mem device, in MiB; 0: there is none. */
uint64_t args_virtio_mem(const struct vm_spec *spec);

/* That device, if there is one. It takes a slot, so those that are fixed go first. */
void args_add_virtio_mem(const struct vm_spec *spec, const struct qemu_facts *f,
			 const struct machine *m, struct strv *argv);

/* The properties of memory that the guest uses: where it lies, who sees it. */
void args_memory_backend(const struct config_hypervisor *h, bool shared, struct str *out);

/* Buses, serial ports, shared folder, random numbers (devices.c) */
void args_devices(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		  struct strv *argv);

/* -append (cmdline.c) */
void args_kernel_params(const struct vm_spec *spec, const struct qemu_facts *f,
			const struct machine *m, struct str *out);

/* 0, or -EINVAL: kernel_verity_params has no such form. */
int args_check_verity(const struct config_hypervisor *h, struct err *err);

/* The root image, and what disks that come later need (block.c) */
void args_block(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		struct strv *argv);

/* Whether the root image becomes persistent memory (/dev/pmem0) or a disk (/dev/vda). */
bool args_image_is_memory(const struct config_hypervisor *h, const struct qemu_facts *f,
			  const struct machine *m);

#endif
