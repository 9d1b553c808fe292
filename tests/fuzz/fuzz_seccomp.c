/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp of a request, compiled: the program must be one that the kernel
 * takes, and come to an end with a decision for any call.
 */
#include <linux/bpf_common.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "guest/agent/seccomp.h"

/* As the kernel's own check: bpf_check_classic() and seccomp_check_filter(). */
static void check(const struct seccomp_filter *f)
{
	must(f->n > 0 && f->n <= BPF_MAXINSNS && f->code);
	for (size_t i = 0; i < f->n; i++) {
		const struct sock_filter *c = &f->code[i];
		size_t left = f->n - i - 1; /* instructions behind it */

		switch (c->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			must(c->k % 4 == 0 && c->k < sizeof(struct seccomp_data));
			break;
		case BPF_JMP | BPF_JA:
			must(c->k < left);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			must(c->jt < left && c->jf < left);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
		case BPF_RET | BPF_K:
			break;
		default:
			must(!"an instruction that the compiler is not known to use");
		}
	}
	must(f->code[f->n - 1].code == (BPF_RET | BPF_K));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Grpc__LinuxSeccomp *spec = grpc__linux_seccomp__unpack(NULL, size, data);
	struct err err = ERR_INIT;
	struct seccomp_filter f;

	if (!spec)
		return 0;
	if (seccomp_compile(spec, &f, &err) == 0) {
		if (f.n > 0)
			check(&f);
		seccomp_done(&f);
	} else {
		must(err.code < 0 && *err_msg(&err) && f.n == 0);
	}
	grpc__linux_seccomp__free_unpacked(spec, NULL);
	return 0;
}
