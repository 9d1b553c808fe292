/* SPDX-License-Identifier: Apache-2.0 */
/* The machine itself: its type, processors, memory and firmware. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/huge_file.h"
#include "host/hypervisor/qemu/parts.h"

/*
 * All that TCG can do, but for the hint to move memory byte by byte: that is
 * how it is emulated then, and a boot takes a tenth longer.
 */
#define TCG_CPU "max,-erms,-fsrm"

/* NVDIMM needs room of its own in the address space, in MiB. */
#define NVDIMM_ROOM 1024

/* What no guest of ours looks at, and each costs time to emulate and to find. */
#define PC_OPTIONS ",smm=off,vmport=off,hpet=off"
/* There is no keyboard, and no bus but those that bridges lead to. */
#define PC_PARAMS "i8042.direct=1 i8042.dumbkbd=1 i8042.nopnp=1 i8042.noaux=1 pci=lastbus=0"

/* Of 32 slots the machine's own devices have two. */
#define PCI_PLACES 30

/* Two interrupt controllers, of which the second is there with ACPI. */
#define MMIO_PLACES 24

/*
 * microvm needs ACPI, by which the guest finds its mmio devices, and the RTC;
 * option ROMs only cost time. virtio-mmio speaks the version that vhost-user
 * devices need when it is told to.
 */
static const struct machine machines[] = {
	{ "microvm", ",acpi=on,rtc=on,x-option-roms=off", "device",
	  "virtio-mmio.force-legacy=false", NULL, "", MMIO_PLACES },
	{ "q35", PC_OPTIONS ",sata=off,smbus=off", "pci", NULL, "pcie.0", PC_PARAMS, PCI_PLACES },
	{ "pc", PC_OPTIONS, "pci", NULL, "pci.0", PC_PARAMS, PCI_PLACES },
};

const struct machine *machine_find(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (!strcmp(machines[i].type, type))
			return &machines[i];
	return NULL;
}

/* Call @each for the words of the comma-separated @list. */
static void each_word(const char *list, void (*each)(const char *word, void *arg), void *arg)
{
	auto_free char *copy = xstrdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		each(w, arg);
}

static void see_accel(const char *word, void *arg)
{
	int *kvm = arg;

	if (!strcmp(word, "kvm") || !strcmp(word, "accel=kvm"))
		*kvm = 1;
	else if (!strcmp(word, "tcg") || !strcmp(word, "accel=tcg"))
		*kvm = 0;
}

int qemu_forced_kvm(const struct config *config)
{
	int kvm = -1;

	each_word(config->hypervisor.machine_accelerators, see_accel, &kvm);
	return kvm;
}

/* What is no accelerator is an option of the machine. */
static void add_machine_option(const char *word, void *arg)
{
	int accel = -1;

	see_accel(word, &accel);
	if (accel < 0)
		str_printf(arg, ",%s", word);
}

bool args_memory_grows(const struct vm_spec *spec)
{
	return spec->size.max_memory > spec->size.memory;
}

void args_memory_backend(const struct config_hypervisor *h, bool shared, struct str *out)
{
	if (*h->file_mem_backend && !h->enable_hugepages) {
		auto_free char *path = args_escape(h->file_mem_backend);

		str_printf(out, "memory-backend-file,mem-path=%s", path);
	} else if (shared || h->enable_hugepages) {
		str_puts(out, "memory-backend-memfd");
	} else {
		str_puts(out, "memory-backend-ram");
	}
	if (h->enable_hugepages)
		str_puts(out, ",hugetlb=on");
	if (shared)
		str_puts(out, ",share=on");
}

static void add_memory(const struct vm_spec *spec, const struct qemu_facts *f,
		       const struct machine *m, struct str *machine, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	/* virtiofsd reads and writes the guest's memory. */
	bool shared = f->fs_fd >= 0, image = args_image_is_memory(h, f, m);
	auto_str struct str object = STR_INIT;
	unsigned long long memory = spec->size.memory, max = spec->size.max_memory;

	if (shared || *h->file_mem_backend || h->enable_hugepages || h->enable_mem_prealloc) {
		if (f->memory_fd >= 0)
			str_printf(
				&object,
				"memory-backend-file,mem-path=/proc/self/fd/%d,align=%lu,share=on",
				f->memory_fd, HUGE_FILE_ALIGN);
		else
			args_memory_backend(h, shared, &object);
		addf(argv, "-object", "%s,id=mem,size=%lluM%s", str_text(&object), memory,
		     h->enable_mem_prealloc || h->enable_hugepages ? ",prealloc=on" : "");
		str_puts(machine, ",memory-backend=mem");
	}
	if (m->pci && (args_memory_grows(spec) || image)) {
		/* Whole blocks are plugged in, so the last one may go past the end. */
		max += (QEMU_MEMORY_BLOCK - (max - memory) % QEMU_MEMORY_BLOCK) % QEMU_MEMORY_BLOCK;
		max += (unsigned long long)h->memory_offset;
		if (image)
			max += NVDIMM_ROOM + (f->image_size >> 20);
		addf(argv, "-m", "%lluM,slots=%lld,maxmem=%lluM", memory,
		     (long long)h->memory_slots + image, max);
	} else {
		addf(argv, "-m", "%lluM", memory);
	}
}

/* What the guest can be given and can be asked to give back while it runs. */
void args_add_virtio_mem(const struct vm_spec *spec, const struct qemu_facts *f,
			 const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str object = STR_INIT;

	if (args_virtio_mem(spec) == 0)
		return;
	args_memory_backend(h, f->fs_fd >= 0, &object);
	/* Nothing is taken from the host before it is plugged in. */
	addf(argv, "-object", "%s,id=virtiomem,size=%lluM,reserve=off", str_text(&object),
	     (unsigned long long)(args_virtio_mem(spec)));
	addf(argv, "-device", "virtio-mem-pci,id=" QEMU_ID_VIRTIO_MEM ",memdev=virtiomem%s%s",
	     h->enable_mem_prealloc || h->enable_hugepages ? ",prealloc=on" : "",
	     args_virtio(h, m));
}

uint64_t args_virtio_mem(const struct vm_spec *spec)
{
	uint64_t size = spec->size.max_memory - spec->size.memory;

	/* The last block may go past the end, or what is in it could not be had. */
	size = (size + QEMU_MEMORY_BLOCK - 1) / QEMU_MEMORY_BLOCK * QEMU_MEMORY_BLOCK;
	return spec->config->hypervisor.enable_virtio_mem ? size : 0;
}

static void add_cpus(const struct vm_spec *spec, const struct qemu_facts *f, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	addf(argv, "-cpu", "%s%s%s", f->kvm ? "host" : TCG_CPU, *h->cpu_features ? "," : "",
	     h->cpu_features);
	/* In one socket: the guest measures the time stamp counter once for each. */
	if (spec->size.max_vcpus > spec->size.vcpus)
		addf(argv, "-smp", "%u,maxcpus=%u,sockets=1,cores=%u,threads=1", spec->size.vcpus,
		     spec->size.max_vcpus, spec->size.max_vcpus);
	else
		addf(argv, "-smp", "%u", spec->size.vcpus);
}

static void add_flash(const char *path, bool read_only, unsigned unit, struct strv *argv)
{
	auto_free char *file = args_escape(path);

	addf(argv, "-drive", "if=pflash,unit=%u,format=raw,%s,file=%s", unit,
	     /* Machines share the file, so none may write to it. */
	     read_only ? "readonly=on" : "snapshot=on", file);
}

/* A firmware that keeps its variables in a volume is flash memory itself. */
static void add_firmware(const struct config_hypervisor *h, struct strv *argv)
{
	unsigned unit = 0;

	if (*h->firmware_volume) {
		add_flash(h->firmware, true, unit++, argv);
		add_flash(h->firmware_volume, false, unit++, argv);
	} else if (*h->firmware) {
		addf(argv, "-bios", "%s", h->firmware);
	}
	for (size_t i = 0; i < h->pflashes.n; i++)
		add_flash(h->pflashes.v[i], false, unit++, argv);
}

void args_machine(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		  struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str machine = STR_INIT;

	str_printf(&machine, "%s,accel=%s%s", m->type, f->kvm ? "kvm" : "tcg", m->options);
	if (args_image_is_memory(h, f, m))
		str_puts(&machine, ",nvdimm=on");
	/* Interrupts that the IOMMU remaps are not KVM's alone. */
	if (h->enable_iommu && f->kvm)
		str_puts(&machine, ",kernel_irqchip=split");
	add_memory(spec, f, m, &machine, argv);
	/* The user's own come last, and so win. */
	each_word(h->machine_accelerators, add_machine_option, &machine);
	addf(argv, "-machine", "%s", str_text(&machine));
	if (m->global)
		addf(argv, "-global", "%s", m->global);
	add_cpus(spec, f, argv);
	add_firmware(h, argv);
}
