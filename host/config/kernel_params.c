/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/config/config.h"

static void add(struct str *out, const char *param)
{
	if (out->len)
		str_putc(out, ' ');
	str_puts(out, param);
}

static void add_text(struct str *out, const char *name, const char *value)
{
	if (out->len)
		str_putc(out, ' ');
	str_printf(out, "%s=%s", name, value);
}

static void add_number(struct str *out, const char *name, int64_t value)
{
	if (out->len)
		str_putc(out, ' ');
	str_printf(out, "%s=%lld", name, (long long)value);
}

/* The order is Kata's, and kata-env shows it. */
void config_kernel_params(const struct config *config, struct str *out)
{
	const struct config_hypervisor *h = &config->hypervisor;
	const struct config_agent *a = &config->agent;

	if (*h->image) {
		/* The image has systemd as its init, an initrd the agent. */
		add(out, "systemd.unit=kata-containers.target");
		add(out, "systemd.mask=systemd-networkd.service");
		add(out, "systemd.mask=systemd-networkd.socket");
	}
	if (!strcmp(h->block_device_driver, "virtio-scsi"))
		add(out, "scsi_mod.scan=none");
	if (a->enable_debug)
		add(out, "agent.log=debug");
	else if (strcmp(a->log_level, "info") != 0)
		add_text(out, "agent.log", a->log_level);
	if (a->enable_tracing)
		add(out, "agent.trace=true");
	if (a->container_pipe_size)
		add_number(out, "agent.container_pipe_size", a->container_pipe_size);
	if (a->debug_console_enabled) {
		add(out, "agent.debug_console");
		add(out, "agent.debug_console_vport=1026");
	}
	if (a->cdh_api_timeout_ms)
		add_number(out, "agent.cdh_api_timeout", (a->cdh_api_timeout_ms + 999) / 1000);
	if (a->launch_process_timeout)
		add_number(out, "agent.launch_process_timeout", a->launch_process_timeout);
	if (*h->kernel_params)
		add(out, h->kernel_params);
}
