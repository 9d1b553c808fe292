/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trial's guest on x86-64: 64-bit mode, set up from outside by
 * KVM_SET_SREGS, in 64 KiB of memory mapped one to one. It reports the end of
 * each step by a write to a port (Intel SDM vol. 3A, ch. 3-6; KVM api.rst).
 */
#include "host/hypervisor/kvm_trial.h"

#if defined(__x86_64__)

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"

#define MEM_SIZE   0x10000
#define PML4_ADDR  0x1000
#define PDPT_ADDR  0x2000
#define PD_ADDR	   0x3000
#define GDT_ADDR   0x4000
#define IDT_ADDR   0x5000
#define CODE_ADDR  0x6000
#define DATA_ADDR  0x7000
#define STACK_TOP  0x9000
#define XSAVE_ADDR 0xa000

/* A byte at DATA_ADDR tells the guest what its processor has; kvm_guest_x86.S. */
#define HAS_CX16  1
#define HAS_XSAVE 2

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10

#define CR0_VALUE   0x80000033 /* PG NE ET MP PE */
#define CR4_VALUE   0x620      /* OSXMMEXCPT OSFXSR PAE */
#define CR4_OSXSAVE 0x40000
#define EFER_VALUE  0x500 /* LMA LME */

#define MAX_CPUID_ENTRIES 256

/* kvm_guest_x86.S */
extern const char kvm_guest_begin[], kvm_guest_handler[], kvm_guest_end[];

static void put64(char *mem, size_t addr, uint64_t v)
{
	memcpy(mem + addr, &v, sizeof(v));
}

static void fill_memory(char *mem, bool cx16, bool xsave)
{
	uint64_t handler = CODE_ADDR + (uint64_t)(kvm_guest_handler - kvm_guest_begin);

	put64(mem, PML4_ADDR, PDPT_ADDR | 3); /* present, writable */
	put64(mem, PDPT_ADDR, PD_ADDR | 3);
	put64(mem, PD_ADDR, 0x83); /* a page of 2 MiB at 0 */
	put64(mem, GDT_ADDR + SELECTOR_CODE, 0x00209b0000000000);
	put64(mem, GDT_ADDR + SELECTOR_DATA, 0x0000930000000000);
	/* Vector 3, a 64-bit interrupt gate. */
	put64(mem, IDT_ADDR + 3 * 16,
	      (handler & 0xffff) | (uint64_t)SELECTOR_CODE << 16 | 0x8e00ULL << 32 |
		      (handler >> 16) << 48);
	memcpy(mem + CODE_ADDR, kvm_guest_begin, (size_t)(kvm_guest_end - kvm_guest_begin));
	mem[DATA_ADDR] = (char)((cx16 ? HAS_CX16 : 0) | (xsave ? HAS_XSAVE : 0));
}

/* Give the guest the processor that KVM can offer and see what it has. */
static int set_cpuid(int kvm, int vcpu, bool *cx16, bool *xsave)
{
	auto_free struct kvm_cpuid2 *c =
		xcalloc(1, sizeof(*c) + MAX_CPUID_ENTRIES * sizeof(c->entries[0]));

	c->nent = MAX_CPUID_ENTRIES;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, c) < 0 || ioctl(vcpu, KVM_SET_CPUID2, c) < 0)
		return -errno;
	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function != 1)
			continue;
		*cx16 = c->entries[i].ecx & 1U << 13;
		*xsave = c->entries[i].ecx & 1U << 26;
	}
	return 0;
}

static void set_segment(struct kvm_segment *s, uint16_t selector, bool code)
{
	memset(s, 0, sizeof(*s));
	s->limit = 0xffffffff;
	s->selector = selector;
	s->type = code ? 11 : 3;
	s->present = s->s = s->g = 1;
	s->l = code;
	s->db = !code;
}

static int set_registers(int vcpu, bool xsave)
{
	struct kvm_regs regs = {
		.rip = CODE_ADDR,
		.rsp = STACK_TOP,
		.rflags = 2,
		.rsi = DATA_ADDR,
		.rdi = XSAVE_ADDR,
		.r8 = KVM_TRIAL_WARM_UP,
		.r9 = KVM_TRIAL_ROUNDS,
	};
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = 3 } } };
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0)
		return -errno;
	set_segment(&s.cs, SELECTOR_CODE, true);
	set_segment(&s.ds, SELECTOR_DATA, false);
	s.es = s.fs = s.gs = s.ss = s.ds;
	s.gdt.base = GDT_ADDR;
	s.gdt.limit = 23;
	s.idt.base = IDT_ADDR;
	s.idt.limit = 4 * 16 - 1;
	s.cr0 = CR0_VALUE;
	s.cr3 = PML4_ADDR;
	s.cr4 = CR4_VALUE | (xsave ? CR4_OSXSAVE : 0);
	s.efer = EFER_VALUE;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	if (xsave && ioctl(vcpu, KVM_SET_XCRS, &xcrs) < 0)
		return -errno;
	return 0;
}

static int create_vcpu(int kvm, int vm, struct kvm_guest *g)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (size < (int)sizeof(struct kvm_run))
		return size < 0 ? -errno : -EINVAL;
	g->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (g->vcpu < 0)
		return -errno;
	g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
	return g->run == MAP_FAILED ? -errno : 0;
}

int kvm_guest_create(int kvm, struct kvm_guest *g)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };
	bool cx16 = false, xsave = false;
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), r;
	char *mem;

	if (vm < 0)
		return -errno;
	/* Intel without "unrestricted guest" wants a place for its own use; others ignore it. */
	(void)ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000UL);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	r = create_vcpu(kvm, vm, g);
	if (r == 0)
		r = set_cpuid(kvm, g->vcpu, &cx16, &xsave);
	if (r < 0)
		return r;
	fill_memory(mem, cx16, xsave);
	return set_registers(g->vcpu, xsave);
}

static uint64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/*
 * Processor time, so that others who want the processor do not count; but no
 * more than the time that passed, because on some kernels it goes in ticks.
 */
static uint32_t elapsed(uint64_t cpu, uint64_t wall)
{
	cpu = clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_us(CLOCK_MONOTONIC) - wall;
	return (uint32_t)(cpu < wall ? cpu : wall);
}

void kvm_guest_run(struct kvm_guest *g, struct kvm_trial *t)
{
	const struct kvm_run *run = g->run;

	for (t->step = KVM_TRIAL_START; t->step < KVM_TRIAL_DONE; t->step++) {
		uint64_t cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		uint64_t wall = clock_us(CLOCK_MONOTONIC);

		if (ioctl(g->vcpu, KVM_RUN, 0) < 0) {
			t->error = errno;
			return;
		}
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != t->step) {
			t->exit = run->exit_reason;
			return;
		}
		if (t->step == KVM_TRIAL_LOOP)
			t->loop_us = elapsed(cpu, wall) + 1; /* never 0 once it ended */
	}
}

#endif
