/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices that are there from the start: the root image, and a controller for later ones. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/qemu/parts.h"

/* An NVDIMM is made of whole pages of this size. */
#define NVDIMM_ALIGN (UINT64_C(2) << 20)

bool args_image_is_memory(const struct config_hypervisor *h, const struct qemu_facts *f,
			  const struct machine *m)
{
	if (!*h->image || !m->pci || f->image_size == 0 || f->image_size % NVDIMM_ALIGN)
		return false;
	/* The Rust runtime's key, and the Go runtime's. */
	if (*h->vm_rootfs_driver)
		return !strcmp(h->vm_rootfs_driver, "virtio-pmem");
	return !h->disable_image_nvdimm;
}

static void add_nvdimm(const struct config_hypervisor *h, const struct qemu_facts *f,
		       struct strv *argv)
{
	auto_free char *path = args_escape(h->image);

	/* Shared: all machines have the same pages of the host's cache. */
	addf(argv, "-object",
	     "memory-backend-file,id=image,mem-path=%s,size=%llu,share=on,readonly=on", path,
	     (unsigned long long)f->image_size);
	strv_add(argv, "-device");
	strv_add(argv, "nvdimm,id=nv0,memdev=image,unarmed=on");
}

static void add_disk(const struct config_hypervisor *h, const struct machine *m, struct strv *argv)
{
	auto_free char *path = args_escape(h->image);

	addf(argv, "-blockdev", "driver=file,node-name=image-file,filename=%s,read-only=on", path);
	addf(argv, "-blockdev", "driver=raw,node-name=image,file=image-file,read-only=on");
	addf(argv, "-device", "virtio-blk-%s,drive=image,id=image,share-rw=on%s", m->bus,
	     args_virtio(h, m));
}

void args_block(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	if (h->enable_iothreads)
		addf(argv, "-object", "iothread,id=" QEMU_ID_IOTHREAD);
	for (int64_t i = 0; i < h->indep_iothreads; i++)
		addf(argv, "-object", "iothread,id=" QEMU_ID_INDEP_IOTHREAD "%lld", (long long)i);
	if (!strcmp(h->block_device_driver, "virtio-scsi"))
		addf(argv, "-device", "virtio-scsi-%s,id=" QEMU_ID_SCSI "%s%s", m->bus,
		     h->enable_iothreads ? ",iothread=" QEMU_ID_IOTHREAD : "", args_virtio(h, m));
	if (args_image_is_memory(h, f, m))
		add_nvdimm(h, f, argv);
	else if (*h->image)
		add_disk(h, m, argv);
}
