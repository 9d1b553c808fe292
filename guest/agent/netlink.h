/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7): requests and their answers, one at a time. */
#ifndef AGENT_NETLINK_H
#define AGENT_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* A socket for the network of the calling thread, or -errno. */
int nl_open(struct err *err);

/* Begin a request in the empty @m: @header of @len bytes follows the common one. */
void nl_begin(struct str *m, uint16_t type, uint16_t flags, const void *header, size_t len);

/* Add an attribute. */
void nl_attr(struct str *m, uint16_t type, const void *data, size_t len);
void nl_attr_u32(struct str *m, uint16_t type, uint32_t value);

/* For each message of an answer; 0 goes on, another value ends nl_send() with it. */
typedef int (*nl_message_fn)(const struct nlmsghdr *m, void *arg);

/*
 * Send @m and wait for all of its answer; the kernel gives it at once, so the
 * limit of 5 s (-ETIMEDOUT) is for what ought not to be. Returns 0, -errno of
 * the kernel, or what @fn (may be NULL) returned.
 */
int nl_send(int fd, struct str *m, nl_message_fn fn, void *arg);

/*
 * The attribute @type of a message whose own header has @len bytes; NULL when
 * there is none or its data are shorter than @min bytes.
 */
const struct rtattr *nl_find(const struct nlmsghdr *m, size_t len, uint16_t type, size_t min);

#endif
