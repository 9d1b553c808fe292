/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's packet filter, by the programs of its image. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "guest/agent/helper.h"
#include "guest/agent/job.h"
#include "guest/agent/output.h"
#include "guest/agent/rpc.h"

#define RULES_MAX (TTRPC_DATA_MAX - 65536) /* what one answer carries besides its frame */
#define LOCK_S	  "5"			   /* how long iptables-restore waits for others */
#define LIMIT_MS  15000

struct rules {
	struct ttrpc_call *call;
	const ProtobufCMessage *req; /* lives until the call is answered */
	struct output *out;
};

static void finish(const struct err *err, void *arg)
{
	struct rules *r = arg;
	Grpc__GetIPTablesResponse get = GRPC__GET_IPTABLES_RESPONSE__INIT;
	Grpc__SetIPTablesResponse set = GRPC__SET_IPTABLES_RESPONSE__INIT;

	if (err) {
		log_error("%s: %s", ttrpc_call_name(r->call), err_msg(err));
		ttrpc_fail_err(r->call, err);
	} else if (r->req->descriptor == &grpc__get_iptables_request__descriptor) {
		get.data = (ProtobufCBinaryData){ .len = r->out->len, .data = r->out->data };
		ttrpc_reply(r->call, &get.base);
	} else {
		set.data = (ProtobufCBinaryData){ .len = r->out->len, .data = r->out->data };
		ttrpc_reply(r->call, &set.base);
	}
	output_free(r->out);
	free(r);
}

/* In the job. @in: -1, or what the program reads. */
static int run(const struct rules *r, const char *const *argv, int in, struct err *err)
{
	auto_close int out = memfd_create("rules", MFD_CLOEXEC);
	int e;

	if (out < 0)
		return err_sys(err, errno, "%s", argv[0]);
	e = helper_run(argv, in, out, LIMIT_MS, err);
	if (e < 0)
		return e;
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "%s", argv[0]);
	e = output_read(r->out, out);
	return e < 0 ? err_sys(err, e, "%s: what it says", argv[0]) : 0;
}

static int get_rules(void *arg, struct err *err)
{
	const struct rules *r = arg;
	const Grpc__GetIPTablesRequest *req = (const Grpc__GetIPTablesRequest *)r->req;
	const char *const argv[] = { req->is_ipv6 ? "ip6tables-save" : "iptables-save", NULL };

	return run(r, argv, -1, err);
}

static int set_rules(void *arg, struct err *err)
{
	const struct rules *r = arg;
	const Grpc__SetIPTablesRequest *req = (const Grpc__SetIPTablesRequest *)r->req;
	const char *const argv[] = { req->is_ipv6 ? "ip6tables-restore" : "iptables-restore",
				     "--wait", LOCK_S, NULL };
	auto_close int in = memfd_create("rules", MFD_CLOEXEC);

	if (in < 0 || fd_write_full(in, req->data.data, req->data.len) < 0 ||
	    lseek(in, 0, SEEK_SET) < 0)
		return err_sys(err, errno, "%s", argv[0]);
	return run(r, argv, in, err);
}

static void start(struct agent *agent, struct ttrpc_call *call, const ProtobufCMessage *req,
		  job_fn fn)
{
	struct rules *r = xcalloc(1, sizeof(*r));
	struct err err = ERR_INIT;

	r->call = call;
	r->req = req;
	r->out = output_new(RULES_MAX, &err);
	if (r->out)
		job_run(agent->loop, fn, finish, r);
	else
		finish(&err, r);
}

void rpc_get_iptables(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	start(ctx, call, msg, get_rules);
}

void rpc_set_iptables(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	start(ctx, call, msg, set_rules);
}
