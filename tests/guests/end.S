/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest without a kernel: it ends, or does not, in the way that the last character of
 * its command line says.
 *
 *	o  powers off by the ACPI sleep register	r  resets by the ACPI reset register
 *	k  resets by the keyboard controller		p  tells of a panic
 *	t  a fault without a handler, three times	h  halts, and nothing can wake it
 *	w  the same, after the word by which PCs say that they restart
 *	f  back to real mode, and where a PC's firmware begins
 *	l  loops without an exit			x  loops with exits
 *	i  reads and writes ports in all sizes, then powers off
 *	m  reads and writes where no memory and no device is, then powers off
 */
	.section .note.pvh, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	entry

	.text
	.code32
	.globl	entry
entry:
	movl	24(%ebx), %esi		/* hvm_start_info: the command line */
1:	lodsb
	testb	%al, %al
	jz	2f
	movb	%al, %dl
	jmp	1b
2:	cmpb	$'r', %dl
	je	reset
	cmpb	$'k', %dl
	je	keyboard
	cmpb	$'p', %dl
	je	panic
	cmpb	$'t', %dl
	je	fault
	cmpb	$'w', %dl
	je	warm
	cmpb	$'f', %dl
	je	firmware
	cmpb	$'h', %dl
	je	halt
	cmpb	$'l', %dl
	je	loop
	cmpb	$'x', %dl
	je	exits
	cmpb	$'i', %dl
	je	ports
	cmpb	$'m', %dl
	je	nowhere
off:
	movw	$0x600, %dx
	movb	$0x34, %al		/* SLP_TYP 5, SLP_EN */
	outb	%al, %dx
halt:
	cli
	hlt
	jmp	halt
reset:
	movw	$0x602, %dx
	movb	$1, %al
	outb	%al, %dx
	jmp	halt
keyboard:
	movb	$0xfe, %al
	outb	%al, $0x64
	jmp	halt
panic:
	movw	$0x505, %dx
	inb	%dx, %al		/* what it can be told */
	andb	$1, %al
	outb	%al, %dx
	jmp	halt
warm:
	movw	$0x1234, 0x472
fault:
	ud2				/* the table of handlers is empty */
loop:
	jmp	loop
exits:
	outb	%al, $0x80
	jmp	exits
ports:
	movl	$ranges, %esi
1:	movzwl	(%esi), %edx		/* from, to */
	movzwl	2(%esi), %ecx
	addl	$4, %esi
	testl	%ecx, %ecx
	jz	off
2:	inb	%dx, %al
	inw	%dx, %ax
	inl	%dx, %eax
	xorl	%eax, %eax		/* asks for nothing anywhere */
	outb	%al, %dx
	outw	%ax, %dx
	outl	%eax, %dx
	incl	%edx
	cmpl	%ecx, %edx
	jbe	2b
	jmp	1b
/* By 16-bit segments of 64 KiB, copied with their code to where real mode can reach them. */
firmware:
	movl	$real, %esi
	movl	$0x8000, %edi
	movl	$real_end - real, %ecx
	rep movsb
	lgdt	0x8000 + real_gdt_pointer - real
	ljmp	$8, $0
real:
	.code16
	movw	$0x10, %ax
	movw	%ax, %ds
	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmp	$0xf000, $0xfff0
	.balign	8
real_gdt:
	.quad	0
	.quad	0x00009a008000ffff
	.quad	0x000092000000ffff
real_gdt_pointer:
	.word	3 * 8 - 1
	.long	0x8000 + real_gdt - real
real_end:
	.code32
/* The ports that answer, with their neighbours, and those that PCs have. */
ranges:
	.word	0x00, 0x02, 0x20, 0x21, 0x40, 0x43, 0x5f, 0x65, 0x70, 0x71, 0x7f, 0x81
	.word	0x2f8, 0x2ff, 0x3f7, 0x400, 0x504, 0x506, 0x5fe, 0x606
	.word	0xcf8, 0xcff, 0xfffc, 0xffff, 0, 0
nowhere:
	movl	$0xc0000000, %ebx
1:	movl	(%ebx), %eax
	cmpl	$-1, %eax
	jne	reset
	movb	%al, 1(%ebx)
	movw	%ax, 3(%ebx)
	addl	$0x800000, %ebx
	cmpl	$0xd0000000, %ebx
	jne	1b
	jmp	off
