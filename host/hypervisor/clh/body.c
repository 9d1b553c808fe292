/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/clh/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/body.h"
#include "host/hypervisor/hvsock.h"

#define MIB (INT64_C(1) << 20)

/* Persistent memory comes in multiples of this. */
#define PMEM_ALIGN (2 * MIB)

void clh_args(const struct config *config, int event_fd, struct strv *argv)
{
	const struct config_hypervisor *h = &config->hypervisor;

	strv_add(argv, h->path);
	strv_add(argv, "--api-socket");
	strv_add(argv, CLH_API_SOCKET);
	strv_add(argv, "--event-monitor");
	strv_addf(argv, "fd=%d", event_fd);
	if (h->enable_debug && h->hypervisor_loglevel > 0)
		strv_addf(argv, "-%.*s", (int)h->hypervisor_loglevel, "vvv");
	if (h->disable_seccomp) {
		strv_add(argv, "--seccomp");
		strv_add(argv, "false");
	}
}

/* The Rust runtime's key, and the Go runtime's. */
static bool image_is_memory(const struct config_hypervisor *h, uint64_t size)
{
	if (!*h->image || size == 0 || size % PMEM_ALIGN)
		return false;
	return *h->vm_rootfs_driver ? !strcmp(h->vm_rootfs_driver, "virtio-pmem") :
				      !h->disable_image_nvdimm;
}

/* What a file system's mount understands of Kata's flags; with @dax it is mapped, not read. */
static const char *root_flags(const char *type, bool dax)
{
	if (!strcmp(type, "ext4"))
		return dax ? " rootflags=dax,data=ordered,errors=remount-ro" :
			     " rootflags=data=ordered,errors=remount-ro";
	return dax ? " rootflags=dax" : "";
}

/* What the guest needs to come up fast and to end when it has to; see the same of QEMU. */
static void kernel_params(const struct vm_spec *spec, bool pmem, struct str *out)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=k "
		      "panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on console=ttyS0 "
		      "agent.log_vport=1025");
	if (*h->image)
		str_printf(out, " root=%s1%s ro rootfstype=%s", pmem ? "/dev/pmem0p" : "/dev/vda",
			   root_flags(h->rootfs_type, pmem), h->rootfs_type);
	if (!h->enable_debug)
		str_puts(out, *h->image ? " quiet systemd.show_status=false" : " quiet");
	else if (*h->image)
		str_puts(out, " debug systemd.show_status=true systemd.log_level=debug");
	str_printf(out, " selinux=%d", !h->disable_guest_selinux);
	config_kernel_params(spec->config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

static void add_payload(const struct vm_spec *spec, bool pmem, struct json_object *vm)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	struct json_object *payload = body_object(vm, "payload");
	auto_str struct str params = STR_INIT;

	kernel_params(spec, pmem, &params);
	body_text(payload, "kernel", h->kernel);
	if (*h->initrd)
		body_text(payload, "initramfs", h->initrd);
	body_text(payload, "cmdline", str_text(&params));
}

static void add_size(const struct vm_spec *spec, struct json_object *vm)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	struct json_object *cpus = body_object(vm, "cpus"), *memory = body_object(vm, "memory");
	uint64_t more = spec->size.max_memory - spec->size.memory;

	body_number(cpus, "boot_vcpus", spec->size.vcpus);
	body_number(cpus, "max_vcpus", spec->size.max_vcpus);
	if (h->disable_nested_virtualization)
		body_flag(cpus, "nested", false);
	body_number(memory, "size", (int64_t)spec->size.memory * MIB);
	more -= more % CLH_MEMORY_BLOCK;
	if (more > 0)
		body_number(memory, "hotplug_size", (int64_t)more * MIB);
	/* virtiofsd reads and writes the guest's memory. */
	if (spec->share_dir)
		body_flag(memory, "shared", true);
	if (h->enable_hugepages)
		body_flag(memory, "hugepages", true);
	if (h->enable_mem_prealloc)
		body_flag(memory, "prefault", true);
}

static void set_disk(const struct config_hypervisor *h, const char *path, const char *id,
		     bool read_only, struct json_object *disk)
{
	const struct body_rate rate = {
		.bits = h->disk_rate_limiter_bw_max_rate,
		.bits_burst = h->disk_rate_limiter_bw_one_time_burst,
		.ops = h->disk_rate_limiter_ops_max_rate,
		.ops_burst = h->disk_rate_limiter_ops_one_time_burst,
	};

	body_text(disk, "id", id);
	body_text(disk, "path", path);
	body_flag(disk, "readonly", read_only);
	/* Otherwise the guest could choose, by what it writes to the first sector. */
	body_text(disk, "image_type", "Raw");
	if (h->block_device_cache_set && h->block_device_cache_direct)
		body_flag(disk, "direct", true);
	body_number(disk, "num_queues", h->num_queues);
	body_number(disk, "queue_size", h->queue_size);
	body_rate(disk, "rate_limiter_config", &rate);
}

static void add_image(const struct config_hypervisor *h, bool pmem, struct json_object *vm)
{
	struct json_object *item;

	if (!*h->image)
		return;
	item = body_item(body_array(vm, pmem ? "pmem" : "disks"));
	if (!pmem) {
		set_disk(h, h->image, "image", true, item);
		return;
	}
	body_text(item, "id", "image");
	body_text(item, "file", h->image);
	/* All machines have the file, so none changes it. */
	body_flag(item, "discard_writes", true);
}

static void add_devices(const struct vm_spec *spec, struct json_object *vm)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	struct json_object *item = body_object(vm, "rng");

	body_text(item, "src", "/dev/urandom");
	item = body_object(vm, "vsock");
	body_number(item, "cid", HVSOCK_CID);
	body_text(item, "socket", CLH_VSOCK_SOCKET);
	if (spec->share_dir) {
		item = body_item(body_array(vm, "fs"));
		body_text(item, "tag", spec->share_tag);
		body_text(item, "socket", CLH_FS_SOCKET);
		body_number(item, "num_queues", 1);
		body_number(item, "queue_size", h->virtio_fs_queue_size);
	}
	if (h->reclaim_guest_freed_memory) {
		item = body_object(vm, "balloon");
		body_number(item, "size", 0);
		body_flag(item, "free_page_reporting", true);
	}
	/* The guest's console is its standard output. */
	body_text(body_object(vm, "serial"), "mode", "Tty");
	body_text(body_object(vm, "console"), "mode", "Off");
}

struct json_object *clh_body_vm(const struct vm_spec *spec, uint64_t image_size)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	struct json_object *vm = json_object_new_object();
	bool pmem = image_is_memory(h, image_size);

	add_payload(spec, pmem, vm);
	add_size(spec, vm);
	add_image(h, pmem, vm);
	add_devices(spec, vm);
	return vm;
}

struct json_object *clh_body_disk(const struct config *config, const struct vm_dev *dev)
{
	struct json_object *disk = json_object_new_object();

	set_disk(&config->hypervisor, dev->disk.path, dev->id, dev->disk.read_only, disk);
	return disk;
}

struct json_object *clh_body_net(const struct config *config, const struct vm_dev *dev)
{
	const struct config_hypervisor *h = &config->hypervisor;
	const struct body_rate rate = {
		.bits = h->net_rate_limiter_bw_max_rate,
		.bits_burst = h->net_rate_limiter_bw_one_time_burst,
		.ops = h->net_rate_limiter_ops_max_rate,
		.ops_burst = h->net_rate_limiter_ops_one_time_burst,
	};
	struct json_object *net = json_object_new_object();

	body_text(net, "id", dev->id);
	body_mac(net, "mac", dev->net.mac);
	/* One for each direction. */
	body_number(net, "num_queues", (int64_t)dev->net.n_fds * 2);
	if (dev->net.mtu)
		body_number(net, "mtu", dev->net.mtu);
	body_rate(net, "rate_limiter_config", &rate);
	return net;
}

struct json_object *clh_body_id(const char *id)
{
	struct json_object *o = json_object_new_object();

	body_text(o, "id", id);
	return o;
}

struct json_object *clh_body_vcpus(unsigned vcpus)
{
	struct json_object *o = json_object_new_object();

	body_number(o, "desired_vcpus", vcpus);
	return o;
}

struct json_object *clh_body_memory(uint64_t mib)
{
	struct json_object *o = json_object_new_object();

	body_number(o, "desired_ram", (int64_t)mib * MIB);
	return o;
}

int clh_place(struct json_object *answer, struct vm_place *place, struct err *err)
{
	struct json_object *bdf = NULL;
	unsigned segment, bus, slot, function;
	char end;

	if (!json_object_object_get_ex(answer, "bdf", &bdf) ||
	    !json_object_is_type(bdf, json_type_string) ||
	    sscanf(json_object_get_string(bdf), "%4x:%2x:%2x.%1x%c", &segment, &bus, &slot,
		   &function, &end) != 4 ||
	    segment != 0 || bus != 0 || slot > 31)
		return err_set(err, EPROTO, "the answer does not say where on the PCI bus: %.100s",
			       answer ? json_object_to_json_string(answer) : "nothing");
	place->type = VM_PLACE_PCI;
	snprintf(place->at, sizeof(place->at), "%02x", slot);
	return 0;
}
