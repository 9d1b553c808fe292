/* SPDX-License-Identifier: Apache-2.0 */
/* Before anything is started: whether all that a machine of QEMU's is made of is there. */
#include <errno.h>
#include <string.h>

#include "host/hypervisor/asset.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/virtiofsd.h"

static int check_root(const struct config_hypervisor *h, struct err *err)
{
	if (!*h->image && !*h->initrd)
		return err_set(err, EINVAL,
			       "hypervisor.qemu: neither image nor initrd is set, the guest has no "
			       "root file system");
	return *h->image ? asset_check_image("hypervisor.qemu.image", h->image, err) :
			   asset_check_file("hypervisor.qemu.initrd", h->initrd, err);
}

static int check_firmware(const struct config_hypervisor *h, struct err *err)
{
	int r = 0;

	if (*h->firmware)
		r = asset_check_file("hypervisor.qemu.firmware", h->firmware, err);
	if (r == 0 && *h->firmware_volume)
		r = asset_check_file("hypervisor.qemu.firmware_volume", h->firmware_volume, err);
	for (size_t i = 0; r == 0 && i < h->pflashes.n; i++)
		r = asset_check_file("hypervisor.qemu.pflashes", h->pflashes.v[i], err);
	return r;
}

int qemu_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int r = asset_check_program("hypervisor.qemu.path", h->path, err);

	if (r == 0)
		r = qemu_keys_check(config, err);
	if (r == 0)
		r = asset_check_kernel("hypervisor.qemu.kernel", h->kernel, err);
	if (r == 0)
		r = check_root(h, err);
	if (r == 0 && *h->entropy_source)
		r = asset_check_access("hypervisor.qemu.entropy_source", h->entropy_source, false,
				       err);
	if (r == 0 && *h->file_mem_backend)
		r = asset_check_access("hypervisor.qemu.file_mem_backend", h->file_mem_backend,
				       true, err);
	if (r == 0)
		r = check_firmware(h, err);
	if (r == 0 && !strcmp(h->shared_fs, "virtio-fs"))
		r = asset_check_program("hypervisor.qemu.virtio_fs_daemon", virtiofsd_path(config),
					err);
	return r;
}
