/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a machine is: Kata's arithmetic (virtcontainers/sandbox.go and
 * pkg/oci/utils.go), pure. What the configuration gives a machine is its own
 * overhead; what the containers may use at most, their limits, comes on top.
 *
 * With static_sandbox_resource_mgmt, or where nothing can be plugged in, all of
 * it is there at boot. Otherwise the machine boots with the configured size and
 * grows when containers come, up to default_maxvcpus and default_maxmemory. In
 * the former case overhead_vcpus and overhead_memory, the Rust runtime's keys,
 * stand for the configured size as soon as there are limits to add to them.
 */
#ifndef HOST_HYPERVISOR_SIZE_H
#define HOST_HYPERVISOR_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/config/config.h"

struct vm_size {
	unsigned vcpus;	     /* at boot, at least 1 */
	unsigned max_vcpus;  /* what can be plugged in up to; = vcpus: nothing can */
	uint64_t memory;     /* MiB, at boot */
	uint64_t max_memory; /* MiB, as max_vcpus */
};

/* What the containers may use at most, all together; 0: not limited, so not counted. */
struct size_load {
	double vcpus;
	uint64_t memory; /* bytes */
};

struct size_host {
	unsigned cpus;	 /* on which this process may run */
	uint64_t memory; /* MiB */
};

/* This host's. */
struct size_host size_host(void);

/* @cpu_plug, @memory_plug: these can be plugged in (HV_CAP_CPU_HOTPLUG, HV_CAP_MEM_HOTPLUG). */
struct vm_size size_boot(const struct config *config, const struct size_host *host,
			 const struct size_load *load, bool cpu_plug, bool memory_plug);

/*
 * What a machine that booted with @boot should have for @load. The processors end at
 * max_vcpus, as the original has it; memory may come out above max_memory, for
 * vm_resize() to refuse.
 */
void size_wanted(const struct config *config, const struct vm_size *boot,
		 const struct size_load *load, unsigned *vcpus, uint64_t *memory);

/* Processors for @quota per @period (microseconds, cpu.cfs_*); 0 when either says unlimited. */
double size_cpu_quota(int64_t quota, uint64_t period);

#endif
