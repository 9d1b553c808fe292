/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "host/network/device.h"
#include "host/network/wire_models.h"

static int explain(int r, struct err *err)
{
	if (r == -EEXIST)
		return err_set(err, EEXIST,
			       "somebody filters what comes in there already (its qdisc "
			       "\"ingress\"), so it cannot be redirected to the guest");
	if (r == -ENOENT || r == -EOPNOTSUPP)
		return err_set(err, ENOTSUP,
			       "the kernel lacks what the model tcfilter needs: sch_ingress, "
			       "cls_matchall or cls_u32, and act_mirred");
	return err_sys(err, r, "cannot redirect what comes in there");
}

/* The tap's own end with the tap. */
static int redirect(int nl, int outer, int inner)
{
	int r = tc_add_ingress(nl, inner);

	if (r == 0)
		r = tc_redirect(nl, inner, outer);
	return r < 0 ? r : tc_redirect(nl, outer, inner);
}

int wire_tc(const struct net_wire *w, int nl, const struct net_endpoint *e, int index,
	    struct err *err)
{
	auto_free char *entry = xasprintf("ingress %s %d", e->name, e->index);
	int r = w->journal->note(w->journal->arg, entry, err);

	if (r < 0)
		return r;
	r = tc_add_ingress(nl, e->index);
	if (r < 0) {
		w->journal->forget(w->journal->arg, entry);
		return explain(r, err);
	}
	r = redirect(nl, e->index, index);
	if (r == 0)
		return 0;
	/* The filters go with it. */
	if (tc_remove_ingress(nl, e->index) == 0)
		w->journal->forget(w->journal->arg, entry);
	(void)tc_remove_ingress(nl, index);
	return explain(r, err);
}
