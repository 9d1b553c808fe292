/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of the real vhost-vsock (the linker's --wrap of vsock_open, vsock_dial and
 * vsock_dial_free): no test depends on the host's. Who is dialled says the port.
 */
#ifndef TESTS_HYPERVISOR_VSOCK_DOUBLE_H
#define TESTS_HYPERVISOR_VSOCK_DOUBLE_H

#include <stdbool.h>

/* The guest's address. */
#define VSOCK_DOUBLE_CID 42

/* This host has none. */
extern bool vsock_double_missing;

#endif
