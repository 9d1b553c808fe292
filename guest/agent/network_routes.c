/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of the main table become those that are wanted. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/netlink.h"
#include "guest/agent/network.h"
#include "guest/agent/route.h"

struct wanted {
	Types__Route *const *text;
	struct route *v;
	size_t n;
	struct route *stale; /* there, and not wanted */
	size_t n_stale;
};

static bool is_wanted(const struct wanted *w, const struct route *r)
{
	for (size_t i = 0; i < w->n; i++)
		if (route_equal(&w->v[i], r))
			return true;
	return false;
}

static int note_stale(const struct nlmsghdr *m, void *arg)
{
	const struct rtmsg *h = NLMSG_DATA(m);
	auto_free struct route *found = NULL;
	struct wanted *w = arg;
	size_t n = 0;

	/* What comes with an address, a router or a message of one is not ours. */
	if (h->rtm_protocol == RTPROT_KERNEL || h->rtm_protocol == RTPROT_RA ||
	    h->rtm_protocol == RTPROT_REDIRECT)
		return 0;
	route_from_kernel(m, &found, &n);
	for (size_t i = 0; i < n; i++) {
		if (is_wanted(w, &found[i]))
			continue;
		w->stale = xrealloc(w->stale, (w->n_stale + 1) * sizeof(*found));
		w->stale[w->n_stale++] = found[i];
	}
	return 0;
}

static int find_stale(int nl, struct wanted *w)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct rtmsg h = { .rtm_family = families[i] };
		auto_str struct str m = STR_INIT;

		nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &h, sizeof(h));
		r = nl_send(nl, &m, note_stale, w);
		/* A kernel without IPv6. */
		if (families[i] == AF_INET6 && r == -EOPNOTSUPP)
			r = 0;
	}
	return r;
}

static int remove_stale(int nl, struct wanted *w, struct err *err)
{
	int r = find_stale(nl, w);

	for (size_t i = 0; r == 0 && i < w->n_stale; i++) {
		auto_str struct str m = STR_INIT;

		route_request(&w->stale[i], RTM_DELROUTE, 0, &m);
		r = nl_send(nl, &m, NULL, NULL);
		if (r == -ESRCH) /* it went with another */
			r = 0;
	}
	return r < 0 ? err_sys(err, r, "remove the routes that were") : 0;
}

/* One for a place replaces what is there; more of them stand behind it, in their order. */
static int add_route(int nl, const struct wanted *w, size_t i, struct err *err)
{
	const Types__Route *t = w->text[i];
	uint16_t how = NLM_F_REPLACE;
	auto_str struct str m = STR_INIT;
	int r;

	for (size_t k = 0; k < w->n; k++) {
		bool before = !*w->text[k]->gateway == !*t->gateway ? k < i : !*w->text[k]->gateway;

		if (before && route_same_place(&w->v[k], &w->v[i]))
			how = NLM_F_APPEND;
	}
	route_request(&w->v[i], RTM_NEWROUTE, NLM_F_CREATE | how, &m);
	r = nl_send(nl, &m, NULL, NULL);
	return r < 0 && r != -EEXIST ?
		       err_sys(err, r, "route to \"%s\" via \"%s\" from \"%s\" at \"%s\"", t->dest,
			       t->gateway, t->source, t->device) :
		       0;
}

int net_update_routes(Types__Route *const *routes, size_t n, bool all, struct err *err)
{
	auto_free struct route *v = xcalloc(n + 1, sizeof(*v));
	struct wanted w = { .text = routes, .v = v, .n = n };
	auto_close int nl = nl_open(err);
	int r = nl < 0 ? nl : 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = route_from_text(nl, routes[i], &v[i], err);
	if (r == 0 && all)
		r = remove_stale(nl, &w, err);
	for (int gateways = 0; gateways < 2; gateways++)
		for (size_t i = 0; r == 0 && i < n; i++)
			if (!!*routes[i]->gateway == gateways)
				r = add_route(nl, &w, i, err);
	free(w.stale);
	return r;
}
