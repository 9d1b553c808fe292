/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/args.h"

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
