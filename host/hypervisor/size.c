/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/size.h"

#include <sched.h>
#include <unistd.h>

#define MIB_SHIFT 20

/* More than this QEMU and others refuse. */
#define VCPUS_MAX 240U

struct size_host size_host(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	struct size_host host = { .cpus = 1 };
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		host.cpus = (unsigned)CPU_COUNT(&set);
	if (pages > 0 && page > 0)
		host.memory = ((uint64_t)pages * (uint64_t)page) >> MIB_SHIFT;
	return host;
}

double size_cpu_quota(int64_t quota, uint64_t period)
{
	if (quota <= 0 || period == 0)
		return 0;
	/* In thousandths, cut off, so that 3 times a third is not more than 1. */
	return (double)((uint64_t)quota * 1000 / period) / 1000;
}

static unsigned round_up(double vcpus, unsigned max)
{
	unsigned n;

	if (vcpus >= max)
		return max;
	n = (unsigned)vcpus;
	if (n < vcpus)
		n++;
	return n ? n : 1;
}

static unsigned limit(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* default_maxvcpus on this host. */
static unsigned max_vcpus(const struct config_hypervisor *h, const struct size_host *host)
{
	unsigned max = limit(host->cpus, VCPUS_MAX);

	return h->default_maxvcpus > 0 && h->default_maxvcpus < max ?
		       (unsigned)h->default_maxvcpus :
		       max;
}

static double own_vcpus(const struct config_hypervisor *h, unsigned max)
{
	return h->default_vcpus < 0 ? max : h->default_vcpus > 0 ? h->default_vcpus : 1;
}

struct vm_size size_boot(const struct config *config, const struct size_host *host,
			 const struct size_load *load, bool cpu_plug, bool memory_plug)
{
	const struct config_hypervisor *h = &config->hypervisor;
	bool fixed = config->runtime.static_sandbox_resource_mgmt;
	uint64_t most = h->default_maxmemory > 0 ? (uint64_t)h->default_maxmemory : host->memory;
	unsigned max = max_vcpus(h, host);
	double vcpus = own_vcpus(h, max);
	struct vm_size size = { .memory = (uint64_t)h->default_memory };

	cpu_plug = cpu_plug && !fixed;
	memory_plug = memory_plug && !fixed;
	/* Who knows what a machine needs for itself says so; the default has room for more. */
	if (fixed && load->vcpus > 0 && h->overhead_vcpus > 0)
		vcpus = h->overhead_vcpus;
	if (fixed && load->memory > 0 && h->overhead_memory > 0)
		size.memory = (uint64_t)h->overhead_memory;
	size.vcpus = round_up(cpu_plug ? vcpus : vcpus + load->vcpus, max);
	size.max_vcpus = cpu_plug ? max : size.vcpus;
	if (!memory_plug)
		size.memory += load->memory >> MIB_SHIFT;
	size.max_memory = memory_plug && most > size.memory ? most : size.memory;
	return size;
}

void size_wanted(const struct config *config, const struct vm_size *boot,
		 const struct size_load *load, unsigned *vcpus, uint64_t *memory)
{
	const struct config_hypervisor *h = &config->hypervisor;

	*vcpus = boot->vcpus;
	*memory = boot->memory;
	if (boot->max_vcpus > boot->vcpus)
		*vcpus = round_up(own_vcpus(h, boot->max_vcpus) + load->vcpus, boot->max_vcpus);
	if (boot->max_memory > boot->memory)
		*memory += load->memory >> MIB_SHIFT;
}
