/* SPDX-License-Identifier: Apache-2.0 */
#include "host/network/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "dns/ask.h"
#include "host/network/listeners.h"
#include "host/network/netns.h"

/* The loopback, of whatever namespace. */
#define LO     "lo"
#define LO_IDX 1

#define ENTRY "names " LO

#define CREATE (NLM_F_CREATE | NLM_F_EXCL)

/* What is sent from here to port 53 is looked up in the table. */
static int put_rule(int nl, bool add, uint8_t protocol)
{
	const struct fib_rule_hdr h = { .family = AF_INET, .action = FR_ACT_TO_TBL };
	const struct fib_rule_port_range port = { DNS_PORT, DNS_PORT };
	auto_str struct str m = STR_INIT;

	nl_begin(&m, add ? RTM_NEWRULE : RTM_DELRULE, add ? CREATE : 0, &h, sizeof(h));
	nl_attr(&m, FRA_IIFNAME, LO, sizeof(LO));
	nl_attr(&m, FRA_IP_PROTO, &protocol, sizeof(protocol));
	nl_attr(&m, FRA_DPORT_RANGE, &port, sizeof(port));
	nl_attr_u32(&m, FRA_TABLE, NAMES_TABLE);
	return nl_send(nl, &m, NULL, NULL);
}

/* Everything is here, and speaks from an address that an answer finds. */
static int put_route(int nl, bool add)
{
	const struct rtmsg h = {
		.rtm_family = AF_INET,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_HOST,
		.rtm_type = RTN_LOCAL,
	};
	auto_str struct str m = STR_INIT;

	nl_begin(&m, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? CREATE : 0, &h, sizeof(h));
	nl_attr_u32(&m, RTA_TABLE, NAMES_TABLE);
	nl_attr_u32(&m, RTA_OIF, LO_IDX);
	nl_attr_u32(&m, RTA_PREFSRC, htonl(INADDR_LOOPBACK));
	return nl_send(nl, &m, NULL, NULL);
}

static int first_of(int a, int b)
{
	return a < 0 && a != -EEXIST && a != -ENOENT && a != -ESRCH ? a : b;
}

int names_route(int nl, bool add)
{
	/* A rule without its table is passed over: the route comes first and goes last. */
	int r = add ? put_route(nl, true) : 0;

	if (add && r < 0 && r != -EEXIST)
		return r;
	r = first_of(put_rule(nl, add, IPPROTO_UDP), 0);
	r = first_of(r, put_rule(nl, add, IPPROTO_TCP));
	r = first_of(r, 0);
	return add ? r : first_of(r, first_of(put_route(nl, false), 0));
}

bool net_names_served(int netns, struct in_addr server)
{
	auto_close int nl = -1;
	int home;

	if (netns_enter(netns, &home, NULL) < 0)
		return false;
	nl = listeners_open(NULL);
	netns_leave(&home);
	return nl >= 0 && listeners_serve_names(nl, server);
}

int net_names_socket(int netns, bool tcp)
{
	int home, fd, r = netns_enter(netns, &home, NULL);

	if (r < 0)
		return r;
	fd = dns_ask_socket(tcp);
	netns_leave(&home);
	return fd;
}

static int route(int netns, const struct net_journal *journal, struct err *err)
{
	auto_close int nl = netns_netlink(netns, err);
	int r = nl;

	if (r < 0)
		return r;
	r = journal->note(journal->arg, ENTRY, err);
	if (r < 0)
		return r;
	r = names_route(nl, true);
	if (r == 0)
		return 0;
	(void)names_route(nl, false);
	journal->forget(journal->arg, ENTRY);
	return err_sys(err, r, "routes for questions of names");
}

int net_names_open(int netns, const struct net_journal *journal, struct dns_sockets *s,
		   struct err *err)
{
	int home, r = netns_enter(netns, &home, err);

	if (r < 0)
		return r;
	r = dns_sockets_open(s, NULL, 0, err);
	netns_leave(&home);
	if (r == 0)
		r = route(netns, journal, err);
	if (r < 0)
		dns_sockets_close(s);
	return r;
}
