/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to addresses at which nobody listens, for sockets at some other port: a program of
 * the kernel's (BPF, sk_lookup, Linux 5.9) hands them over. So the port 53 of all addresses
 * stays free for who serves names himself.
 */
#ifndef DNS_CAPTURE_H
#define DNS_CAPTURE_H

#include "base/bpf.h"
#include "dns/front.h"

#define DNS_CAPTURE_PROGRAM_MAX 32

/*
 * The program: UDP and TCP to port 53 of one of @n @servers, or with @n 0 of any address outside
 * of 127.0.0.0/8, get the socket that stands at 0 and at 1 of the map @sockets. Returns its
 * length. Pure.
 */
size_t dns_capture_program(int sockets, const struct in_addr *servers, size_t n,
			   struct bpf_insn code[DNS_CAPTURE_PROGRAM_MAX]);

/*
 * Let @s have them in the network that this process is in, until the descriptor that is
 * returned is closed. -errno where the kernel cannot do that. @n ≤ DNS_SERVERS_MAX.
 */
int dns_capture(const struct dns_sockets *s, const struct in_addr *servers, size_t n);

#endif
