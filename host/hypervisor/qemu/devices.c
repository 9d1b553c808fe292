/* SPDX-License-Identifier: Apache-2.0 */
/* Buses and what hangs on them from the start, but for disks. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/qemu/parts.h"

/*
 * Conventional bridges: by ACPI the guest notices what comes and goes behind
 * them, so they need no controller of their own (shpc).
 */
static void add_bridges(const struct config_hypervisor *h, const struct machine *m,
			struct strv *argv)
{
	for (int64_t i = 0; i < h->default_bridges; i++)
		addf(argv, "-device",
		     "pci-bridge,bus=%s,id=" QEMU_ID_BRIDGE "%lld,chassis_nr=%lld,shpc=off,"
		     "addr=%02llx,io-reserve=4k,mem-reserve=1m,pref64-reserve=1m",
		     m->pci, (long long)i, (long long)i + 1, (long long)(QEMU_BRIDGE_SLOT + i));
}

/* Ports for devices that are given to the guest whole; chassis numbers follow the bridges'. */
static void add_ports(const struct config_hypervisor *h, struct strv *argv)
{
	long long chassis = h->default_bridges + 1;

	for (int64_t i = 0; i < h->pcie_root_port; i++, chassis++)
		addf(argv, "-device", "pcie-root-port,bus=pcie.0,id=rp%lld,chassis=%lld,slot=%lld",
		     (long long)i, chassis, chassis);
	if (h->pcie_switch_port == 0)
		return;
	addf(argv, "-device", "pcie-root-port,bus=pcie.0,id=swrp,chassis=%lld,slot=%lld", chassis,
	     chassis);
	chassis++;
	strv_add(argv, "-device");
	strv_add(argv, "x3130-upstream,bus=swrp,id=swup");
	for (int64_t i = 0; i < h->pcie_switch_port; i++, chassis++)
		addf(argv, "-device",
		     "xio3130-downstream,bus=swup,id=swdp%lld,chassis=%lld,slot=%lld", (long long)i,
		     chassis, chassis);
}

static void add_buses(const struct config_hypervisor *h, const struct machine *m, struct strv *argv)
{
	if (!m->pci)
		return;
	/* It translates for what comes after it. */
	if (h->enable_iommu) {
		strv_add(argv, "-device");
		strv_add(argv, "intel-iommu,intremap=on,device-iotlb=on,caching-mode=on");
	}
	add_bridges(h, m, argv);
	add_ports(h, argv);
}

static void add_serial(const struct vm_spec *spec, const struct qemu_facts *f,
		       const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	addf(argv, "-device", "virtio-serial-%s,id=serial%s", m->bus, args_virtio(h, m));
	if (f->agent_fd >= 0) {
		addf(argv, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off", f->agent_fd);
		strv_add(argv, "-device");
		strv_add(argv,
			 "virtserialport,chardev=agent,id=" QEMU_ID_AGENT ",name=" QEMU_PORT_AGENT);
	}
	/* Where there is a vsock the guest's console is a port of that. */
	if (f->vsock_fd < 0 && spec->config->agent.debug_console_enabled) {
		auto_free char *dir = args_escape(spec->run_dir);

		addf(argv, "-chardev",
		     "socket,id=debug,path=%s/" QEMU_DEBUG_SOCKET ",server=on,wait=off", dir);
		strv_add(argv, "-device");
		strv_add(argv, "virtserialport,chardev=debug,id=debug,name=" QEMU_PORT_DEBUG);
	}
	addf(argv, "-chardev", "socket,id=log,fd=%d", f->log_fd);
	strv_add(argv, "-device");
	strv_add(argv, "virtserialport,chardev=log,id=log,name=" QEMU_PORT_LOG);
}

static void add_share(const struct vm_spec *spec, const struct qemu_facts *f,
		      const struct machine *m, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str window = STR_INIT;

	if (f->fs_fd < 0)
		return;
	if (h->virtio_fs_cache_size > 0)
		str_printf(&window, ",cache-size=%lldM", (long long)h->virtio_fs_cache_size);
	/* virtiofsd cannot be behind an IOMMU: it reads the guest's memory itself. */
	addf(argv, "-chardev", "socket,id=fs,fd=%d", f->fs_fd);
	addf(argv, "-device", "vhost-user-fs-%s,chardev=fs,tag=%s,queue-size=%lld%s", m->bus,
	     spec->share_tag, (long long)h->virtio_fs_queue_size, str_text(&window));
}

static void add_random(const struct config_hypervisor *h, const struct machine *m,
		       struct strv *argv)
{
	auto_free char *source = args_escape(h->entropy_source);

	if (!*h->entropy_source)
		return;
	addf(argv, "-object", "rng-random,id=rng,filename=%s", source);
	addf(argv, "-device", "virtio-rng-%s,rng=rng%s", m->bus, args_virtio(h, m));
}

static void put_fds(const char *key, const int *fds, size_t n, struct str *out)
{
	if (n > 0)
		str_printf(out, ",%s", key);
	for (size_t i = 0; i < n; i++)
		str_printf(out, "%c%d", i ? ':' : '=', fds[i]);
}

size_t args_net_fds(const struct vm_spec *spec, int *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < spec->n_nets; i++)
		for (size_t k = 0; k < spec->nets[i].net.n_fds; k++) {
			if (fds)
				fds[n] = spec->nets[i].net.fds[k];
			n++;
			if (!spec->nets[i].net.vhost_fds)
				continue;
			if (fds)
				fds[n] = spec->nets[i].net.vhost_fds[k];
			n++;
		}
	return n;
}

/* A card of the host's, at a port of its own; chassis numbers follow those of all others. */
static void add_host_device(const struct config_hypervisor *h, const struct vm_dev *dev, size_t i,
			    struct strv *argv)
{
	unsigned long long chassis =
		(unsigned long long)(h->default_bridges + h->pcie_root_port + h->pcie_switch_port) +
		3 + i;

	addf(argv, "-device", "pcie-root-port,bus=pcie.0,id=%s-port,chassis=%llu,slot=%llu",
	     dev->id, chassis, chassis);
	addf(argv, "-device", "vfio-pci,host=%s,id=%s,bus=%s-port", dev->net.pci, dev->id, dev->id);
}

/*
 * The size of packets is the guest's affair: what the device says of it would be the most
 * that it could ever have. On PCI two interrupts for each pair of queues, and two more.
 */
static void add_net(const struct config_hypervisor *h, const struct machine *m,
		    const struct vm_dev *dev, size_t i, struct strv *argv)
{
	auto_str struct str queues = STR_INIT, fds = STR_INIT;
	const uint8_t *mac = dev->net.mac;

	if (dev->net.pci) {
		add_host_device(h, dev, i, argv);
		return;
	}
	put_fds("fds", dev->net.fds, dev->net.n_fds, &fds);
	if (dev->net.n_fds > 1)
		str_puts(&queues, ",mq=on");
	if (dev->net.n_fds > 1 && m->pci)
		str_printf(&queues, ",vectors=%zu", 2 * dev->net.n_fds + 2);
	if (dev->net.vhost_fds) {
		str_puts(&fds, ",vhost=on");
		put_fds("vhostfds", dev->net.vhost_fds, dev->net.n_fds, &fds);
	}
	addf(argv, "-netdev", "tap,id=%s%s", dev->id, str_text(&fds));
	addf(argv, "-device", "virtio-net-%s,netdev=%s,mac=%02x:%02x:%02x:%02x:%02x:%02x%s%s%s",
	     m->bus, dev->id, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], str_text(&queues),
	     m->pci ? ",romfile=" : "", args_virtio(h, m));
}

/* One more way in, for people who look for faults. */
static void add_monitor(const struct vm_spec *spec, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	const char *mode = !strcmp(h->extra_monitor_socket, "hmp") ? "readline" :
			   !strcmp(h->extra_monitor_socket, "qmp") ? "control" :
								     "control,pretty=on";
	auto_free char *dir = args_escape(spec->run_dir);

	if (!h->enable_debug || !*h->extra_monitor_socket)
		return;
	addf(argv, "-chardev", "socket,id=extra,path=%s/extra-monitor.sock,server=on,wait=off",
	     dir);
	addf(argv, "-mon", "chardev=extra,mode=%s", mode);
}

void args_devices(const struct vm_spec *spec, const struct qemu_facts *f, const struct machine *m,
		  struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	add_buses(h, m, argv);
	args_add_virtio_mem(spec, f, m, argv);
	add_serial(spec, f, m, argv);
	if (f->vsock_fd >= 0)
		addf(argv, "-device", "vhost-vsock-%s,id=vsock,vhostfd=%d,guest-cid=%u%s", m->bus,
		     f->vsock_fd, f->cid, args_virtio(h, m));
	add_share(spec, f, m, argv);
	for (size_t i = 0; i < spec->n_nets; i++)
		add_net(h, m, &spec->nets[i], i, argv);
	add_random(h, m, argv);
	if (h->reclaim_guest_freed_memory)
		addf(argv, "-device", "virtio-balloon-%s,id=balloon,free-page-reporting=on%s",
		     m->bus, args_virtio(h, m));
	add_monitor(spec, argv);
}
