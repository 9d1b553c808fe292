/* SPDX-License-Identifier: Apache-2.0 */
/* Before anything is started: where the monitor is, and whether all that it needs is there. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/program.h"
#include "host/hypervisor/asset.h"
#include "host/hypervisor/dragonball/args.h"
#include "host/hypervisor/dragonball/handover.h"
#include "host/hypervisor/virtiofsd.h"

/* The configuration of the original has no path; a path there means another build of the same. */
char *dragonball_program(const struct config *config)
{
	const char *path = config->hypervisor.path;
	auto_free char *own = *path ? NULL : own_program(VMM_PROGRAM, "../../vmm"), *real = NULL;

	if (!own)
		return xstrdup(path);
	real = strchr(own, '/') ? path_real(own, NULL) : NULL;
	return real ? take_ptr(real) : xstrdup("/usr/libexec/kata-containers/" VMM_PROGRAM);
}

static int check_root(const struct config_hypervisor *h, struct err *err)
{
	if (!*h->image && !*h->initrd)
		return err_set(err, EINVAL,
			       "hypervisor.dragonball: neither image nor initrd is set, the guest "
			       "has no root file system");
	return *h->image ? asset_check_image("hypervisor.dragonball.image", h->image, err) :
			   asset_check_file("hypervisor.dragonball.initrd", h->initrd, err);
}

int dragonball_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	auto_free char *path = dragonball_program(config);
	int r = asset_check_program("hypervisor.dragonball.path", path, err);

	if (r == 0)
		r = dragonball_keys_check(config, err);
	if (r == 0)
		r = asset_check_vmlinux("hypervisor.dragonball.kernel", h->kernel, err);
	if (r == 0)
		r = check_root(h, err);
	if (r == 0 && dragonball_shares(config))
		r = asset_check_program("hypervisor.dragonball.virtio_fs_daemon",
					virtiofsd_path(config), err);
	return r;
}
