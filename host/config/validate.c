/* SPDX-License-Identifier: Apache-2.0 */
/* What keys mean to one another. */
#include <errno.h>
#include <string.h>

#include "host/config/keys.h"

static int check_sector_size(const struct config *config, const char *name, int64_t size,
			     struct err *err)
{
	if (size == 0 || (size >= 512 && !(size & (size - 1))))
		return 0;
	return err_set(err, EINVAL,
		       "hypervisor.%s.%s: must be 0 or a power of two from 512 to 65536, not %lld",
		       config->hypervisor.name, name, (long long)size);
}

static int check_hypervisor(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	int ret;

	if (*h->image && *h->initrd)
		return err_set(err, EINVAL,
			       "hypervisor.%s: image and initrd are both set; the guest boots from "
			       "one, set the other to \"\"",
			       h->name);
	if (h->virtio_fs_queue_size & (h->virtio_fs_queue_size - 1))
		return err_set(err, EINVAL,
			       "hypervisor.%s.virtio_fs_queue_size: must be a power of two, not "
			       "%lld",
			       h->name, (long long)h->virtio_fs_queue_size);
	ret = check_sector_size(config, "block_device_logical_sector_size",
				h->block_device_logical_sector_size, err);
	if (!ret)
		ret = check_sector_size(config, "block_device_physical_sector_size",
					h->block_device_physical_sector_size, err);
	if (ret)
		return ret;
	if (h->block_device_physical_sector_size &&
	    h->block_device_logical_sector_size > h->block_device_physical_sector_size)
		return err_set(err, EINVAL,
			       "hypervisor.%s.block_device_logical_sector_size: is larger than "
			       "the physical one",
			       h->name);
	return 0;
}

int config_validate(const struct config *config, struct err *err)
{
	const struct config_runtime *r = &config->runtime;
	int ret = check_hypervisor(config, err);

	if (ret)
		return ret;
	if (r->disable_new_netns && strcmp(r->internetworking_model, "none") != 0)
		return err_set(err, EINVAL,
			       "runtime.disable_new_netns: works with internetworking_model = "
			       "\"none\" only, not \"%s\"",
			       r->internetworking_model);
	if (config->factory.enable_template && config->factory.vm_cache_number)
		return err_set(
			err, EINVAL,
			"factory: enable_template and vm_cache_number cannot be used together");
	return 0;
}
