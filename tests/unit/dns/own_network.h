/* SPDX-License-Identifier: Apache-2.0 */
/* A network of the test's own, with a loopback that is up. */
#ifndef TEST_DNS_OWN_NETWORK_H
#define TEST_DNS_OWN_NETWORK_H

/* For cmocka's setup of a group: all that follows is in it. 0 or -1. */
int own_network(void **state);

#endif
