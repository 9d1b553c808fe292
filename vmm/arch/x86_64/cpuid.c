/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/arch/x86_64/cpuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define LEAF1_EBX_ID_SHIFT   24
#define LEAF1_EBX_N_SHIFT    16
#define LEAF1_ECX_X2APIC     (1U << 21)
#define LEAF1_ECX_DEADLINE   (1U << 24)
#define LEAF1_ECX_HYPERVISOR (1U << 31)
#define LEAF1_EDX_HTT	     (1U << 28)
#define LEAF6_EAX_ARAT	     (1U << 2) /* the local timer runs in every idle state */
#define EXT1_ECX_CMP_LEGACY  (1U << 1)
#define EXT1_ECX_PERF_CORE   (1U << 23)

struct topology {
	uint32_t id, n, bits; /* identifier, processors, bits that tell them apart */
};

static uint32_t bits_for(uint32_t n)
{
	uint32_t bits = 0;

	while ((1U << bits) < n)
		bits++;
	return bits;
}

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *c, uint32_t function)
{
	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == function)
			return &c->entries[i];
	return NULL;
}

static void drop(struct kvm_cpuid2 *c, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function != function)
			c->entries[kept++] = c->entries[i];
	c->nent = kept;
}

static void add(struct kvm_cpuid2 *c, struct kvm_cpuid_entry2 entry)
{
	if (c->nent < CPUID_ENTRIES_MAX)
		c->entries[c->nent++] = entry;
}

/* Leaves 0xb and 0x1f: a level of one thread, a level of all cores, and no more. */
static void write_levels(struct kvm_cpuid2 *c, uint32_t leaf, const struct topology *t)
{
	static const uint32_t none = 0, thread = 1, core = 2;
	const struct {
		uint32_t shift, n, type;
	} level[] = { { 0, 1, thread }, { t->bits, t->n, core }, { 0, 0, none } };

	drop(c, leaf);
	for (uint32_t i = 0; i < 3; i++)
		add(c, (struct kvm_cpuid_entry2){
			       .function = leaf,
			       .index = i,
			       .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			       .eax = level[i].shift,
			       .ebx = level[i].n,
			       .ecx = level[i].type << 8 | i,
			       .edx = t->id,
		       });
}

/* Leaves 4 and 0x8000001d, one of each cache: the last level is everybody's, others one's own. */
static void adjust_cache(struct kvm_cpuid_entry2 *e, const struct topology *t, bool intel)
{
	uint32_t type = e->eax & 0x1f, level = e->eax >> 5 & 7;

	if (type == 0)
		return;
	e->eax &= 0x3fff;
	if (level >= 3)
		e->eax |= (t->n - 1) << 14;
	if (intel)
		e->eax |= ((1U << t->bits) - 1 < 63 ? (1U << t->bits) - 1 : 63) << 26;
}

static void adjust_features(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	uint32_t n = 1U << t->bits;

	e->ebx = (e->ebx & 0xffff) | t->id << LEAF1_EBX_ID_SHIFT |
		 (n < 255 ? n : 255) << LEAF1_EBX_N_SHIFT;
	e->ecx |= LEAF1_ECX_X2APIC | LEAF1_ECX_DEADLINE | LEAF1_ECX_HYPERVISOR;
	e->edx &= ~LEAF1_EDX_HTT;
	if (t->n > 1)
		e->edx |= LEAF1_EDX_HTT;
}

static void adjust(struct kvm_cpuid_entry2 *e, const struct topology *t)
{
	switch (e->function) {
	case 1:
		adjust_features(e, t);
		break;
	case 4:
		adjust_cache(e, t, true);
		break;
	case 6:
		e->eax = LEAF6_EAX_ARAT;
		e->ebx = e->ecx = e->edx = 0;
		break;
	case 0xa: /* no performance counters: they tell guests of each other */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0x80000001:
		e->ecx &= ~(EXT1_ECX_PERF_CORE | EXT1_ECX_CMP_LEGACY);
		if (t->n > 1)
			e->ecx |= EXT1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffU) | t->bits << 12 | (t->n - 1);
		break;
	case 0x8000001d:
		adjust_cache(e, t, false);
		break;
	case 0x8000001e:
		e->eax = t->id;
		e->ebx = t->id & 0xff;
		e->ecx = 0;
		break;
	}
}

void cpuid_adjust(struct kvm_cpuid2 *c, unsigned cpu, unsigned n_cpus)
{
	struct topology t = { .id = cpu, .n = n_cpus, .bits = bits_for(n_cpus) };
	const struct kvm_cpuid_entry2 *first = find(c, 0);
	uint32_t max = first ? first->eax : 0;

	drop(c, 0x80000022); /* AMD's performance counters */
	for (uint32_t i = 0; i < c->nent; i++)
		adjust(&c->entries[i], &t);
	if (max >= 6 && !find(c, 6))
		add(c, (struct kvm_cpuid_entry2){ .function = 6, .eax = LEAF6_EAX_ARAT });
	if (max >= 0xb)
		write_levels(c, 0xb, &t);
	if (max >= 0x1f)
		write_levels(c, 0x1f, &t);
}

struct kvm_cpuid2 *cpuid_supported(int kvm_fd, struct err *err)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + CPUID_ENTRIES_MAX * sizeof(c->entries[0]));

	if (!c) {
		err_set(err, ENOMEM, "no memory for a processor's features");
		return NULL;
	}
	c->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
		err_sys(err, errno, "KVM: a processor's features");
		free(c);
		return NULL;
	}
	return c;
}
