/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/qemu/parts.h"

char *args_escape(const char *value)
{
	struct str out = STR_INIT;

	for (; *value; value++) {
		if (*value == ',')
			str_putc(&out, ',');
		str_putc(&out, *value);
	}
	return str_take(&out);
}

const char *args_virtio(const struct config_hypervisor *h, const struct machine *m)
{
	if (!h->enable_iommu_platform)
		return "";
	return m->pci ? ",disable-legacy=on,iommu_platform=on" : ",iommu_platform=on";
}

static void add_kernel(const struct vm_spec *spec, const struct qemu_facts *f,
		       const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str params = STR_INIT;

	args_kernel_params(spec, f, m, &params);
	addf(argv, "-kernel", "%s", h->kernel);
	if (*h->initrd)
		addf(argv, "-initrd", "%s", h->initrd);
	addf(argv, "-append", "%s", str_text(&params));
}

void qemu_args(const struct vm_spec *spec, const struct qemu_facts *f, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	const struct machine *m = machine_find(h->machine_type);

	strv_add(argv, h->path);
	addf(argv, "-name", "sandbox-%s%s", spec->id, h->enable_debug ? ",debug-threads=on" : "");
	args_machine(spec, f, m, argv);
	strv_add(argv, "-nodefaults");
	strv_add(argv, "-no-user-config");
	strv_add(argv, "-no-reboot");
	addf(argv, "-display", "none");
	if (*h->seccompsandbox)
		addf(argv, "-sandbox", "%s", h->seccompsandbox);
	addf(argv, "-chardev", "socket,id=qmp,fd=%d", f->qmp_fd);
	addf(argv, "-mon", "chardev=qmp,mode=control");
	addf(argv, "-chardev", "socket,id=console,fd=%d", f->console_fd);
	addf(argv, "-serial", "chardev:console");
	args_devices(spec, f, m, argv);
	args_block(spec, f, m, argv);
	add_kernel(spec, f, m, argv);
}

/* On PCI what hangs behind another device names its bus. */
static bool takes_place(const char *device, const struct machine *m)
{
	auto_free char *type = xstrdup(device), *bus = m->pci ? xasprintf(",bus=%s", m->pci) : NULL;

	type[strcspn(type, ",")] = '\0';
	if (!m->pci)
		return str_ends(type, "-device");
	if (strstr(device, ",bus=") && !strstr(device, bus))
		return false;
	return str_ends(type, "-pci") || !strcmp(type, "pci-bridge") ||
	       !strcmp(type, "pcie-root-port");
}

int qemu_args_fit(const struct vm_spec *spec, const struct strv *argv, struct err *err)
{
	const struct machine *m = machine_find(spec->config->hypervisor.machine_type);
	unsigned n = 0;

	for (size_t i = 1; i < argv->n; i++)
		n += !strcmp(argv->v[i - 1], "-device") && takes_place(argv->v[i], m);
	if (n <= m->places)
		return 0;
	return err_set(
		err, ENOSPC,
		"a machine of type %s has room for %u devices, and this one would have %u, of "
		"which %zu are network cards",
		m->type, m->places, n, spec->n_nets);
}

void qemu_args_quote(const struct strv *argv, struct str *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=:,./@%";

	for (size_t i = 0; i < argv->n; i++) {
		const char *w = argv->v[i];

		if (i)
			str_putc(out, ' ');
		if (*w && w[strspn(w, plain)] == '\0') {
			str_puts(out, w);
			continue;
		}
		str_putc(out, '\'');
		for (; *w; w++) {
			if (*w == '\'')
				str_puts(out, "'\\''");
			else
				str_putc(out, *w);
		}
		str_putc(out, '\'');
	}
}
