/* SPDX-License-Identifier: Apache-2.0 */
/* What keys mean to one another. */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/config/keys.h"

/* reconnect_timeout_ms when no file sets it. */
#define RECONNECT_MS 3000

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

static int check_annotations(const struct config_hypervisor *h, struct err *err)
{
	size_t i;

	for (i = 0; i < h->enable_annotations.n; i++) {
		auto_str struct str text = STR_INIT;
		char why[100];
		regex_t re;
		int code = regcomp(&re, h->enable_annotations.v[i], REG_EXTENDED | REG_NOSUB);

		if (code == 0) {
			regfree(&re);
			continue;
		}
		regerror(code, &re, why, sizeof(why));
		toml_quote(&text, h->enable_annotations.v[i], strlen(h->enable_annotations.v[i]));
		return err_set(err, EINVAL,
			       "hypervisor.%s.enable_annotations: %s is no regular expression: %s",
			       h->name, str_text(&text), why);
	}
	return 0;
}

void config_settle(struct config *config)
{
	struct config_agent *a = &config->agent;

	/*
	 * With both, one is for a single try of many, often 10 ms, and the other for
	 * all of them; the templates of the Rust runtime have both.
	 */
	if (a->dial_try_ms)
		a->dial_timeout_ms = a->dial_try_ms > a->reconnect_timeout_ms ?
					     a->dial_try_ms :
					     a->reconnect_timeout_ms;
	a->dial_try_ms = 0;
	if (!a->reconnect_timeout_ms)
		a->reconnect_timeout_ms = RECONNECT_MS;
}

enum log_level config_log_level(const struct config *config)
{
	enum log_level level = LOG_LEVEL_ERROR; /* for "critical" */

	if (config->runtime.enable_debug)
		return LOG_LEVEL_DEBUG;
	log_level_parse(config->runtime.log_level, &level);
	return level;
}

static int check_names(const struct config *config, struct err *err)
{
	const char *name = config->runtime.hypervisor_name;

	if (!*name || !strcmp(name, config->hypervisor.name))
		return 0;
	return err_set(err, EINVAL,
		       "runtime.hypervisor_name: \"%s\" is not the hypervisor of this "
		       "configuration, which has the table [hypervisor.%s]",
		       name, config->hypervisor.name);
}

int config_validate(const struct config *config, struct err *err)
{
	const struct config_runtime *r = &config->runtime;
	int ret = check_hypervisor(config, err);

	if (!ret)
		ret = check_annotations(&config->hypervisor, err);
	if (!ret)
		ret = check_names(config, err);
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
