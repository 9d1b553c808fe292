/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "guest/agent/network.h"

static void test_addresses(void **state)
{
	static const char *const bad[] = { "",		"x",	       "10.0.0",      "10.0.0.256",
					   "10.0.0.1/", "10.0.0.1/33", "fd00::/129",  "10.0.0.1/-1",
					   "fd00::g",	"/8",	       "10.0.0.1/8/8" };
	struct net_addr a;

	(void)state;
	assert_int_equal(net_addr_parse("10.1.2.3", &a), 0);
	assert_true(a.family == AF_INET && a.len == 4 && a.prefix == 32 && !a.has_prefix);
	assert_memory_equal(a.bytes, "\x0a\x01\x02\x03", 4);
	assert_int_equal(net_addr_parse("fd00::1/64", &a), 0);
	assert_true(a.family == AF_INET6 && a.len == 16 && a.prefix == 64 && a.has_prefix);
	assert_int_equal(net_addr_parse("0.0.0.0/0", &a), 0);
	assert_true(a.prefix == 0 && a.has_prefix);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(net_addr_parse(bad[i], &a), -EINVAL);
}

static void test_hardware_addresses(void **state)
{
	static const char *const bad[] = { "", "02:42:ac:11:00", "02:42:ac:11:00:05:06",
					   "02:42:ac:11:00:0g", "02-42-ac-11-00-05" };
	uint8_t mac[6];

	(void)state;
	assert_int_equal(net_mac_parse("02:42:AC:11:00:05", mac), 0);
	assert_memory_equal(mac, "\x02\x42\xac\x11\x00\x05", 6);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(net_mac_parse(bad[i], mac), -EINVAL);
}

/* A pair of links in a network of the test's own, where that is possible. */
static bool make_links(void)
{
	struct ifinfomsg i = { .ifi_family = AF_UNSPEC };
	auto_str struct str m = STR_INIT, kind = STR_INIT;
	auto_close int nl = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	nl = nl_open(NULL);
	nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &i, sizeof(i));
	nl_attr(&m, IFLA_IFNAME, "one", 4);
	nl_attr(&m, IFLA_ADDRESS, "\x02\x42\xac\x11\x00\x05", 6);
	nl_attr(&kind, IFLA_INFO_KIND, "veth", 4);
	nl_attr(&m, IFLA_LINKINFO, kind.data, kind.len);
	return nl_send(nl, &m, NULL, NULL) == 0;
}

static Types__Interface *link_named(Types__Interface **list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->name, name))
			return list[i];
	return NULL;
}

static void free_links(Types__Interface **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(&list[i]->base, NULL);
	free(list);
}

static void check_interfaces(void)
{
	Types__IPAddress ip = TYPES__IPADDRESS__INIT, *ips[] = { &ip };
	Types__Interface want = TYPES__INTERFACE__INIT, **list, *got;
	struct err err = ERR_INIT;
	size_t n;

	ip.address = (char *)"172.17.0.5";
	ip.mask = (char *)"16";
	want.name = (char *)"eth0";
	want.hwaddr = (char *)"02:42:ac:11:00:05";
	want.mtu = 1400;
	want.ipaddresses = ips;
	want.n_ipaddresses = 1;
	assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	/* Again, as after a restart of the runtime. */
	assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	assert_int_equal(net_list_interfaces(&list, &n, &err), 0);
	got = link_named(list, n, "eth0");
	assert_non_null(got);
	assert_string_equal(got->hwaddr, "02:42:AC:11:00:05");
	assert_int_equal(got->mtu, 1400);
	assert_int_equal(got->n_ipaddresses, 1);
	assert_string_equal(got->ipaddresses[0]->address, "172.17.0.5");
	assert_string_equal(got->ipaddresses[0]->mask, "16");
	assert_null(link_named(list, n, "one"));
	free_links(list, n);
	/* Found by its name only: it gets the hardware address. */
	want.hwaddr = (char *)"02:42:ac:11:00:06";
	assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	want.name = (char *)"eth7";
	want.hwaddr = (char *)"02:42:ac:11:00:07";
	assert_int_equal(net_update_interface(&want, NULL, &err), -ENODEV);
	want.hwaddr = (char *)"nonsense";
	assert_int_equal(net_update_interface(&want, NULL, &err), -EINVAL);
	want.name = (char *)"";
	assert_int_equal(net_update_interface(&want, NULL, &err), -EINVAL);
}

static void check_routes(void)
{
	Types__Route direct = TYPES__ROUTE__INIT, normal = TYPES__ROUTE__INIT;
	Types__Route *routes[] = { &normal, &direct }, **list;
	struct err err = ERR_INIT;
	bool found = false;
	size_t n;

	/* The second makes the first one's gateway reachable. */
	normal.gateway = (char *)"192.168.3.1";
	normal.device = (char *)"eth0";
	normal.mtu = 1300;
	direct.dest = (char *)"192.168.3.1/32";
	direct.device = (char *)"eth0";
	direct.scope = RT_SCOPE_LINK;
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(net_update_routes(routes, 2, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i]->gateway, "192.168.3.1")) {
			assert_string_equal(list[i]->dest, "0.0.0.0");
			assert_string_equal(list[i]->device, "eth0");
			assert_int_equal(list[i]->mtu, 1300);
			found = true;
		}
		protobuf_c_message_free_unpacked(&list[i]->base, NULL);
	}
	free(list);
	assert_true(found);
	direct.device = (char *)"nosuch";
	assert_int_equal(net_update_routes(routes, 2, &err), -ENODEV);
	direct.device = (char *)"eth0";
	direct.dest = (char *)"fd00::/64";
	direct.source = (char *)"10.0.0.1";
	assert_int_equal(net_update_routes(routes, 2, &err), -EINVAL);
}

static void check_neighbors(void)
{
	Types__ARPNeighbor one = TYPES__ARPNEIGHBOR__INIT, *list[] = { &one };
	Types__IPAddress ip = TYPES__IPADDRESS__INIT;
	struct err err = ERR_INIT;

	assert_int_equal(net_add_neighbors(list, 1, &err), -EINVAL);
	one.toipaddress = &ip;
	ip.address = (char *)"172.17.0.9";
	one.device = (char *)"eth0";
	one.lladdr = (char *)"02:42:ac:11:00:09";
	assert_int_equal(net_add_neighbors(list, 1, &err), 0);
	assert_int_equal(net_add_neighbors(list, 1, &err), 0);
	one.lladdr = (char *)"x";
	assert_int_equal(net_add_neighbors(list, 1, &err), -EINVAL);
}

static void test_kernel(void **state)
{
	(void)state;
	if (!make_links())
		skip();
	check_interfaces();
	check_routes();
	check_neighbors();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_hardware_addresses),
		cmocka_unit_test(test_kernel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
