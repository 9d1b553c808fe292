/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/firecracker/body.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/body.h"
#include "host/hypervisor/hvsock.h"

#define JAIL_ID_MAX    32
#define JAIL_ID_PREFIX 23

bool fc_is_jailed(const struct config *config)
{
	return *config->hypervisor.jailer_path;
}

char *fc_inside(const struct config *config, const char *name)
{
	return xasprintf("%s%s", fc_is_jailed(config) ? "/" : "", name);
}

char *fc_jail_id(const char *id)
{
	char text[JAIL_ID_MAX + 1];
	uint32_t hash = 2166136261U; /* FNV-1a */
	size_t len = strlen(id);
	bool fits = len <= JAIL_ID_MAX;

	for (size_t i = 0; i < len; i++) {
		fits = fits && (isalnum((unsigned char)id[i]) || id[i] == '-');
		hash = (hash ^ (unsigned char)id[i]) * 16777619U;
	}
	if (fits)
		return xstrdup(id);
	snprintf(text, sizeof(text), "%.*s-%08x", JAIL_ID_PREFIX, id, hash);
	for (char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p))
			*p = '-';
	return xstrdup(text);
}

void fc_args(const struct vm_spec *spec, const char *base, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_free char *id = fc_jail_id(spec->id);
	auto_free char *config = fc_inside(spec->config, FC_CONFIG);

	if (fc_is_jailed(spec->config)) {
		strv_add(argv, h->jailer_path);
		strv_add(argv, "--id");
		strv_add(argv, id);
		strv_add(argv, "--exec-file");
		strv_add(argv, h->path);
		strv_add(argv, "--uid");
		strv_add(argv, "0");
		strv_add(argv, "--gid");
		strv_add(argv, "0");
		strv_add(argv, "--chroot-base-dir");
		strv_add(argv, base);
		strv_add(argv, "--");
	} else {
		strv_add(argv, h->path);
	}
	strv_add(argv, "--api-sock");
	strv_take(argv, fc_inside(spec->config, FC_API_SOCKET));
	strv_add(argv, "--config-file");
	strv_add(argv, config);
	if (h->disable_seccomp)
		strv_add(argv, "--no-seccomp");
}

/* What a file system's mount understands of Kata's flags. */
static const char *root_flags(const char *type)
{
	return strcmp(type, "ext4") ? "" : " rootflags=data=ordered,errors=remount-ro";
}

/*
 * What the guest needs to come up fast and to end when it has to; see the same of QEMU.
 * The keyboard controller is there for the reset alone, so nothing is looked for behind it.
 */
static void kernel_params(const struct vm_spec *spec, struct str *out)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=k "
		      "panic=1 pci=off iommu=off i8042.noaux i8042.nomux i8042.nopnp "
		      "i8042.dumbkbd cryptomgr.notests net.ifnames=0 random.trust_cpu=on "
		      "console=ttyS0 agent.log_vport=1025");
	if (*h->image)
		str_printf(out, " root=/dev/vda1%s ro rootfstype=%s", root_flags(h->rootfs_type),
			   h->rootfs_type);
	if (!h->enable_debug)
		str_puts(out, *h->image ? " quiet systemd.show_status=false" : " quiet");
	else if (*h->image)
		str_puts(out, " debug systemd.show_status=true systemd.log_level=debug");
	config_kernel_params(spec->config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

/* Without a jail the files are where they are. */
static void add_file(struct json_object *o, const char *key, const struct config *config,
		     const char *path, const char *name)
{
	auto_free char *inside = fc_inside(config, name);

	body_text(o, key, fc_is_jailed(config) ? inside : path);
}

static void add_boot(const struct vm_spec *spec, struct json_object *vm)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	struct json_object *boot = body_object(vm, "boot-source");
	auto_str struct str params = STR_INIT;

	add_file(boot, "kernel_image_path", spec->config, h->kernel, FC_KERNEL);
	if (*h->initrd)
		add_file(boot, "initrd_path", spec->config, h->initrd, FC_INITRD);
	kernel_params(spec, &params);
	body_text(boot, "boot_args", str_text(&params));
}

static void add_machine(const struct vm_spec *spec, struct json_object *vm)
{
	struct json_object *machine = body_object(vm, "machine-config");
	const int64_t huge = spec->config->hypervisor.enable_hugepages ? 1 : 0;

	body_number(machine, "vcpu_count", spec->size.vcpus);
	/* Whole huge pages, whatever its containers' limits add up to. */
	body_number(machine, "mem_size_mib", ((int64_t)spec->size.memory + huge) & ~huge);
	body_flag(machine, "smt", false);
	if (huge)
		body_text(machine, "huge_pages", "2M");
}

/* No drive is what Firecracker calls a root device: it would choose the root's partition. */
static struct json_object *add_drive(const struct config_hypervisor *h, const char *id,
				     bool read_only, struct json_object *drives)
{
	const struct body_rate rate = {
		.bits = h->disk_rate_limiter_bw_max_rate,
		.bits_burst = h->disk_rate_limiter_bw_one_time_burst,
		.ops = h->disk_rate_limiter_ops_max_rate,
		.ops_burst = h->disk_rate_limiter_ops_one_time_burst,
	};
	struct json_object *drive = body_item(drives);

	body_text(drive, "drive_id", id);
	body_flag(drive, "is_root_device", false);
	body_flag(drive, "is_read_only", read_only);
	if (h->block_device_cache_set)
		body_text(drive, "cache_type",
			  h->block_device_cache_noflush ? "Unsafe" : "Writeback");
	body_rate(drive, "rate_limiter", &rate);
	return drive;
}

void fc_drive_name(unsigned i, char *name, size_t len)
{
	snprintf(name, len, "drive_%u", i);
}

char *fc_drive_file(unsigned i)
{
	return xasprintf("drive_%u", i);
}

char *fc_disk_file(size_t i)
{
	return xasprintf("disk_%zu", i);
}

/* In the order in which the guest numbers them: /dev/vda … */
static void add_drives(const struct vm_spec *spec, struct json_object *vm)
{
	const struct config *config = spec->config;
	const struct config_hypervisor *h = &config->hypervisor;
	struct json_object *drives = body_array(vm, "drives");
	auto_free char *empty = fc_inside(config, FC_EMPTY);
	char name[16];

	if (*h->image)
		add_file(add_drive(h, "image", true, drives), "path_on_host", config, h->image,
			 FC_IMAGE);
	for (size_t i = 0; i < spec->n_disks; i++) {
		const struct vm_dev *disk = &spec->disks[i];
		auto_free char *file = fc_disk_file(i);

		add_file(add_drive(h, file, disk->disk.read_only, drives), "path_on_host", config,
			 disk->disk.path, file);
	}
	for (unsigned i = 0; i < FC_DRIVES; i++) {
		fc_drive_name(i, name, sizeof(name));
		body_text(add_drive(h, name, i >= FC_DRIVES_RW, drives), "path_on_host", empty);
	}
}

static void add_nets(const struct vm_spec *spec, struct json_object *vm)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	const struct body_rate rx = { .bits = h->rx_rate_limiter_max_rate };
	const struct body_rate tx = { .bits = h->tx_rate_limiter_max_rate };
	struct json_object *nets = body_array(vm, "network-interfaces");

	for (size_t i = 0; i < spec->n_nets; i++) {
		struct json_object *net = body_item(nets);

		body_text(net, "iface_id", spec->nets[i].id);
		body_text(net, "host_dev_name", spec->nets[i].net.tap);
		body_mac(net, "guest_mac", spec->nets[i].net.mac);
		body_rate(net, "rx_rate_limiter", &rx);
		body_rate(net, "tx_rate_limiter", &tx);
	}
}

static void add_inside(struct json_object *o, const char *key, const struct config *config,
		       const char *name)
{
	auto_free char *inside = fc_inside(config, name);

	body_text(o, key, inside);
}

struct json_object *fc_body_config(const struct vm_spec *spec)
{
	const struct config *config = spec->config;
	struct json_object *vm = json_object_new_object(), *item;

	add_boot(spec, vm);
	add_machine(spec, vm);
	add_drives(spec, vm);
	add_nets(spec, vm);
	item = body_object(vm, "vsock");
	body_number(item, "guest_cid", HVSOCK_CID);
	add_inside(item, "uds_path", config, HVSOCK_NAME);
	if (*config->hypervisor.entropy_source)
		body_object(vm, "entropy");
	item = body_object(vm, "logger");
	add_inside(item, "log_path", config, FC_LOGS);
	body_text(item, "level", config->hypervisor.enable_debug ? "Debug" : "Warning");
	body_flag(item, "show_level", true);
	add_inside(body_object(vm, "metrics"), "metrics_path", config, FC_METRICS);
	return vm;
}

static void place_at(size_t n, struct vm_place *place)
{
	place->type = VM_PLACE_NODE;
	snprintf(place->at, sizeof(place->at), "/dev/vd%c", (char)('a' + n % 26));
}

void fc_disk_place(const struct vm_spec *spec, size_t i, struct vm_place *place)
{
	place_at(i + (*spec->config->hypervisor.image ? 1 : 0), place);
}

void fc_drive_place(const struct vm_spec *spec, unsigned i, struct vm_place *place)
{
	fc_disk_place(spec, spec->n_disks + i, place);
}

int fc_check_devices(const struct vm_spec *spec, struct err *err)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	size_t drives = (*h->image ? 1 : 0) + spec->n_disks + FC_DRIVES;
	size_t n = drives + spec->n_nets + 1 + (*h->entropy_source ? 1 : 0);

	if (n <= FC_DEVICES_MAX)
		return 0;
	return err_set(err, E2BIG,
		       "%zu disks and %zu networks are too many: with its own drives the machine "
		       "would have %zu devices, and it has interrupts for %d",
		       spec->n_disks, spec->n_nets, n, FC_DEVICES_MAX);
}

struct json_object *fc_body_drive(const char *name, const char *path)
{
	struct json_object *o = json_object_new_object();

	body_text(o, "drive_id", name);
	body_text(o, "path_on_host", path);
	return o;
}

struct json_object *fc_body_state(bool paused)
{
	struct json_object *o = json_object_new_object();

	body_text(o, "state", paused ? "Paused" : "Resumed");
	return o;
}
