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
	/* Found by the address that it has before, and the name is another's. */
	want.presenthwaddr = want.hwaddr;
	want.hwaddr = (char *)"02:42:ac:11:00:08";
	want.name = (char *)"veth0";
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	assert_int_equal(net_list_interfaces(&list, &n, &err), 0);
	assert_string_equal(link_named(list, n, "veth0")->hwaddr, "02:42:AC:11:00:08");
	assert_int_equal(link_named(list, n, "veth0")->n_ipaddresses, 1);
	assert_non_null(link_named(list, n, "eth0"));
	free_links(list, n);
	want.name = (char *)"eth0";
	assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	want.name = (char *)"a/b";
	assert_int_equal(net_update_interface(&want, NULL, &err), -EINVAL);
	want.name = (char *)"eth7";
	want.presenthwaddr = (char *)"02:42:ac:11:00:09";
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
		assert_int_equal(net_update_routes(routes, 2, true, &err), 0);
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
	assert_int_equal(net_update_routes(routes, 2, true, &err), -ENODEV);
	direct.device = (char *)"eth0";
	direct.dest = (char *)"fd00::/64";
	direct.source = (char *)"10.0.0.1";
	assert_int_equal(net_update_routes(routes, 2, true, &err), -EINVAL);
}

static Types__Route *route_to(Types__Route **list, size_t n, const char *dest, const char *gateway)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i]->dest, dest) && !strcmp(list[i]->gateway, gateway))
			return list[i];
	return NULL;
}

static void free_routes(Types__Route **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		protobuf_c_message_free_unpacked(&list[i]->base, NULL);
	free(list);
}

/* What is asked for is what is there, all of it and nothing else but the kernel's own. */
static void check_kinds_of_routes(void)
{
	Types__Route r[6], *routes[6], **list, *got;
	struct err err = ERR_INIT;
	size_t n;

	for (int i = 0; i < 6; i++) {
		types__route__init(&r[i]);
		r[i].device = (char *)"eth0";
		routes[i] = &r[i];
	}
	r[0].gateway = (char *)"172.17.0.1";
	r[1].gateway = (char *)"172.17.0.2";
	r[1].metric = 200;
	r[2].dest = (char *)"10.9.0.0/16";
	r[2].device = (char *)"";
	r[2].type = RTN_BLACKHOLE;
	r[3].dest = (char *)"10.8.0.0/16";
	r[3].gateway = (char *)"192.168.77.1"; /* no route leads there */
	r[3].flags = RTNH_F_ONLINK;
	r[3].source = (char *)"172.17.0.5";
	/* Two ways to the same place: the first one counts. */
	r[4].dest = r[5].dest = (char *)"10.7.0.0/16";
	r[4].gateway = (char *)"172.17.0.3";
	r[5].gateway = (char *)"172.17.0.4";
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(net_update_routes(routes, 6, true, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_int_equal(route_to(list, n, "0.0.0.0", "172.17.0.1")->metric, 0);
	assert_int_equal(route_to(list, n, "0.0.0.0", "172.17.0.2")->metric, 200);
	assert_int_equal(route_to(list, n, "10.9.0.0/16", "")->type, RTN_BLACKHOLE);
	got = route_to(list, n, "10.8.0.0/16", "192.168.77.1");
	assert_true(got->flags & RTNH_F_ONLINK);
	assert_string_equal(got->source, "172.17.0.5");
	assert_ptr_not_equal(route_to(list, n, "10.7.0.0/16", "172.17.0.3"), NULL);
	assert_ptr_not_equal(route_to(list, n, "10.7.0.0/16", "172.17.0.4"), NULL);
	assert_null(route_to(list, n, "192.168.3.1/32", ""));
	assert_non_null(route_to(list, n, "172.17.0.0/16", ""));
	free_routes(list, n);

	/* One that makes no sense keeps all as it was. */
	r[1].gateway = (char *)"fe80::1/64";
	assert_int_equal(net_update_routes(routes, 2, true, &err), -EINVAL);
	r[1].gateway = (char *)"172.17.0.2";
	r[1].type = RTN_MAX + 1;
	assert_int_equal(net_update_routes(routes, 2, true, &err), -EINVAL);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_non_null(route_to(list, n, "0.0.0.0", "172.17.0.2"));
	free_routes(list, n);

	assert_int_equal(net_update_routes(routes, 1, false, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_non_null(route_to(list, n, "10.9.0.0/16", ""));
	free_routes(list, n);
	assert_int_equal(net_update_routes(routes, 1, true, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_null(route_to(list, n, "10.9.0.0/16", ""));
	assert_null(route_to(list, n, "10.7.0.0/16", "172.17.0.4"));
	free_routes(list, n);
}

static void check_ipv6(void)
{
	Types__IPAddress ip = TYPES__IPADDRESS__INIT, peer = TYPES__IPADDRESS__INIT;
	Types__IPAddress *ips[] = { &ip, &peer };
	Types__Interface want = TYPES__INTERFACE__INIT, **links, *got;
	Types__Route r[5], *routes[5], **list;
	struct err err = ERR_INIT;
	size_t n;

	ip.family = TYPES__IPFAMILY__v6;
	ip.address = (char *)"fd00:17::5";
	ip.mask = (char *)"64";
	ip.flags = IFA_F_NOPREFIXROUTE;
	peer.address = (char *)"172.18.0.5";
	peer.mask = (char *)"32";
	peer.peer = (char *)"172.18.0.1";
	want.name = (char *)"eth0";
	want.hwaddr = (char *)"02:42:ac:11:00:08";
	want.ipaddresses = ips;
	want.n_ipaddresses = 2;
	assert_int_equal(net_update_interface(&want, NULL, &err), 0);
	assert_int_equal(net_list_interfaces(&links, &n, &err), 0);
	got = link_named(links, n, "eth0");
	for (size_t i = 0; i < got->n_ipaddresses; i++) {
		const Types__IPAddress *a = got->ipaddresses[i];

		assert_string_not_equal(a->address, "172.17.0.5"); /* asked for no more */
		if (!strcmp(a->address, "172.18.0.5"))
			assert_string_equal(a->peer, "172.18.0.1");
		if (!strcmp(a->address, "fd00:17::5"))
			assert_true(a->flags & IFA_F_NOPREFIXROUTE);
	}
	free_links(links, n);
	for (int i = 0; i < 5; i++) {
		types__route__init(&r[i]);
		r[i].device = (char *)"eth0";
		r[i].family = TYPES__IPFAMILY__v6;
		routes[i] = &r[i];
	}
	r[0].gateway = (char *)"fd00:17::1";
	r[1].gateway = (char *)"fe80::1";
	r[1].metric = 2000;
	r[2].dest = (char *)"fd00:17::/64";
	r[3].dest = (char *)"fd00:99::/64";
	r[3].type = RTN_UNREACHABLE;
	/* To IPv4 by a gateway of IPv6. */
	r[4].family = TYPES__IPFAMILY__v4;
	r[4].dest = (char *)"10.6.0.0/16";
	r[4].gateway = (char *)"fd00:17::1";
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(net_update_routes(routes, 5, true, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_int_equal(route_to(list, n, "::1", "fd00:17::1")->metric, 1024);
	assert_int_equal(route_to(list, n, "::1", "fe80::1")->metric, 2000);
	assert_int_equal(route_to(list, n, "fd00:99::/64", "")->type, RTN_UNREACHABLE);
	assert_non_null(route_to(list, n, "10.6.0.0/16", "fd00:17::1"));
	free_routes(list, n);
	assert_int_equal(net_update_routes(routes, 0, true, &err), 0);
	assert_int_equal(net_list_routes(&list, &n, &err), 0);
	assert_null(route_to(list, n, "fd00:99::/64", ""));
	assert_null(route_to(list, n, "10.6.0.0/16", "fd00:17::1"));
	free_routes(list, n);
	ip.peer = (char *)"10.0.0.1";
	assert_int_equal(net_update_interface(&want, NULL, &err), -EINVAL);
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
	check_kinds_of_routes();
	check_neighbors();
	if (access("/proc/sys/net/ipv6", F_OK) == 0)
		check_ipv6();
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
