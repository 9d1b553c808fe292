/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/acrn/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* The port on which the agent has its log for whoever connects, Kata's number. */
#define LOG_PORT "1025"

/* PCI slots: 0 and 1 are the bridges', 2 is kept free for a graphics device. */
#define SLOT_FIRST 3
#define SLOT_LAST  31

/* What acrn-dm takes for the kernel's parameters, with the NUL. */
#define PARAMS_MAX 2048

#define addf(argv, option, ...)               \
	do {                                  \
		strv_add(argv, option);       \
		strv_addf(argv, __VA_ARGS__); \
	} while (0)

/* ---- what can be a machine ------------------------------------------------------- */

int acrn_path_check(const char *what, const char *path, struct err *err)
{
	if (strchr(path, ',') || strstr(path, "nodisk"))
		return err_set(err, EINVAL,
			       "%s %s: ACRN takes no path with a comma or the word nodisk in it",
			       what, path);
	return 0;
}

/*
 * Names and values are Kata's (virtcontainers/acrn_arch_base.go of 3.9), but for the console,
 * which is the virtio one alone.
 */
static void kernel_params(const struct vm_spec *spec, struct str *out)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;

	str_printf(out,
		   "tsc=reliable no_timer_check nohpet rcupdate.rcu_expedited=1 net.ifnames=0 "
		   "random.trust_cpu=on cryptomgr.notests console=hvc0 log_buf_len=16M "
		   "consoleblank=0 root=/dev/vda1 rootfstype=%s ro rootwait panic=1 maxcpus=%u "
		   "agent.log_vport=" LOG_PORT,
		   h->rootfs_type, spec->size.vcpus);
	str_puts(out, h->enable_debug ? " debug systemd.show_status=true systemd.log_level=debug" :
					" quiet systemd.show_status=false");
	config_kernel_params(spec->config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}

int acrn_spec_check(const struct vm_spec *spec, struct err *err)
{
	/* The console, the image, the empty disks, the vsock. */
	size_t slots = 1 + 1 + ACRN_DISKS + 1 + spec->n_disks + spec->n_nets;
	auto_str struct str params = STR_INIT;
	int r = acrn_path_check("hypervisor.acrn.image", spec->config->hypervisor.image, err);

	for (size_t i = 0; r == 0 && i < spec->n_disks; i++)
		r = acrn_path_check("disk", spec->disks[i].disk.path, err);
	if (r < 0)
		return r;
	if (slots > SLOT_LAST - SLOT_FIRST + 1)
		return err_set(err, ENOSPC,
			       "%zu disks and %zu networks are too many, a machine of ACRN has at "
			       "most %zu of both",
			       spec->n_disks, spec->n_nets,
			       (size_t)SLOT_LAST - SLOT_FIRST + 1 - (1 + 1 + ACRN_DISKS + 1));
	kernel_params(spec, &params);
	if (params.len >= PARAMS_MAX)
		return err_set(err, E2BIG,
			       "the kernel's parameters are too long for ACRN: %zu bytes, at most "
			       "%d",
			       params.len, PARAMS_MAX - 1);
	return 0;
}

/* FNV-1a: nothing depends on it but that two machines have two names. */
static uint64_t digest(const char *text)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return sum;
}

void acrn_name(const char *id, char name[ACRN_NAME_MAX + 1])
{
	if (strlen(id) + 4 <= ACRN_NAME_MAX)
		snprintf(name, ACRN_NAME_MAX + 1, "sbx-%s", id);
	else
		snprintf(name, ACRN_NAME_MAX + 1, "sbx-%011llx",
			 (unsigned long long)(digest(id) >> 20));
}

/* ---- the command line -------------------------------------------------------------- */

/* The slot of the first of the empty disks: behind the console and the image. */
#define SLOT_EMPTY (SLOT_FIRST + 2)

static void add_net(const struct vm_dev *dev, unsigned slot, bool vhost, struct strv *argv)
{
	const uint8_t *m = dev->net.mac;

	/* acrn-dm opens it by its name, a tap or a macvtap. */
	addf(argv, "-s", "%u,virtio-net,tap=%s%s,mac=%02x:%02x:%02x:%02x:%02x:%02x", slot,
	     dev->net.tap, vhost ? ",vhost" : "", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void add_devices(const struct vm_spec *spec, const struct acrn_facts *f, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	unsigned slot = SLOT_FIRST;

	addf(argv, "-s", "0:0,hostbridge");
	addf(argv, "-s", "1:0,lpc");
	addf(argv, "-s", "%u,virtio-console,@file:console0=/proc/self/fd/1", slot++);
	addf(argv, "-s", "%u,virtio-blk,%s,ro", slot++, h->image);
	for (int i = 0; i < ACRN_DISKS; i++)
		addf(argv, "-s", "%u,virtio-blk,nodisk", slot++);
	for (size_t i = 0; i < spec->n_disks; i++)
		addf(argv, "-s", "%u,virtio-blk,%s%s", slot++, spec->disks[i].disk.path,
		     spec->disks[i].disk.read_only ? ",ro" : "");
	addf(argv, "-s", "%u,vhost-vsock,cid=%u", slot++, f->cid);
	for (size_t i = 0; i < spec->n_nets; i++)
		add_net(&spec->nets[i], slot++, f->vhost_net && !h->disable_vhost_net, argv);
}

void acrn_args(const struct vm_spec *spec, const struct acrn_facts *f, struct strv *argv)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	auto_str struct str params = STR_INIT, cpus = STR_INIT;
	char name[ACRN_NAME_MAX + 1];

	strv_add(argv, h->path);
	/* Always so in newer versions, which ignore it. */
	strv_add(argv, "-A");
	addf(argv, "-m", "%lluM", (unsigned long long)spec->size.memory);
	add_devices(spec, f, argv);
	for (size_t i = 0; i < f->n_apic_ids; i++)
		str_printf(&cpus, "%s%u", i ? "," : "", f->apic_ids[i]);
	addf(argv, "--cpu_affinity", "%s", str_text(&cpus));
	if (h->enable_debug)
		addf(argv, "--logger_setting", "console,level=5");
	addf(argv, "-k", "%s", h->kernel);
	kernel_params(spec, &params);
	addf(argv, "-B", "%s", str_text(&params));
	acrn_name(spec->id, name);
	strv_add(argv, name);
}

void acrn_fill_args(const struct vm_spec *spec, unsigned i, const struct vm_dev *dev,
		    struct strv *argv)
{
	char name[ACRN_NAME_MAX + 1];

	acrn_name(spec->id, name);
	strv_add(argv, spec->config->hypervisor.ctlpath);
	strv_add(argv, "blkrescan");
	strv_add(argv, name);
	strv_addf(argv, "%u,%s%s", SLOT_EMPTY + i, dev->disk.path,
		  dev->disk.read_only ? ",ro" : "");
}

/* In the order of the slots: the image, the empty ones, those from the start. */
static void place_at(size_t n, struct vm_place *place)
{
	place->type = VM_PLACE_NODE;
	snprintf(place->at, sizeof(place->at), "/dev/vd%c", (char)('a' + n % 26));
}

void acrn_disk_place(const struct vm_spec *spec, size_t i, struct vm_place *place)
{
	(void)spec;
	place_at(1 + ACRN_DISKS + i, place);
}

void acrn_fill_place(const struct vm_spec *spec, unsigned i, struct vm_place *place)
{
	(void)spec;
	place_at(1 + i, place);
}

/* ---- processors -------------------------------------------------------------------- */

size_t acrn_apic_ids(const char *cpuinfo, bool (*allowed)(unsigned cpu, void *arg), void *arg,
		     unsigned *ids, size_t max)
{
	unsigned cpu = 0, id;
	size_t n = 0;

	for (const char *line = cpuinfo; line && n < max; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "processor : %u", &cpu) == 1)
			continue;
		if (sscanf(line, "apicid : %u", &id) == 1 && allowed(cpu, arg))
			ids[n++] = id;
	}
	return n;
}
