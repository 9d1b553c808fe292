/* SPDX-License-Identifier: Apache-2.0 */
/* Queueing disciplines and filters, as tc(8) makes them. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "host/network/device.h"

#define INGRESS TC_H_MAKE(TC_H_INGRESS, 0)

/* Before anybody's filters: what is ours is theirs no more. */
#define PRIORITY 1

/* So long may what is above the limit wait before it is lost. */
#define LATENCY_MS 250

/* What one interrupt of a slow timer has to let through. */
#define BURST_MS 20

static void begin(struct str *m, uint16_t type, uint16_t flags, const struct tcmsg *t,
		  const char *kind)
{
	nl_begin(m, type, flags, t, sizeof(*t));
	nl_attr(m, TCA_KIND, kind, strlen(kind) + 1);
}

int tc_add_ingress(int nl, int index)
{
	const struct tcmsg t = { .tcm_ifindex = index,
				 .tcm_handle = INGRESS,
				 .tcm_parent = TC_H_INGRESS };
	auto_str struct str m = STR_INIT;

	begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &t, "ingress");
	return nl_send(nl, &m, NULL, NULL);
}

int tc_remove_ingress(int nl, int index)
{
	const struct tcmsg t = { .tcm_ifindex = index,
				 .tcm_handle = INGRESS,
				 .tcm_parent = TC_H_INGRESS };
	auto_str struct str m = STR_INIT;

	begin(&m, RTM_DELQDISC, 0, &t, "ingress");
	return nl_send(nl, &m, NULL, NULL);
}

static void add_redirect(struct str *m, uint16_t type, int to)
{
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = (uint32_t)to };
	size_t list = nl_nest(m, type), first = nl_nest(m, 1), options;

	nl_attr(m, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	options = nl_nest(m, TCA_ACT_OPTIONS);
	nl_attr(m, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	nl_nest_end(m, options);
	nl_nest_end(m, first);
	nl_nest_end(m, list);
}

/* The classifier for all there is, or the older one with a key that fits all. */
static int redirect(int nl, int from, int to, bool old)
{
	const struct tcmsg t = { .tcm_ifindex = from,
				 .tcm_parent = INGRESS,
				 .tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)) };
	/* One key, which looks at nothing. */
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	uint8_t all[sizeof(sel) + sizeof(struct tc_u32_key)] = { 0 };
	auto_str struct str m = STR_INIT;
	size_t options;

	begin(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &t, old ? "u32" : "matchall");
	options = nl_nest(&m, TCA_OPTIONS);
	memcpy(all, &sel, sizeof(sel));
	if (old)
		nl_attr(&m, TCA_U32_SEL, all, sizeof(all));
	add_redirect(&m, old ? TCA_U32_ACT : TCA_MATCHALL_ACT, to);
	nl_nest_end(&m, options);
	return nl_send(nl, &m, NULL, NULL);
}

int tc_redirect(int nl, int from, int to)
{
	int r = redirect(nl, from, to, false);

	return r == -ENOENT || r == -EOPNOTSUPP ? redirect(nl, from, to, true) : r;
}

int tc_limit(int nl, int index, uint64_t bits, unsigned mtu)
{
	const struct tcmsg t = { .tcm_ifindex = index, .tcm_parent = TC_H_ROOT };
	uint64_t rate = bits / 8 ? bits / 8 : 1;
	uint64_t burst = rate / 1000 * BURST_MS, least = 4ull * (mtu ? mtu : 1500);
	struct tc_tbf_qopt q = { .rate = { .linklayer = TC_LINKLAYER_ETHERNET } };
	auto_str struct str m = STR_INIT;
	uint64_t limit;
	size_t options;

	if (burst < least)
		burst = least;
	limit = burst + rate / 1000 * LATENCY_MS;
	if (burst > UINT32_MAX / 4)
		burst = UINT32_MAX / 4;
	q.limit = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
	q.rate.rate = rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
	begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &t, "tbf");
	options = nl_nest(&m, TCA_OPTIONS);
	nl_attr(&m, TCA_TBF_PARMS, &q, sizeof(q));
	nl_attr_u32(&m, TCA_TBF_BURST, (uint32_t)burst);
	if (rate > UINT32_MAX)
		nl_attr(&m, TCA_TBF_RATE64, &rate, sizeof(rate));
	nl_nest_end(&m, options);
	return nl_send(nl, &m, NULL, NULL);
}

int tc_remove_limit(int nl, int index)
{
	const struct tcmsg t = { .tcm_ifindex = index, .tcm_parent = TC_H_ROOT };
	auto_str struct str m = STR_INIT;

	begin(&m, RTM_DELQDISC, 0, &t, "tbf");
	return nl_send(nl, &m, NULL, NULL);
}
