/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Below this a guest kernel with its initrd does not come up. */
#define MEMORY_MIN_MIB 64

/*
 * All that TCG can do, but for the hint to move memory byte by byte: that is
 * how it is emulated then, and a boot takes a tenth longer.
 */
#define TCG_CPU "max,-erms,-fsrm"

/*
 * A machine type and how its devices are named. @options go behind the type.
 *
 * microvm needs ACPI, by which the guest finds its mmio devices, and the RTC;
 * option ROMs only cost time. virtio-mmio speaks the version that vhost-user
 * devices need when it is told to.
 */
struct machine {
	const char *type;
	const char *options;
	const char *bus; /* suffix of the virtio devices' names */
	const char *global;
};

static const struct machine machines[] = {
	{ "microvm", ",acpi=on,rtc=on,x-option-roms=off", "device",
	  "virtio-mmio.force-legacy=false" },
	{ "q35", "", "pci", NULL },
	{ "pc", "", "pci", NULL },
};

static const struct machine *find_machine(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (!strcmp(machines[i].type, type))
			return &machines[i];
	return NULL;
}

/* Call @each for the words of the comma-separated @list. */
static void each_word(const char *list, void (*each)(const char *word, void *arg), void *arg)
{
	auto_free char *copy = xstrdup(list);
	char *save = NULL;

	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		each(w, arg);
}

static void see_accel(const char *word, void *arg)
{
	int *kvm = arg;

	if (!strcmp(word, "kvm") || !strcmp(word, "accel=kvm"))
		*kvm = 1;
	else if (!strcmp(word, "tcg") || !strcmp(word, "accel=tcg"))
		*kvm = 0;
}

int qemu_forced_kvm(const struct config *config)
{
	int kvm = -1;

	each_word(config->hypervisor.machine_accelerators, see_accel, &kvm);
	return kvm;
}

/* What is no accelerator is an option of the machine. */
static void add_machine_option(const char *word, void *arg)
{
	int accel = -1;

	see_accel(word, &accel);
	if (accel < 0)
		str_printf(arg, ",%s", word);
}

unsigned qemu_vcpus(const struct config *config, unsigned host_cpus)
{
	double v = config->hypervisor.default_vcpus;
	unsigned n;

	if (v < 0 || v >= host_cpus)
		return host_cpus;
	n = (unsigned)v;
	if (n < v)
		n++;
	return n ? n : 1;
}

int qemu_args_check(const struct config *config, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;

	if (!find_machine(h->machine_type))
		return err_set(
			err, ENOTSUP,
			"hypervisor.qemu.machine_type: \"%s\" is not supported (microvm, q35, pc)",
			h->machine_type);
	if (*h->image)
		return err_set(err, ENOTSUP,
			       "hypervisor.qemu.image %s: a root image is not supported in this "
			       "version, set initrd",
			       h->image);
	if (h->default_memory < MEMORY_MIN_MIB)
		return err_set(
			err, EINVAL,
			"hypervisor.qemu.default_memory: %lld MiB are not enough, at least %d "
			"are needed",
			(long long)h->default_memory, MEMORY_MIN_MIB);
	return 0;
}

static void add2(struct strv *argv, const char *option, const char *value)
{
	strv_add(argv, option);
	strv_add(argv, value);
}

#define addf(argv, option, ...)               \
	do {                                  \
		strv_add(argv, option);       \
		strv_addf(argv, __VA_ARGS__); \
	} while (0)

/* In an option's value a comma is written twice. */
static char *escape(const char *value)
{
	struct str out = STR_INIT;

	for (; *value; value++) {
		if (*value == ',')
			str_putc(&out, ',');
		str_putc(&out, *value);
	}
	return str_take(&out);
}

static void add_machine(const struct vm_spec *spec, const struct qemu_facts *f,
			const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str machine = STR_INIT;

	str_printf(&machine, "%s,accel=%s%s", m->type, f->kvm ? "kvm" : "tcg", m->options);
	each_word(h->machine_accelerators, add_machine_option, &machine);
	/* virtiofsd reads and writes the guest's memory. */
	if (f->fs_fd >= 0)
		str_puts(&machine, ",memory-backend=mem");
	add2(argv, "-machine", str_text(&machine));
	if (m->global)
		add2(argv, "-global", m->global);
	addf(argv, "-cpu", "%s%s%s", f->kvm ? "host" : TCG_CPU, *h->cpu_features ? "," : "",
	     h->cpu_features);
	addf(argv, "-smp", "%u", qemu_vcpus(spec->config, f->host_cpus));
	addf(argv, "-m", "%lldM", (long long)h->default_memory);
	if (f->fs_fd >= 0)
		addf(argv, "-object", "memory-backend-memfd,id=mem,size=%lldM,share=on",
		     (long long)h->default_memory);
	if (*h->firmware)
		add2(argv, "-bios", h->firmware);
}

/*
 * What the guest needs to come up fast and to end when it has to. Of the
 * instructions that a boot takes, the self-tests of the kernel's cryptography
 * are two thirds.
 *
 * microvm has no clock that the time stamp counter could be measured with
 * reliably (no port 0x61, no PM timer): on TCG a busy host makes the measuring
 * fail, and the guest hangs for want of a time. So it is told the frequency; a
 * KVM guest has kvm-clock.
 */
static void kernel_params(const struct vm_spec *spec, const struct qemu_facts *f, struct str *out)
{
	const struct config *config = spec->config;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=t "
		      "panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on console=ttyS0");
	if (!f->kvm && f->tsc_khz)
		str_printf(out, " tsc_early_khz=%u", f->tsc_khz);
	if (!config->hypervisor.enable_debug)
		str_puts(out, " quiet");
	config_kernel_params(config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

static void add_kernel(const struct vm_spec *spec, const struct qemu_facts *f, struct strv *argv)
{
	auto_str struct str params = STR_INIT;

	kernel_params(spec, f, &params);
	add2(argv, "-kernel", spec->config->hypervisor.kernel);
	add2(argv, "-initrd", spec->config->hypervisor.initrd);
	add2(argv, "-append", str_text(&params));
}

static void add_devices(const struct vm_spec *spec, const struct qemu_facts *f,
			const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	addf(argv, "-device", "virtio-serial-%s,id=serial", m->bus);
	if (f->agent_fd >= 0) {
		addf(argv, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off", f->agent_fd);
		add2(argv, "-device",
		     "virtserialport,chardev=agent,id=" QEMU_ID_AGENT ",name=" QEMU_PORT_AGENT);
	}
	addf(argv, "-chardev", "socket,id=log,fd=%d", f->log_fd);
	add2(argv, "-device", "virtserialport,chardev=log,id=log,name=" QEMU_PORT_LOG);
	if (f->vsock_fd >= 0)
		addf(argv, "-device", "vhost-vsock-%s,id=vsock,vhostfd=%d,guest-cid=%u", m->bus,
		     f->vsock_fd, f->cid);
	if (f->fs_fd >= 0) {
		addf(argv, "-chardev", "socket,id=fs,fd=%d", f->fs_fd);
		addf(argv, "-device", "vhost-user-fs-%s,chardev=fs,tag=%s,queue-size=%lld", m->bus,
		     spec->share_tag, (long long)h->virtio_fs_queue_size);
	}
	if (*h->entropy_source) {
		auto_free char *source = escape(h->entropy_source);

		addf(argv, "-object", "rng-random,id=rng,filename=%s", source);
		addf(argv, "-device", "virtio-rng-%s,rng=rng", m->bus);
	}
}

void qemu_args(const struct vm_spec *spec, const struct qemu_facts *f, struct strv *argv)
{
	const struct machine *m = find_machine(spec->config->hypervisor.machine_type);

	strv_add(argv, spec->config->hypervisor.path);
	addf(argv, "-name", "sandbox-%s", spec->id);
	add_machine(spec, f, m, argv);
	strv_add(argv, "-nodefaults");
	strv_add(argv, "-no-user-config");
	strv_add(argv, "-no-reboot");
	add2(argv, "-display", "none");
	addf(argv, "-chardev", "socket,id=qmp,fd=%d", f->qmp_fd);
	add2(argv, "-mon", "chardev=qmp,mode=control");
	addf(argv, "-chardev", "socket,id=console,fd=%d", f->console_fd);
	add2(argv, "-serial", "chardev:console");
	add_devices(spec, f, m, argv);
	add_kernel(spec, f, argv);
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
