/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows drivers by name. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/hypervisor.h"

static const struct hypervisor_ops *const drivers[] = {
	&hypervisor_qemu,
	&hypervisor_dragonball,
	&hypervisor_fake,
};

/* Tables that a configuration may have and that no driver here serves. */
static const char *const without_driver[] = {
	"clh",
	"firecracker",
	"stratovirt",
	"acrn",
};

static bool is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(without_driver); i++)
		if (!strcmp(without_driver[i], name))
			return true;
	return false;
}

const struct hypervisor_ops *hypervisor_find(const char *name, struct err *err)
{
	auto_str struct str names = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
		str_printf(&names, "%s%s", i ? ", " : "", drivers[i]->name);
	}
	if (is_known(name))
		err_set(err, ENOTSUP,
			"hypervisor \"%s\" has no driver in this version (drivers: %s)", name,
			str_text(&names));
	else
		err_set(err, ENOENT, "hypervisor \"%s\" is not known (drivers: %s)", name,
			str_text(&names));
	return NULL;
}

const struct hypervisor_ops *hypervisor_for(const struct config *config, struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor_find(config->hypervisor.name, err);

	if (!ops || ops->check(config, err) < 0 || config_supported(config, err) < 0)
		return NULL;
	return ops;
}

unsigned hypervisor_caps(const struct hypervisor_ops *ops, const struct config *config)
{
	return ops->caps & (ops->caps_for ? ops->caps_for(config) : ~0U);
}

char *hypervisor_program(const struct config *config)
{
	const struct hypervisor_ops *ops = hypervisor_find(config->hypervisor.name, NULL);

	return ops && ops->program ? ops->program(config) : xstrdup(config->hypervisor.path);
}
