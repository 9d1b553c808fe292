/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/stratovirt/args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/cleanup.h"

/* The port on which the agent has its log for whoever connects, Kata's number. */
#define LOG_PORT "1025"

/* Where huge pages of the host are by custom; it is checked before. */
#define HUGEPAGES_DIR "/dev/hugepages"

#define addf(argv, option, ...)               \
	do {                                  \
		strv_add(argv, option);       \
		strv_addf(argv, __VA_ARGS__); \
	} while (0)

/* ---- what can be a machine ------------------------------------------------------- */

/* Options are split at commas, and none can be escaped. */
static int check_path(const char *what, const char *path, struct err *err)
{
	return strchr(path, ',') ?
		       err_set(err, EINVAL, "%s %s: StratoVirt takes no path with a comma in it",
			       what, path) :
		       0;
}

int stratovirt_spec_check(const struct vm_spec *spec, struct err *err)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	size_t disks = spec->n_disks + (*h->image ? 1 : 0);
	int r = check_path("hypervisor.stratovirt.image", h->image, err);

	for (size_t i = 0; r == 0 && i < spec->n_disks; i++)
		r = check_path("disk", spec->disks[i].disk.path, err);
	if (r == 0)
		r = check_path("hypervisor.stratovirt.entropy_source", h->entropy_source, err);
	if (r < 0)
		return r;
	if (disks > STRATOVIRT_DISKS)
		return err_set(err, ENOSPC,
			       "%zu disks are too many, a machine of StratoVirt has at most %d",
			       disks, STRATOVIRT_DISKS);
	if (spec->n_nets > STRATOVIRT_NETS)
		return err_set(err, ENOSPC,
			       "%zu networks are too many, a machine of StratoVirt has at most %d",
			       spec->n_nets, STRATOVIRT_NETS);
	if (strlen(spec->run_dir) + sizeof("/" STRATOVIRT_FS_SOCKET) >
	    sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(
			err, ENAMETOOLONG,
			"the sandbox's ID is too long for StratoVirt: it makes sockets in %s",
			spec->run_dir);
	return 0;
}

/* ---- the command line -------------------------------------------------------------- */

/* What a file system's mount understands of Kata's flags. */
static const char *root_flags(const char *type)
{
	return strcmp(type, "ext4") ? "" : " rootflags=data=ordered,errors=remount-ro";
}

/*
 * What the guest needs to come up fast and to end when it has to; see the same of QEMU. A
 * reset by the keyboard controller (reboot=k) hangs this machine, a triple fault ends it.
 * The monitor adds where its devices are (virtio_mmio.device=…).
 */
static void kernel_params(const struct vm_spec *spec, struct str *out)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=t "
		      "panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on pci=off "
		      "acpi=off iommu=off 8250.nr_uarts=0 console=hvc0 "
		      "agent.log_vport=" LOG_PORT);
	if (*h->image)
		str_printf(out, " root=/dev/vda1%s ro rootfstype=%s", root_flags(h->rootfs_type),
			   h->rootfs_type);
	if (!h->enable_debug)
		str_puts(out, *h->image ? " quiet systemd.show_status=false" : " quiet");
	else if (*h->image)
		str_puts(out, " debug systemd.show_status=true systemd.log_level=debug");
	str_printf(out, " selinux=%d", !h->disable_guest_selinux);
	config_kernel_params(spec->config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

static bool is_direct(const struct config_hypervisor *h)
{
	return h->block_device_cache_set && h->block_device_cache_direct;
}

static void add_drive(const struct config_hypervisor *h, const char *id, const char *path,
		      bool read_only, struct strv *argv)
{
	addf(argv, "-drive", "id=%s,file=%s,readonly=%s,direct=%s", id, path,
	     read_only ? "on" : "off", is_direct(h) ? "on" : "off");
	addf(argv, "-device", "virtio-blk-device,id=%s,drive=%s", id, id);
}

static void add_net(const struct vm_dev *dev, struct strv *argv)
{
	const uint8_t *m = dev->net.mac;

	/* One pair of queues is all that it has. */
	addf(argv, "-netdev", "tap,id=%s,fds=%d", dev->id, dev->net.fds[0]);
	addf(argv, "-device", "virtio-net-device,id=%s,netdev=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x",
	     dev->id, dev->id, m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void add_devices(const struct vm_spec *spec, const struct stratovirt_facts *f,
			struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	if (*h->image)
		add_drive(h, "rootfs", h->image, true, argv);
	for (size_t i = 0; i < spec->n_disks; i++)
		add_drive(h, spec->disks[i].id, spec->disks[i].disk.path,
			  spec->disks[i].disk.read_only, argv);
	for (size_t i = 0; i < spec->n_nets; i++)
		add_net(&spec->nets[i], argv);
	addf(argv, "-device", "vhost-vsock-device,id=vsock,guest-cid=%u,vhostfd=%d", f->cid,
	     f->vsock_fd);
	if (f->share) {
		addf(argv, "-chardev", "socket,id=virtiofs,path=%s/" STRATOVIRT_FS_SOCKET,
		     spec->run_dir);
		addf(argv, "-device", "vhost-user-fs-device,id=fs0,chardev=virtiofs,tag=%s",
		     spec->share_tag);
	}
	addf(argv, "-device", "virtio-serial-device,id=serial0");
	addf(argv, "-chardev", "file,id=console,path=/proc/self/fd/1");
	addf(argv, "-device", "virtconsole,id=console0,chardev=console,nr=0");
	if (*h->entropy_source) {
		addf(argv, "-object", "rng-random,id=rng,filename=%s", h->entropy_source);
		addf(argv, "-device", "virtio-rng-device,id=rng0,rng=rng");
	}
}

void stratovirt_args(const struct vm_spec *spec, const struct stratovirt_facts *f,
		     struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str params = STR_INIT;

	strv_add(argv, h->path);
	addf(argv, "-name", "sandbox-%s", spec->id);
	/* virtiofsd reads and writes the guest's memory. */
	addf(argv, "-machine", "type=%s,dump-guest-core=off%s", h->machine_type,
	     f->share ? ",mem-share=on" : "");
	addf(argv, "-smp", "%u", spec->size.vcpus);
	addf(argv, "-m", "%lluM", (unsigned long long)spec->size.memory);
	if (h->enable_hugepages)
		addf(argv, "-mem-path", HUGEPAGES_DIR);
	addf(argv, "-qmp", "unix:%s/" STRATOVIRT_QMP_SOCKET ",server,nowait", spec->run_dir);
	addf(argv, "-kernel", "%s", f->kernel ? f->kernel : h->kernel);
	if (*h->initrd)
		addf(argv, "-initrd", "%s", h->initrd);
	kernel_params(spec, &params);
	addf(argv, "-append", "%s", str_text(&params));
	add_devices(spec, f, argv);
}

/* ---- disks ------------------------------------------------------------------------- */

unsigned stratovirt_slot(const struct vm_spec *spec, size_t i)
{
	/* In the order in which they are given; the image comes first. */
	return (unsigned)i + (*spec->config->hypervisor.image ? 1 : 0);
}

void stratovirt_place(unsigned slot, struct vm_place *place)
{
	place->type = VM_PLACE_NODE;
	snprintf(place->at, sizeof(place->at), "/dev/vd%c", (char)('a' + slot % 26));
}

static void put_string(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

/* Linux's native asynchronous I/O works past the page cache alone. */
struct json_object *stratovirt_node(const struct config_hypervisor *h, const struct vm_dev *dev,
				    bool is_device)
{
	struct json_object *o = json_object_new_object(), *file = json_object_new_object();
	struct json_object *cache = json_object_new_object();

	put_string(file, "driver", is_device ? "host_device" : "file");
	put_string(file, "filename", dev->disk.path);
	put_string(file, "aio", is_direct(h) ? "native" : "off");
	json_object_object_add(cache, "direct", json_object_new_boolean(is_direct(h)));
	put_string(o, "node-name", dev->id);
	json_object_object_add(o, "file", file);
	json_object_object_add(o, "cache", cache);
	json_object_object_add(o, "read-only", json_object_new_boolean(dev->disk.read_only));
	return o;
}

struct json_object *stratovirt_device(const char *id, unsigned slot)
{
	struct json_object *o = json_object_new_object();
	auto_free char *addr = xasprintf("0x%x", slot);

	put_string(o, "id", id);
	put_string(o, "driver", "virtio-blk-mmio");
	put_string(o, "addr", addr);
	put_string(o, "drive", id);
	return o;
}
