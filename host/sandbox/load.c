/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ANNOTATION "io.kubernetes.cri.sandbox-"

/* linux.resources.hugepageLimits are of the same memory. */
static uint64_t memory_of(const Grpc__LinuxResources *res)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < res->n_hugepagelimits; i++)
		sum += res->hugepagelimits[i]->limit;
	if (res->memory && res->memory->limit > 0)
		sum += (uint64_t)res->memory->limit;
	return sum;
}

struct size_load load_of_container(const Grpc__LinuxResources *res)
{
	struct size_load load = { .vcpus = 0 };

	if (!res)
		return load;
	if (res->cpu)
		load.vcpus = size_cpu_quota(res->cpu->quota, res->cpu->period);
	load.memory = memory_of(res);
	return load;
}

/* A whole number; what is none is told and does not count. False: not there. */
static bool number(const Grpc__Spec *spec, const char *name, int64_t *value)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		const char *key = spec->annotations[i]->key, *text = spec->annotations[i]->value;
		char *end;

		if (strncmp(key, ANNOTATION, strlen(ANNOTATION)) != 0 ||
		    strcmp(key + strlen(ANNOTATION), name) != 0)
			continue;
		errno = 0;
		*value = strtoll(text, &end, 10);
		if (end != text && *end == '\0' && errno == 0)
			return true;
		log_warn("annotation %s: \"%s\" is no number, ignoring it", key, text);
		*value = 0;
		return true;
	}
	return false;
}

struct size_load load_of_sandbox(const Grpc__Spec *spec)
{
	int64_t quota = 0, period = 0, memory = 0;
	bool pod = number(spec, "cpu-quota", &quota);
	struct size_load load = { .vcpus = 0 };

	pod |= number(spec, "cpu-period", &period);
	pod |= number(spec, "memory", &memory);
	if (!pod)
		return load_of_container(spec->linux ? spec->linux->resources : NULL);
	load.vcpus = size_cpu_quota(quota, period > 0 ? (uint64_t)period : 0);
	load.memory = memory > 0 ? (uint64_t)memory : 0;
	return load;
}
