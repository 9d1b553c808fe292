/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink(7): requests and their answers, one at a time. */
#ifndef BASE_NETLINK_H
#define BASE_NETLINK_H

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

/*
 * Attributes inside of one: what is added between these two belongs to it. The first
 * returns where it begins, which is for the second.
 */
size_t nl_nest(struct str *m, uint16_t type);
void nl_nest_end(struct str *m, size_t begin);

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

/* The same of the attributes inside of @a, which may be NULL. */
const struct rtattr *nl_find_in(const struct rtattr *a, uint16_t type, size_t min);

#endif
