/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that knows drivers by name. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/kvm_probe.h"

/* In the order in which they are shown; those without facts are for tests. */
static const struct hypervisor_ops *const drivers[] = {
	&hypervisor_qemu,	&hypervisor_dragonball, &hypervisor_clh,  &hypervisor_firecracker,
	&hypervisor_stratovirt, &hypervisor_acrn,	&hypervisor_fake,
};

const struct hypervisor_row *hypervisor_rows(void)
{
	static struct hypervisor_row rows[ARRAY_SIZE(drivers) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i]->facts)
			rows[n++] = (struct hypervisor_row){ drivers[i]->name, drivers[i]->facts,
							     drivers[i] };
	rows[n].name = NULL;
	return rows;
}

const struct hypervisor_row *hypervisor_row_find(const char *name)
{
	for (const struct hypervisor_row *row = hypervisor_rows(); row->name; row++) {
		const char *const *alias = row->facts->aliases;

		if (!strcmp(row->name, name) || !strcmp(row->facts->file, name))
			return row;
		for (; alias && *alias; alias++)
			if (!strcmp(*alias, name))
				return row;
	}
	return NULL;
}

const struct hypervisor_ops *hypervisor_find(const char *name, struct err *err)
{
	auto_str struct str names = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
		str_printf(&names, "%s%s", i ? ", " : "", drivers[i]->name);
	}
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

int hypervisor_check_host(const struct hypervisor_ops *ops, const struct config *config,
			  struct err *err)
{
	int fd;

	if (ops->host_check)
		return ops->host_check(err);
	if (hypervisor_caps(ops, config) & (HV_CAP_EMULATE | HV_CAP_LOCAL))
		return 0;
	fd = kvm_open(err);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

char *hypervisor_own_dir(const struct hypervisor_ops *ops, const struct vm_spec *spec)
{
	return ops->own_dir ? ops->own_dir(spec) : NULL;
}

char *hypervisor_program(const struct config *config)
{
	const struct hypervisor_ops *ops = hypervisor_find(config->hypervisor.name, NULL);

	return ops && ops->program ? ops->program(config) : xstrdup(config->hypervisor.path);
}
