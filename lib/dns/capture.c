/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/capture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum { RESULT = BPF_REG_0, ARG1, ARG2, ARG3, CONTEXT = BPF_REG_6, SOCKET, FRAME = BPF_REG_10 };

/* In the frame: which of the sockets. */
#define INDEX (-4)

struct writer {
	struct bpf_insn *code;
	size_t n;
};

/* Returns where it stands: the way of a jump is known later. */
static size_t put(struct writer *w, uint8_t code, int dst, int src, int off, int32_t imm)
{
	w->code[w->n] = bpf_insn(code, dst, src, off, imm);
	return w->n++;
}

static void put_load(struct writer *w, size_t offset)
{
	put(w, BPF_LDX | BPF_MEM | BPF_W, ARG1, CONTEXT, (int)offset, 0);
}

static size_t put_jump(struct writer *w, uint8_t op, uint32_t value)
{
	return put(w, BPF_JMP32 | op | BPF_K, ARG1, 0, 0, (int32_t)value);
}

static void land(struct writer *w, size_t jump)
{
	w->code[jump].off = (int16_t)(w->n - jump - 1);
}

static void put_socket(struct writer *w, int sockets)
{
	size_t none;

	put(w, BPF_LD | BPF_DW | BPF_IMM, ARG1, BPF_PSEUDO_MAP_FD, 0, sockets);
	put(w, 0, 0, 0, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, ARG2, FRAME, 0, 0);
	put(w, BPF_ALU64 | BPF_ADD | BPF_K, ARG2, 0, 0, INDEX);
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	none = put(w, BPF_JMP | BPF_JEQ | BPF_K, RESULT, 0, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, SOCKET, RESULT, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, ARG1, CONTEXT, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, ARG2, SOCKET, 0, 0);
	put(w, BPF_ALU64 | BPF_MOV | BPF_K, ARG3, 0, 0, 0);
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_assign);
	put(w, BPF_ALU64 | BPF_MOV | BPF_X, ARG1, SOCKET, 0, 0);
	put(w, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_sk_release);
	land(w, none);
}

size_t dns_capture_program(int sockets, const struct in_addr *servers, size_t n,
			   struct bpf_insn code[DNS_CAPTURE_PROGRAM_MAX])
{
	struct writer w = { .code = code };
	size_t other[3], found[DNS_SERVERS_MAX], miss;
	bool all = n == 0;

	put(&w, BPF_ALU64 | BPF_MOV | BPF_X, CONTEXT, BPF_REG_1, 0, 0);
	put_load(&w, offsetof(struct bpf_sk_lookup, family));
	other[0] = put_jump(&w, BPF_JNE, AF_INET);
	put_load(&w, offsetof(struct bpf_sk_lookup, local_port));
	other[1] = put_jump(&w, BPF_JNE, DNS_PORT);
	/* Nothing but TCP and UDP is asked about. */
	put_load(&w, offsetof(struct bpf_sk_lookup, protocol));
	put(&w, BPF_ST | BPF_MEM | BPF_W, FRAME, 0, INDEX, 0);
	miss = put_jump(&w, BPF_JNE, IPPROTO_TCP);
	put(&w, BPF_ST | BPF_MEM | BPF_W, FRAME, 0, INDEX, 1);
	land(&w, miss);
	/* Addresses are in the network's order. */
	put_load(&w, offsetof(struct bpf_sk_lookup, local_ip4));
	for (size_t i = 0; i < n; i++)
		found[i] = put_jump(&w, BPF_JEQ, servers[i].s_addr);
	if (all)
		put(&w, BPF_ALU | BPF_AND | BPF_K, ARG1, 0, 0, (int32_t)htonl(0xff000000));
	other[2] = all ? put_jump(&w, BPF_JEQ, htonl(0x7f000000)) :
			 put(&w, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		land(&w, found[i]);
	put_socket(&w, sockets);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		land(&w, other[i]);
	put(&w, BPF_ALU64 | BPF_MOV | BPF_K, RESULT, 0, 0, SK_PASS);
	put(&w, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return w.n;
}

static int make_map(const struct dns_sockets *s)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 2,
	};
	auto_close int map = bpf_call(BPF_MAP_CREATE, &attr);

	for (uint32_t i = 0; map >= 0 && i < 2; i++) {
		uint32_t value = (uint32_t)(i == 0 ? s->udp : s->tcp);
		int r;

		attr = (union bpf_attr){
			.map_fd = (uint32_t)map,
			.key = (uintptr_t)&i,
			.value = (uintptr_t)&value,
		};
		r = bpf_call(BPF_MAP_UPDATE_ELEM, &attr);
		if (r < 0)
			return r;
	}
	return take_fd(&map);
}

static int load(int map, const struct in_addr *servers, size_t n)
{
	struct bpf_insn code[DNS_CAPTURE_PROGRAM_MAX];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insns = (uintptr_t)code,
		.insn_cnt = (uint32_t)dns_capture_program(map, servers, n, code),
		.license = (uintptr_t) "Apache-2.0",
		.prog_name = "kata_names",
	};

	return bpf_call(BPF_PROG_LOAD, &attr);
}

int dns_capture(const struct dns_sockets *s, const struct in_addr *servers, size_t n)
{
	auto_close int map = make_map(s);
	auto_close int program = map < 0 ? map : load(map, servers, n);
	auto_close int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	union bpf_attr attr;

	if (program < 0)
		return program;
	if (netns < 0)
		return -errno;
	attr = (union bpf_attr){
		.link_create = {
			.prog_fd = (uint32_t)program,
			.target_fd = (uint32_t)netns,
			.attach_type = BPF_SK_LOOKUP,
		},
	};
	return bpf_call(BPF_LINK_CREATE, &attr);
}
