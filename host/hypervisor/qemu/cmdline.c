/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest kernel's command line: the driver's part of it. Names and values
 * are Kata's (virtcontainers/qemu_amd64.go, hypervisor.go) where it has one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/hypervisor/qemu/parts.h"

#define SECTOR 512

/* kernel_verity_params: what veritysetup prints of an image (dm-verity of the kernel). */
struct verity {
	char *root_hash, *salt;
	uint64_t data_blocks, data_block_size, hash_block_size;
};

static void verity_free(struct verity *v)
{
	free(v->root_hash);
	free(v->salt);
}

static bool is_hex(const char *s)
{
	return *s && s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

static bool set_number(const char *value, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*value))
		return false;
	errno = 0;
	*out = strtoull(value, &end, 10);
	return *end == '\0' && errno == 0 && *out > 0;
}

static bool set_field(struct verity *v, const char *name, const char *value)
{
	char **hash = !strcmp(name, "root_hash") ? &v->root_hash :
		      !strcmp(name, "salt")	 ? &v->salt :
						   NULL;

	if (hash) {
		free(*hash);
		*hash = xstrdup(value);
		return is_hex(value);
	}
	if (!strcmp(name, "data_blocks"))
		return set_number(value, &v->data_blocks);
	if (!strcmp(name, "data_block_size"))
		return set_number(value, &v->data_block_size) && v->data_block_size % SECTOR == 0;
	if (!strcmp(name, "hash_block_size"))
		return set_number(value, &v->hash_block_size) && v->hash_block_size % SECTOR == 0;
	return false;
}

static int parse_verity(const char *text, struct verity *v, struct err *err)
{
	auto_free char *copy = xstrdup(text);
	char *save = NULL;

	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(w, '=');

		if (eq)
			*eq = '\0';
		if (!eq || !set_field(v, w, eq + 1))
			return err_set(err, EINVAL,
				       "hypervisor.qemu.kernel_verity_params: \"%s%s%s\" is not "
				       "understood",
				       w, eq ? "=" : "", eq ? eq + 1 : "");
	}
	if (!v->root_hash || !v->salt || !v->data_blocks || !v->data_block_size ||
	    !v->hash_block_size)
		return err_set(err, EINVAL,
			       "hypervisor.qemu.kernel_verity_params: needs root_hash, salt, "
			       "data_blocks, data_block_size and hash_block_size");
	return 0;
}

int args_check_verity(const struct config_hypervisor *h, struct err *err)
{
	struct verity v = { .salt = NULL };
	int r = *h->kernel_verity_params ? parse_verity(h->kernel_verity_params, &v, err) : 0;

	verity_free(&v);
	return r;
}

/* The hashes lie in the partition behind the data's. */
static void add_verity(const char *text, const char *disk, struct str *out)
{
	struct verity v = { .salt = NULL };

	if (parse_verity(text, &v, NULL) == 0)
		str_printf(out,
			   " dm-mod.create=\"dm-verity,,,ro,0 %llu verity 1 %s1 %s2 %llu %llu %llu "
			   "0 sha256 %s %s\" root=/dev/dm-0",
			   (unsigned long long)(v.data_block_size / SECTOR * v.data_blocks), disk,
			   disk, (unsigned long long)v.data_block_size,
			   (unsigned long long)v.hash_block_size, (unsigned long long)v.data_blocks,
			   v.root_hash, v.salt);
	verity_free(&v);
}

/* What a file system's mount understands of Kata's flags; with @dax it is mapped, not read. */
static const char *root_flags(const char *type, bool dax)
{
	if (!strcmp(type, "ext4"))
		return dax ? " rootflags=dax,data=ordered,errors=remount-ro" :
			     " rootflags=data=ordered,errors=remount-ro";
	return dax ? " rootflags=dax" : "";
}

static void add_root(const struct config_hypervisor *h, bool memory, struct str *out)
{
	const char *disk = memory ? "/dev/pmem0p" : "/dev/vda";

	/* dm-verity cannot map: each page has to pass by it. */
	if (*h->kernel_verity_params) {
		add_verity(h->kernel_verity_params, disk, out);
		memory = false;
	} else {
		str_printf(out, " root=%s1", disk);
	}
	str_printf(out, "%s ro rootfstype=%s", root_flags(h->rootfs_type, memory), h->rootfs_type);
}

/*
 * Quiet, or not. An image's init is systemd, which has a say of its own.
 */
static void add_debug(const struct config_hypervisor *h, struct str *out)
{
	if (h->enable_debug)
		str_puts(out, *h->image ?
				      " debug systemd.show_status=true systemd.log_level=debug" :
				      "");
	else
		str_puts(out, *h->image ? " quiet systemd.show_status=false" : " quiet");
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
 *
 * Memory that is plugged in arrives after QEMU has said so and after the agent has looked
 * for it, if the guest is slow: the kernel itself takes it into use then.
 *
 * A machine that can grow past 4 GiB would set 64 MiB aside for devices that
 * cannot reach so far; none of ours is one, unless it is behind an IOMMU.
 */
void args_kernel_params(const struct vm_spec *spec, const struct qemu_facts *f,
			const struct machine *m, struct str *out)
{
	const struct config *config = spec->config;
	const struct config_hypervisor *h = &config->hypervisor;

	str_puts(out, "tsc=reliable no_timer_check noreplace-smp rcupdate.rcu_expedited=1 reboot=t "
		      "panic=1 cryptomgr.notests net.ifnames=0 random.trust_cpu=on console=ttyS0");
	if (*m->kernel_params)
		str_printf(out, " %s", m->kernel_params);
	if (!f->kvm && f->tsc_khz)
		str_printf(out, " tsc_early_khz=%u", f->tsc_khz);
	if (spec->size.max_vcpus > spec->size.vcpus)
		str_printf(out, " nr_cpus=%u", spec->size.max_vcpus);
	if (spec->size.max_memory > spec->size.memory)
		str_puts(out, " memhp_default_state=online");
	if (h->enable_iommu)
		str_puts(out, " intel_iommu=on iommu=pt");
	else if (m->pci)
		str_puts(out, " swiotlb=noforce");
	if (*h->image)
		add_root(h, args_image_is_memory(h, f, m), out);
	add_debug(h, out);
	str_printf(out, " selinux=%d", !h->disable_guest_selinux);
	config_kernel_params(config, out);
	if (spec->kernel_params && *spec->kernel_params)
		str_printf(out, " %s", spec->kernel_params);
}
