/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define ANNOTATION "io.kubernetes.cri.sandbox-"

void load_merge(struct load_limits *l, const Grpc__LinuxResources *res)
{
	if (!res)
		return;
	if (res->cpu && res->cpu->quota)
		l->quota = res->cpu->quota;
	if (res->cpu && res->cpu->period)
		l->period = res->cpu->period;
	if (res->memory && res->memory->limit)
		l->memory = res->memory->limit > 0 ? (uint64_t)res->memory->limit : 0;
	if (res->n_hugepagelimits > 0)
		l->hugepages = 0;
	for (size_t i = 0; i < res->n_hugepagelimits; i++)
		l->hugepages += res->hugepagelimits[i]->limit;
}

void load_add(struct size_load *sum, const struct load_limits *l)
{
	sum->vcpus += size_cpu_quota(l->quota, l->period);
	/* Huge pages are of the same memory. */
	sum->memory += l->memory + l->hugepages;
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
	if (!pod) {
		struct load_limits own = { .quota = 0 };

		load_merge(&own, spec->linux ? spec->linux->resources : NULL);
		load_add(&load, &own);
		return load;
	}
	load.vcpus = size_cpu_quota(quota, period > 0 ? (uint64_t)period : 0);
	load.memory = memory > 0 ? (uint64_t)memory : 0;
	return load;
}
