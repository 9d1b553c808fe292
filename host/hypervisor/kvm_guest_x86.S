/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code that runs in the trial's machine (kvm_trial_x86.c), copied there
 * from kvm_guest_begin to kvm_guest_end. It writes the number of each step
 * (enum kvm_trial_step) as a port when that is over, and halts when one fails.
 *
 *	%r8, %r9	rounds of the warm-up and of the loop
 *	%rsi		16-byte aligned: flags (1: cmpxchg16b, 2: xsave), at 16 zeros
 *	%rdi		64-byte aligned room for xsave
 */
#if defined(__x86_64__)
	.section .rodata
	.globl	kvm_guest_begin, kvm_guest_handler, kvm_guest_end

kvm_guest_begin:
1:	dec	%r8
	jnz	1b
	out	%al, $2

1:	dec	%r9
	jnz	1b
	out	%al, $3

	xor	%ebx, %ebx
	int3
	cmp	$1, %ebx
	jne	fail
	out	%al, $4

	testb	$1, (%rsi)
	jz	1f
	xor	%eax, %eax
	xor	%edx, %edx
	mov	$5, %ebx
	mov	$6, %ecx
	lock cmpxchg16b 16(%rsi)
	jnz	fail
	cmpl	$5, 16(%rsi)
	jne	fail
	cmpl	$6, 24(%rsi)
	jne	fail
1:	out	%al, $5

	testb	$2, (%rsi)
	jz	1f
	mov	$3, %eax		/* x87 and SSE */
	xor	%edx, %edx
	xsave	(%rdi)
	xrstor	(%rdi)
1:	out	%al, $6
fail:	hlt

kvm_guest_handler:			/* of the breakpoint */
	inc	%ebx
	iretq
kvm_guest_end:
#endif
	.section .note.GNU-stack, "", %progbits
