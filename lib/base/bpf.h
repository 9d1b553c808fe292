/* SPDX-License-Identifier: Apache-2.0 */
/* BPF programs that are written by hand, and their system call: see linux/bpf.h. */
#ifndef BASE_BPF_H
#define BASE_BPF_H

#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One instruction. @dst and @src are registers (BPF_REG_*), @off counts bytes or instructions. */
static inline struct bpf_insn bpf_insn(uint8_t code, int dst, int src, int off, int32_t imm)
{
	return (struct bpf_insn){
		.code = code,
		.dst_reg = (uint8_t)(dst & 0xf),
		.src_reg = (uint8_t)(src & 0xf),
		.off = (int16_t)off,
		.imm = imm,
	};
}

/* bpf(2), or -errno. */
static inline int bpf_call(enum bpf_cmd cmd, union bpf_attr *attr)
{
	int r = (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

#endif
