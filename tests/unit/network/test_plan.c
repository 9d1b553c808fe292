/* SPDX-License-Identifier: Apache-2.0 */
/* From the kernel's messages to what the guest gets; no namespace is looked into. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "host/network/plan.h"
#include "host/network/wire.h"

static const struct net_wishes wishes = { .model = NET_MODEL_TC, .queues = 1 };

/* As nl_send() would hand it over. */
static void take(struct net_view *v, struct str *m)
{
	((struct nlmsghdr *)(void *)m->data)->nlmsg_len = (uint32_t)m->len;
	assert_int_equal(net_view_take((void *)m->data, v), 0);
	str_free(m);
}

static void add_mac(struct str *m, uint16_t type, int index)
{
	const uint8_t mac[NET_MAC_LEN] = { 2, 0, 0, 0, 0, (uint8_t)index };

	nl_attr(m, type, mac, sizeof(mac));
}

struct link {
	int index;
	const char *name, *kind;
	unsigned flags;
	uint16_t type;
	int master;
	bool tun; /* not a tap */
	int lower;
	bool elsewhere; /* is the lower one */
	const char *device;
};

static void add_link(struct net_view *v, struct link l)
{
	struct ifinfomsg i = { .ifi_index = l.index, .ifi_flags = l.flags, .ifi_type = l.type };
	const uint8_t type = l.tun ? 1 : 2;
	struct str m = STR_INIT;
	size_t info, data;

	nl_begin(&m, RTM_NEWLINK, 0, &i, sizeof(i));
	nl_attr(&m, IFLA_IFNAME, l.name, strlen(l.name) + 1);
	nl_attr_u32(&m, IFLA_MTU, 1400);
	nl_attr_u32(&m, IFLA_NUM_TX_QUEUES, 4);
	if (l.master)
		nl_attr_u32(&m, IFLA_MASTER, (uint32_t)l.master);
	if (l.lower)
		nl_attr_u32(&m, IFLA_LINK, (uint32_t)l.lower);
	if (l.elsewhere)
		nl_attr_u32(&m, IFLA_LINK_NETNSID, 0);
	if (l.device) {
		nl_attr(&m, IFLA_PARENT_DEV_BUS_NAME, "pci", 4);
		nl_attr(&m, IFLA_PARENT_DEV_NAME, l.device, strlen(l.device) + 1);
	}
	if (l.type == ARPHRD_ETHER)
		add_mac(&m, IFLA_ADDRESS, l.index);
	if (l.kind) {
		info = nl_nest(&m, IFLA_LINKINFO);
		nl_attr(&m, IFLA_INFO_KIND, l.kind, strlen(l.kind) + 1);
		data = nl_nest(&m, IFLA_INFO_DATA);
		nl_attr(&m, IFLA_TUN_TYPE, &type, 1);
		nl_nest_end(&m, data);
		nl_nest_end(&m, info);
	}
	take(v, &m);
}

static void add_ip(struct str *m, uint16_t type, const char *text)
{
	uint8_t bytes[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, bytes), 1);
	nl_attr(m, type, bytes, family == AF_INET6 ? 16 : 4);
}

static void add_address(struct net_view *v, int index, const char *ip, int prefix, const char *peer)
{
	struct ifaddrmsg i = { .ifa_family = strchr(ip, ':') ? AF_INET6 : AF_INET,
			       .ifa_prefixlen = (uint8_t)prefix,
			       .ifa_index = (unsigned)index };
	struct str m = STR_INIT;

	nl_begin(&m, RTM_NEWADDR, 0, &i, sizeof(i));
	add_ip(&m, IFA_LOCAL, ip);
	add_ip(&m, IFA_ADDRESS, peer ? peer : ip);
	nl_attr_u32(&m, IFA_FLAGS, IFA_F_PERMANENT | IFA_F_HOMEADDRESS);
	take(v, &m);
}

struct route {
	const char *dst, *via, *source;
	int prefix, index, metric;
	uint8_t protocol, type, scope, table, tos;
	unsigned flags;
};

static void begin_route(struct str *m, const struct route *r)
{
	struct rtmsg i = { .rtm_family = AF_INET,
			   .rtm_dst_len = (uint8_t)r->prefix,
			   .rtm_table = r->table ? r->table : RT_TABLE_MAIN,
			   .rtm_protocol = r->protocol ? r->protocol : RTPROT_BOOT,
			   .rtm_scope = r->scope,
			   .rtm_tos = r->tos,
			   .rtm_flags = r->flags,
			   .rtm_type = r->type ? r->type : RTN_UNICAST };

	nl_begin(m, RTM_NEWROUTE, 0, &i, sizeof(i));
	if (r->dst)
		add_ip(m, RTA_DST, r->dst);
	if (r->via)
		add_ip(m, RTA_GATEWAY, r->via);
	if (r->source)
		add_ip(m, RTA_PREFSRC, r->source);
	if (r->index)
		nl_attr_u32(m, RTA_OIF, (uint32_t)r->index);
	if (r->metric)
		nl_attr_u32(m, RTA_PRIORITY, (uint32_t)r->metric);
}

static void add_route(struct net_view *v, struct route r)
{
	struct str m = STR_INIT;

	begin_route(&m, &r);
	take(v, &m);
}

static void add_neighbour(struct net_view *v, int index, const char *ip, uint16_t state)
{
	struct ndmsg i = { .ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = state };
	struct str m = STR_INIT;

	nl_begin(&m, RTM_NEWNEIGH, 0, &i, sizeof(i));
	add_ip(&m, NDA_DST, ip);
	add_mac(&m, NDA_LLADDR, 9);
	take(v, &m);
}

#define UP (IFF_UP | IFF_RUNNING)
#define ETH(i)                                                                                  \
	{                                                                                       \
		.index = (i), .name = "eth0", .kind = "veth", .flags = UP, .type = ARPHRD_ETHER \
	}

static bool warned(const struct net_plan *p, const char *what)
{
	for (size_t i = 0; i < p->warnings.n; i++)
		if (strstr(p->warnings.v[i], what))
			return true;
	return false;
}

static void test_which_links(void **state)
{
	struct net_view v = { .links = NULL };
	struct net_plan p;

	(void)state;
	add_link(&v,
		 (struct link){ 1, "lo", NULL, UP | IFF_LOOPBACK, ARPHRD_LOOPBACK, .tun = false });
	add_link(&v, (struct link)ETH(2));
	add_link(&v, (struct link){ 3, "tap0_kata", "tun", UP, ARPHRD_ETHER, .tun = false });
	add_link(&v, (struct link){ 4, "sit0", "sit", 0, ARPHRD_SIT, .tun = false });
	add_link(&v, (struct link){ 5, "wg0", "wireguard", UP, ARPHRD_NONE, .tun = false });
	add_link(&v, (struct link){ 6, "port", "veth", UP, ARPHRD_ETHER, .master = 2 });
	add_link(&v, (struct link){ 7, "held", "tun", UP, ARPHRD_ETHER, .tun = false });
	add_link(&v, (struct link){ 8, "free", "tun", IFF_UP, ARPHRD_ETHER, .tun = false });
	add_link(&v, (struct link){ 9, "mv", "macvlan", UP, ARPHRD_ETHER, .tun = false });
	add_link(&v, (struct link){ 10, "mt", "macvtap", UP, ARPHRD_ETHER, .tun = false });
	add_link(&v, (struct link){ 11, "ens1", NULL, UP, ARPHRD_ETHER, .tun = false });
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n, 6);
	assert_string_equal(p.endpoints[0].interface->name, "eth0");
	assert_string_equal(p.endpoints[0].interface->hwaddr, "02:00:00:00:00:02");
	assert_int_equal(p.endpoints[0].interface->mtu, 1400);
	assert_int_equal(p.endpoints[0].model, NET_MODEL_TC);
	/* What somebody writes into comes in like anything else; what nobody holds is ours. */
	assert_string_equal(p.endpoints[1].name, "held");
	assert_int_equal(p.endpoints[1].model, NET_MODEL_TC);
	assert_int_equal(p.endpoints[2].model, NET_MODEL_TAP);
	assert_string_equal(p.endpoints[3].type, "macvlan");
	assert_int_equal(p.endpoints[4].model, NET_MODEL_MACVTAP_SELF);
	assert_string_equal(p.endpoints[5].type, "physical");
	assert_int_equal(p.warnings.n, 2);
	assert_true(warned(&p, "wg0 (wireguard) is not carried: it is not Ethernet"));
	assert_true(warned(&p, "port (veth) is not carried: it is a port"));
	net_plan_free(&p);
	net_view_free(&v);
}

/* What lies upon an interface of the pod hears nothing any more; upon one of the host, all. */
static void test_stacks(void **state)
{
	struct net_view v = { .links = NULL };
	struct net_plan p = { .endpoints = NULL };

	(void)state;
	add_link(&v, (struct link)ETH(2));
	add_link(&v, (struct link){ 3, "eth0.5", "vlan", UP, ARPHRD_ETHER, .lower = 2 });
	add_link(&v, (struct link){ 4, "far", "macvlan", UP, ARPHRD_ETHER, .lower = 2,
				    .elsewhere = true });
	add_link(&v, (struct link){ 5, "a", "veth", UP, ARPHRD_ETHER, .lower = 6 });
	add_link(&v, (struct link){ 6, "b", "veth", UP, ARPHRD_ETHER, .lower = 5 });
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n, 5);
	assert_int_equal(p.warnings.n, 1);
	assert_true(warned(&p, "eth0.5"));
	net_plan_free(&p);
	net_view_free(&v);
}

static void test_addresses(void **state)
{
	struct net_view v = { .links = NULL };
	struct net_plan p;
	Types__Interface *m;

	(void)state;
	add_link(&v, (struct link)ETH(2));
	add_address(&v, 2, "10.1.0.2", 24, NULL);
	add_address(&v, 2, "10.2.0.2", 16, NULL);
	add_address(&v, 2, "10.3.0.2", 32, NULL);
	add_address(&v, 2, "10.4.0.2", 30, "10.4.0.1");
	add_address(&v, 2, "fd00::2", 64, NULL);
	add_address(&v, 7, "10.5.0.2", 24, NULL); /* of nobody */
	add_route(&v, (struct route){ .dst = "10.1.0.0",
				      .prefix = 24,
				      .index = 2,
				      .protocol = RTPROT_KERNEL,
				      .scope = RT_SCOPE_LINK });
	net_plan(&v, &wishes, &p);
	m = p.endpoints[0].interface;
	assert_int_equal(m->n_ipaddresses, 5);
	assert_string_equal(m->ipaddresses[0]->address, "10.1.0.2");
	assert_string_equal(m->ipaddresses[0]->mask, "24");
	assert_int_equal(m->ipaddresses[0]->flags, IFA_F_HOMEADDRESS);
	/* Its route was taken away: the guest is not to have it either. */
	assert_int_equal(m->ipaddresses[1]->flags, IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE);
	assert_int_equal(m->ipaddresses[2]->flags, IFA_F_HOMEADDRESS);
	assert_string_equal(m->ipaddresses[3]->peer, "10.4.0.1");
	assert_int_equal(m->ipaddresses[4]->family, TYPES__IPFAMILY__v6);
	assert_int_equal(p.n_routes, 0);
	net_plan_free(&p);
	net_view_free(&v);
}

static void test_routes(void **state)
{
	struct net_view v = { .links = NULL };
	struct net_plan p;

	(void)state;
	add_link(&v, (struct link)ETH(2));
	add_link(&v, (struct link){ 5, "wg0", "wireguard", UP, ARPHRD_NONE, .tun = false });
	add_route(&v, (struct route){ .via = "10.1.0.1",
				      .index = 2,
				      .metric = 50,
				      .source = "10.1.0.2",
				      .flags = RTNH_F_ONLINK | RTNH_F_LINKDOWN });
	add_route(&v, (struct route){ .dst = "10.6.0.0", .prefix = 16, .type = RTN_BLACKHOLE });
	add_route(&v, (struct route){ .dst = "10.7.0.0", .prefix = 16, .index = 5 });
	add_route(&v, (struct route){ .dst = "10.8.0.0", .prefix = 16, .index = 2, .table = 100 });
	add_route(&v, (struct route){ .dst = "10.9.0.0", .prefix = 16, .index = 2, .tos = 8 });
	add_route(&v, (struct route){ .dst = "10.9.0.1", .index = 2, .table = RT_TABLE_LOCAL });
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n_routes, 2);
	assert_string_equal(p.routes[0]->dest, "");
	assert_string_equal(p.routes[0]->gateway, "10.1.0.1");
	assert_string_equal(p.routes[0]->source, "10.1.0.2");
	assert_string_equal(p.routes[0]->device, "eth0");
	assert_int_equal(p.routes[0]->metric, 50);
	assert_int_equal(p.routes[0]->flags, RTNH_F_ONLINK);
	assert_string_equal(p.routes[1]->dest, "10.6.0.0/16");
	assert_string_equal(p.routes[1]->device, "");
	assert_int_equal(p.routes[1]->type, RTN_BLACKHOLE);
	assert_true(warned(&p, "route to 10.7.0.0/16 is not carried: its interface"));
	assert_true(warned(&p, "route to 10.9.0.0/16 is not carried: it is for one type"));
	assert_true(warned(&p, "1 routes in tables of policy routing"));
	net_plan_free(&p);
	net_view_free(&v);
}

static void test_several_hops(void **state)
{
	struct route r = { .dst = "10.6.0.0", .prefix = 16 };
	struct net_view v = { .links = NULL };
	struct str m = STR_INIT;
	struct net_plan p;
	size_t list;

	(void)state;
	add_link(&v, (struct link)ETH(2));
	begin_route(&m, &r);
	list = nl_nest(&m, RTA_MULTIPATH);
	for (int i = 1; i <= 2; i++) {
		struct rtnexthop hop = { .rtnh_len = sizeof(hop) + RTA_LENGTH(4),
					 .rtnh_ifindex = 2 };
		auto_free char *via = xasprintf("10.1.0.%d", i);

		str_add(&m, &hop, sizeof(hop));
		add_ip(&m, RTA_GATEWAY, via);
	}
	nl_nest_end(&m, list);
	take(&v, &m);
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n_routes, 1);
	assert_string_equal(p.routes[0]->gateway, "10.1.0.1");
	assert_true(warned(&p, "of its 2 next hops the first is carried"));
	net_plan_free(&p);
	net_view_free(&v);
}

static void test_neighbours(void **state)
{
	struct net_view v = { .links = NULL };
	struct net_plan p;

	(void)state;
	add_link(&v, (struct link)ETH(2));
	add_neighbour(&v, 2, "10.1.0.9", NUD_PERMANENT);
	add_neighbour(&v, 2, "10.1.0.8", NUD_REACHABLE);
	add_neighbour(&v, 3, "10.1.0.7", NUD_PERMANENT);
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n_neighbours, 1);
	assert_string_equal(p.neighbours[0]->toipaddress->address, "10.1.0.9");
	assert_string_equal(p.neighbours[0]->lladdr, "02:00:00:00:00:09");
	assert_string_equal(p.neighbours[0]->device, "eth0");
	net_plan_free(&p);
	net_view_free(&v);
}

/* A card of the host's is given away, and what it had is remembered when it is not seen any more. */
static void test_whole_devices(void **state)
{
	const struct net_wishes whole = { .model = NET_MODEL_TC, .queues = 1, .whole = true };
	struct net_view v = { .links = NULL }, later = { .links = NULL };
	struct net_plan p, kept = { .n = 0 };

	(void)state;
	add_link(&v, (struct link)ETH(2));
	add_link(&v, (struct link){ .index = 3,
				    .name = "ens3",
				    .flags = IFF_UP,
				    .type = ARPHRD_ETHER,
				    .device = "0000:03:00.0" });
	add_address(&v, 3, "10.3.0.2", 24, NULL);
	add_route(&v,
		  (struct route){ .dst = "10.6.0.0", .prefix = 16, .via = "10.1.0.1", .index = 2 });
	add_route(&v,
		  (struct route){ .dst = "10.7.0.0", .prefix = 16, .via = "10.3.0.1", .index = 3 });
	add_neighbour(&v, 3, "10.3.0.9", NUD_PERMANENT);
	net_plan(&v, &wishes, &p);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.endpoints[1].model, NET_MODEL_TC);
	assert_string_equal(p.endpoints[1].type, "physical");
	net_plan_free(&p);
	net_plan(&v, &whole, &p);
	assert_int_equal(p.endpoints[0].model, NET_MODEL_TC);
	assert_int_equal(p.endpoints[1].model, NET_MODEL_PHYSICAL);
	assert_string_equal(p.endpoints[1].bus, "pci");
	assert_string_equal(p.endpoints[1].device, "0000:03:00.0");
	net_plan_keep(&p, 3, &kept);
	assert_int_equal(kept.n, 1);
	net_plan_free(&p);
	add_link(&later, (struct link)ETH(2));
	add_route(&later,
		  (struct route){ .dst = "10.6.0.0", .prefix = 16, .via = "10.1.0.1", .index = 2 });
	net_plan(&later, &wishes, &p);
	net_plan_add(&p, &kept);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.endpoints[1].index, 3);
	assert_string_equal(p.endpoints[1].interface->ipaddresses[0]->address, "10.3.0.2");
	assert_int_equal(p.n_routes, 2);
	assert_string_equal(p.routes[1]->device, "ens3");
	assert_string_equal(p.routes[1]->dest, "10.7.0.0/16");
	assert_int_equal(p.n_neighbours, 1);
	/* The same again next time. */
	net_plan_free(&p);
	net_plan(&later, &wishes, &p);
	net_plan_add(&p, &kept);
	assert_int_equal(p.n, 2);
	net_plan_free(&p);
	net_plan_free(&kept);
	net_view_free(&v);
	net_view_free(&later);
}

/* Of each message every length that is too short. */
static void test_cut_short(void **state)
{
	struct net_view v = { .links = NULL };
	struct route r = { .dst = "10.6.0.0", .prefix = 16, .via = "10.1.0.1", .index = 2 };
	auto_str struct str m = STR_INIT;

	(void)state;
	begin_route(&m, &r);
	for (size_t len = NLMSG_HDRLEN; len < m.len; len++) {
		/* In memory of its own size: the sanitizer sees what reads on. */
		struct nlmsghdr *h = xmalloc(len);

		memcpy(h, m.data, len);
		h->nlmsg_len = (uint32_t)len;
		net_view_take(h, &v);
		free(h);
	}
	net_view_free(&v);
}

static void test_journal(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_true(net_entry_is_of("ingress eth0", "eth0"));
	assert_true(net_entry_is_of("ingress eth0 5", "eth0"));
	assert_true(net_entry_is_of("groups eth0 and more", "eth0"));
	assert_false(net_entry_is_of("ingress eth01", "eth0"));
	assert_false(net_entry_is_of("ingress", "eth0"));
	assert_int_equal(net_undo(-1, "ingress", &err), -EINVAL);
	assert_int_equal(net_undo(-1, "explode eth0", &err), -EINVAL);
	assert_non_null(strstr(err_msg(&err), "\"explode eth0\" is no entry"));
	/* What is not there needs no undoing. */
	assert_int_equal(net_undo(-1, "ingress nosuchlink", &err), 0);
	assert_int_equal(net_undo(-1, "device ffff:ff:1f.7 nosuchdriver", &err), 0);
	assert_true(net_entry_is_of_host("device ffff:ff:1f.7 nosuchdriver"));
	assert_false(net_entry_is_of_host("ingress eth0 5"));
}

static void test_models(void **state)
{
	enum net_model model;

	(void)state;
	assert_int_equal(net_model_parse("macvtap", &model), 0);
	assert_int_equal(model, NET_MODEL_MACVTAP);
	assert_int_equal(net_model_parse("bridge", &model), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_links), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_routes),	    cmocka_unit_test(test_several_hops),
		cmocka_unit_test(test_neighbours),  cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_stacks),	    cmocka_unit_test(test_journal),
		cmocka_unit_test(test_models),	    cmocka_unit_test(test_whole_devices),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("network/plan", tests, NULL, NULL);
}
