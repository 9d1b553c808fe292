/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/dragonball/args.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/dragonball/control.h"
#include "host/hypervisor/hvsock.h"

/* The port on which the agent has its log for whoever connects, Kata's number. */
#define LOG_PORT "1025"

#define BITS_PER_BYTE 8

static void add_fd(struct strv *argv, const char *option, int fd)
{
	if (fd < 0)
		return;
	strv_add(argv, option);
	strv_addf(argv, "fd:%d", fd);
}

static void add_rate(const char *key, int64_t bits, struct str *word)
{
	if (bits)
		str_printf(word, ",%s=%lld", key, (long long)bits / BITS_PER_BYTE);
}

/* Each disk has the limits for itself. */
static void add_disk(const struct config_hypervisor *h, int fd, const char *id, bool read_only,
		     struct strv *argv)
{
	auto_str struct str word = STR_INIT;

	str_printf(&word, "fd:%d,id=%s%s%s", fd, id, read_only ? ",ro" : "",
		   h->block_device_cache_direct ? ",direct" : "");
	if (h->disk_rate_limiter_ops_max_rate)
		str_printf(&word, ",iops=%lld", (long long)h->disk_rate_limiter_ops_max_rate);
	add_rate("bps", h->disk_rate_limiter_bw_max_rate, &word);
	strv_add(argv, "--disk");
	strv_add(argv, str_text(&word));
}

/* The first pair of queues: the monitor has no more. */
static void add_net(const struct config_hypervisor *h, const struct vm_dev *dev, struct strv *argv)
{
	auto_str struct str word = STR_INIT;
	const uint8_t *mac = dev->net.mac;

	str_printf(&word, "fd=%d,id=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", dev->net.fds[0], dev->id,
		   mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	if (dev->net.mtu)
		str_printf(&word, ",mtu=%u", dev->net.mtu);
	add_rate("rx-bps", h->rx_rate_limiter_max_rate, &word);
	add_rate("tx-bps", h->tx_rate_limiter_max_rate, &word);
	strv_add(argv, "--net");
	strv_add(argv, str_text(&word));
}

/* What a file system's mount understands of Kata's flags. */
static const char *root_flags(const char *type)
{
	return strcmp(type, "ext4") ? "" : " rootflags=data=ordered,errors=remount-ro";
}

static bool says_more(const struct config_hypervisor *h)
{
	return h->enable_debug || !strcmp(h->log_level, "debug") || !strcmp(h->log_level, "trace");
}

/*
 * What the guest needs to come up fast and to end when it has to; see the same of QEMU.
 * The monitor adds what its own machine needs.
 */
static void kernel_params(const struct vm_spec *spec, struct str *out)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=k "
		      "panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on console=hvc0 "
		      "agent.log_vport=" LOG_PORT);
	if (*h->image)
		str_printf(out, " root=/dev/vda1%s ro rootfstype=%s", root_flags(h->rootfs_type),
			   h->rootfs_type);
	/* Until a driver for hvc0 is there: what the monitor has of a serial port then. */
	if (says_more(h))
		str_puts(out, " earlyprintk=ttyS0");
	if (!h->enable_debug)
		str_puts(out, *h->image ? " quiet systemd.show_status=false" : " quiet");
	else if (*h->image)
		str_puts(out, " debug systemd.show_status=true systemd.log_level=debug");
	config_kernel_params(spec->config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

static void add_devices(const struct vm_spec *spec, const struct dragonball_facts *f,
			struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	add_fd(argv, "--console", f->console_fd);
	if (f->image_fd >= 0)
		add_disk(h, f->image_fd, "image", true, argv);
	for (size_t i = 0; i < spec->n_disks; i++)
		add_disk(h, f->disk_fds[i], spec->disks[i].id, spec->disks[i].disk.read_only, argv);
	for (size_t i = 0; i < spec->n_nets; i++)
		add_net(h, &spec->nets[i], argv);
	strv_add(argv, "--vsock");
	strv_addf(argv, "fd:%d,cid=%d", f->vsock_fd, HVSOCK_CID);
	if (f->fs_fd >= 0) {
		strv_add(argv, "--fs");
		strv_addf(argv, "fd:%d,tag=%s,queue-size=%lld", f->fs_fd, spec->share_tag,
			  (long long)h->virtio_fs_queue_size);
	}
	if (h->reclaim_guest_freed_memory) {
		strv_add(argv, "--balloon");
		strv_add(argv, "reporting");
	}
	strv_add(argv, "--rng");
}

void dragonball_args(const struct vm_spec *spec, const struct dragonball_facts *f,
		     struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str params = STR_INIT;

	strv_add(argv, f->path);
	strv_add(argv, "--id");
	strv_add(argv, spec->id);
	add_fd(argv, "--control", f->control_fd);
	add_fd(argv, "--kvm", f->kvm_fd);
	add_fd(argv, "--kernel", f->kernel_fd);
	add_fd(argv, "--initrd", f->initrd_fd);
	kernel_params(spec, &params);
	strv_add(argv, "--cmdline");
	strv_add(argv, str_text(&params));
	strv_add(argv, "--memory");
	strv_addf(argv, "%llu", (unsigned long long)spec->size.memory);
	strv_add(argv, "--cpus");
	strv_addf(argv, "%u", spec->size.vcpus);
	/* virtiofsd reads and writes the guest's memory. */
	if (f->fs_fd >= 0)
		strv_add(argv, "--shared-memory");
	if (says_more(h))
		strv_add(argv, "--debug");
	if (spec->netns_is_own)
		strv_add(argv, "--keep-netns");
	if (h->disable_seccomp)
		strv_add(argv, "--no-seccomp");
	add_devices(spec, f, argv);
}

void dragonball_place(const struct vm_spec *spec, size_t i, struct vm_place *place)
{
	/* In the order in which they are given; the image comes first. */
	size_t n = i + (*spec->config->hypervisor.image ? 1 : 0);

	place->type = VM_PLACE_NODE;
	snprintf(place->at, sizeof(place->at), "/dev/vd%c", (char)('a' + n % 26));
}
