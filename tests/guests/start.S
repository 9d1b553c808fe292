/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From where a PVH loader enters (32-bit protected mode, no paging, Xen's
 * docs/misc/pvh.pandoc) to C in 64-bit mode with the first 4 GiB mapped one to one. Other
 * processors come from real mode by the trampoline. There are no interrupts, and no
 * exception is expected: one is a triple fault, which the monitor tells.
 */
#define STACK_BYTES	16384
#define PRESENT_WRITE	0x003
#define HUGE		0x080
#define TRAMPOLINE	0x8000	/* where processors are told to start */

	.section .note.pvh, "a", @note
	.balign 4
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:
	movl	$stacks + STACK_BYTES, %esp
	xorl	%edi, %edi
	jmp	to_long_mode

/* The stack in %esp, the processor's number in %edi. */
to_long_mode:
	movl	%cr4, %eax
	orl	$1 << 5, %eax			/* physical address extension */
	movl	%eax, %cr4
	movl	$level4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER */
	rdmsr
	orl	$1 << 8, %eax			/* long mode */
	wrmsr
	movl	%cr0, %eax
	orl	$1 << 31, %eax			/* paging */
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$0x08, $long_mode

	.code64
long_mode:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	call	guest_start
1:	hlt
	jmp	1b

/* Copied to TRAMPOLINE, where others begin in real mode with %cs = TRAMPOLINE / 16. */
	.code16
	.globl	trampoline, trampoline_end
trampoline:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	gdt_pointer_low - trampoline
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$0x18, $others
gdt_pointer_low:
	.word	gdt_end - gdt - 1
	.long	gdt
trampoline_end:

	.code32
others:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movl	$1, %edi
	lock xaddl %edi, next_cpu
	movl	%edi, %esp
	incl	%esp
	imull	$STACK_BYTES, %esp
	addl	$stacks, %esp
	jmp	to_long_mode

	.data
	.balign	4
next_cpu:
	.long	1
	.balign	8
gdt:
	.quad	0
	.quad	0x00af9a000000ffff		/* 0x08: 64-bit code */
	.quad	0x00cf92000000ffff		/* 0x10: data */
	.quad	0x00cf9a000000ffff		/* 0x18: 32-bit code */
gdt_end:
gdt_pointer:
	.word	gdt_end - gdt - 1
	.long	gdt

	.balign	4096
level4:
	.quad	level3 + PRESENT_WRITE
	.fill	511, 8, 0
level3:
	.quad	level2 + PRESENT_WRITE
	.quad	level2 + 4096 + PRESENT_WRITE
	.quad	level2 + 8192 + PRESENT_WRITE
	.quad	level2 + 12288 + PRESENT_WRITE
	.fill	508, 8, 0
level2:
	.set	page, 0
	.rept	2048
	.quad	page + PRESENT_WRITE + HUGE
	.set	page, page + 0x200000
	.endr

	.bss
	.balign	16
stacks:
	.skip	8 * STACK_BYTES

	.section .note.GNU-stack, "", @progbits
