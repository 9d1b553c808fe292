/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/sk_lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/bpf.h"
#include "base/cleanup.h"

/* The program that is being written, and the registers that it uses. */
struct writer {
	struct bpf_insn *code;
	size_t n;
	size_t to_end[16]; /* jumps whose end is not known yet */
	size_t jumps;
};

enum { RESULT = BPF_REG_0, ARG1, ARG2, ARG3, CONTEXT = BPF_REG_6, SOCKET, FRAME = BPF_REG_10 };

/* Places in the frame. */
#define INDEX (-4) /* of the socket */
#define PORT  (-8)

static void put(struct writer *w, uint8_t code, int dst, int src, int off, int32_t imm)
{
	w->code[w->n++] = bpf_insn(code, dst, src, off, imm);
}

static void put_load(struct writer *w, int dst, size_t offset)
{
	put(w, BPF_LDX | BPF_MEM | BPF_W, dst, CONTEXT, (int)offset, 0);
}

/* To the end, where the kernel goes on as if nobody had been asked. */
static void put_end_when(struct writer *w, uint8_t op, int reg, uint32_t value)
{
	w->to_end[w->jumps++] = w->n;
	put(w, BPF_JMP32 | op | BPF_K, reg, 0, 0, (int32_t)value);
}

static void put_end_when_result(struct writer *w, uint8_t op, int reg)
{
	w->to_end[w->jumps++] = w->n;
	put(w, BPF_JMP | op | BPF_K, reg, 0, 0, 0);
}

static void put_index(struct writer *w, int32_t i)
{
	put(w, BPF_ST | BPF_MEM | BPF_W, FRAME, 0, INDEX, i);
}

/* What @map has for the key at @place of the frame. */
static void put_find(struct writer *w, int map, int place)
{
	put(w, BPF_LD | BPF_DW | BPF_IMM, ARG1, BPF_PSEUDO_MAP_FD, 0, map);
	put(w, 0, 0, 0, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, ARG2, FRAME, 0, 0);
	put(w, BPF_ALU64 | BPF_ADD | BPF_K, ARG2, 0, 0, place);
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
}

size_t sk_lookup_program(int sockets, int ports, struct bpf_insn code[SK_LOOKUP_PROGRAM_MAX])
{
	struct writer w = { .code = code };
	size_t v6, common;

	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, CONTEXT, BPF_REG_1, 0, 0);
	put_load(&w, ARG1, offsetof(struct bpf_sk_lookup, protocol));
	put_end_when(&w, BPF_JNE, ARG1, IPPROTO_TCP);
	put_load(&w, ARG1, offsetof(struct bpf_sk_lookup, family));
	v6 = w.n;
	put(&w, BPF_JMP32 | BPF_JEQ | BPF_K, ARG1, 0, 0, AF_INET6);

	/* Addresses are in the network's order. */
	put_load(&w, ARG1, offsetof(struct bpf_sk_lookup, local_ip4));
	put(&w, BPF_ALU | BPF_AND | BPF_K, ARG1, 0, 0, (int32_t)htonl(0xff000000));
	put_end_when(&w, BPF_JNE, ARG1, htonl(0x7f000000));
	put_index(&w, 0);
	common = w.n;
	put(&w, BPF_JMP | BPF_JA, 0, 0, 0, 0);

	code[v6].off = (int16_t)(w.n - v6 - 1);
	for (int i = 0; i < 4; i++) {
		put_load(&w, ARG1, offsetof(struct bpf_sk_lookup, local_ip6) + 4 * (size_t)i);
		put_end_when(&w, BPF_JNE, ARG1, i == 3 ? htonl(1) : 0);
	}
	put_index(&w, 1);
	code[common].off = (int16_t)(w.n - common - 1);

	put_load(&w, ARG1, offsetof(struct bpf_sk_lookup, local_port));
	put(&w, BPF_STX | BPF_MEM | BPF_W, FRAME, ARG1, PORT, 0);
	put_find(&w, ports, PORT);
	put_end_when_result(&w, BPF_JNE, RESULT);
	put_find(&w, sockets, INDEX);
	put_end_when_result(&w, BPF_JEQ, RESULT);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, SOCKET, RESULT, 0, 0);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, ARG1, CONTEXT, 0, 0);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, ARG2, SOCKET, 0, 0);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_K, ARG3, 0, 0, 0);
	put(&w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_assign);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, ARG1, SOCKET, 0, 0);
	put(&w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_release);

	for (size_t i = 0; i < w.jumps; i++)
		code[w.to_end[i]].off = (int16_t)(w.n - w.to_end[i] - 1);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, SK_PASS);
	put(&w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return w.n;
}

static int make_map(uint32_t type, uint32_t entries, uint32_t flags)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = 4,
		.value_size = 4,
		.max_entries = entries,
		.map_flags = flags,
	};

	return bpf_call(BPF_MAP_CREATE, &attr);
}

static int set(int map, uint32_t key, uint32_t value)
{
	union bpf_attr attr = {
		.map_fd = (uint32_t)map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	return bpf_call(BPF_MAP_UPDATE_ELEM, &attr);
}

static int load(int sockets, int ports)
{
	struct bpf_insn code[SK_LOOKUP_PROGRAM_MAX];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insns = (uintptr_t)code,
		.insn_cnt = (uint32_t)sk_lookup_program(sockets, ports, code),
		.license = (uintptr_t) "Apache-2.0",
		.prog_name = "kata_loopback",
	};

	return bpf_call(BPF_PROG_LOAD, &attr);
}

static int attach(int netns, int v4, int v6, struct sk_lookup *s)
{
	auto_close int sockets = make_map(BPF_MAP_TYPE_SOCKMAP, 2, 0);
	auto_close int program = -1;
	union bpf_attr attr;
	int r;

	if (sockets < 0)
		return sockets;
	s->ports = make_map(BPF_MAP_TYPE_HASH, SK_LOOKUP_PORTS_MAX, BPF_F_NO_PREALLOC);
	if (s->ports < 0)
		return s->ports;
	r = v4 < 0 ? 0 : set(sockets, 0, (uint32_t)v4);
	if (r == 0 && v6 >= 0)
		r = set(sockets, 1, (uint32_t)v6);
	if (r < 0)
		return r;
	program = load(sockets, s->ports);
	if (program < 0)
		return program;
	attr = (union bpf_attr){
		.link_create = {
			.prog_fd = (uint32_t)program,
			.target_fd = (uint32_t)netns,
			.attach_type = BPF_SK_LOOKUP,
		},
	};
	s->link = bpf_call(BPF_LINK_CREATE, &attr);
	return s->link < 0 ? s->link : 0;
}

int sk_lookup_attach(int netns, int v4, int v6, struct sk_lookup *s, struct err *err)
{
	int r;

	*s = (struct sk_lookup)SK_LOOKUP_NONE;
	r = attach(netns, v4, v6, s);
	if (r == 0)
		return 0;
	sk_lookup_detach(s);
	return err_set(err, ENOTSUP, "a BPF program that chooses sockets (Linux 5.9): %s",
		       strerror(-r));
}

int sk_lookup_leave(const struct sk_lookup *s, uint16_t port, bool leave)
{
	uint32_t key = port;
	union bpf_attr attr = { .map_fd = (uint32_t)s->ports, .key = (uintptr_t)&key };
	int r;

	if (leave)
		return set(s->ports, key, 1);
	r = bpf_call(BPF_MAP_DELETE_ELEM, &attr);
	return r == -ENOENT ? 0 : r;
}

void sk_lookup_detach(struct sk_lookup *s)
{
	close_fd(&s->link);
	close_fd(&s->ports);
}
