/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "guest/agent/network.h"
#include "guest/agent/rpc.h"
#include "guest/agent/sysfs.h"

#define LINK_LOOK_MS 10

static void fail(struct ttrpc_call *call, struct err *err, const char *what)
{
	err_wrap(err, "%s", what);
	log_error("%s", err_msg(err));
	ttrpc_fail_err(call, err);
}

/* A link that may be on its way: one that was plugged in just now. */
struct update {
	struct agent *agent;
	struct ttrpc_call *call;
	const Types__Interface *interface; /* lives until the call is answered */
	struct pci_path path;		   /* where it comes, if the interface says so */
	int64_t deadline;
};

static void try_update(void *arg)
{
	struct update *u = arg;
	const char *path = u->interface->devicepath;
	auto_free char *dir = *path ? sysfs_pci("/sys", &u->path) : NULL;
	auto_free char *name = dir ? sysfs_link_of(dir) : NULL;
	struct err err = ERR_INIT;
	int r;

	if (*path && !name && loop_now_ms() < u->deadline) {
		loop_add_timer(u->agent->loop, LINK_LOOK_MS, try_update, u);
		return;
	}
	if (*path && !name)
		r = err_set(&err, ETIMEDOUT, "link at PCI path %s: not there after %d ms", path,
			    u->agent->config.hotplug_ms);
	else
		r = net_update_interface(u->interface, name, &err);
	if (r < 0)
		fail(u->call, &err, "update an interface");
	else
		ttrpc_reply(u->call, &u->interface->base);
	free(u);
}

void rpc_update_interface(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__UpdateInterfaceRequest *req = (const Grpc__UpdateInterfaceRequest *)msg;
	struct pci_path path = { .depth = 0 };
	struct err err = ERR_INIT;
	struct update *u;

	if (req->interface && *req->interface->devicepath &&
	    pci_path_parse(req->interface->devicepath, &path, &err) < 0) {
		fail(call, &err, "update an interface");
		return;
	}
	if (!req->interface) {
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "empty update interface request");
		return;
	}
	u = xcalloc(1, sizeof(*u));
	u->agent = ctx;
	u->call = call;
	u->interface = req->interface;
	u->path = path;
	u->deadline = loop_now_ms() + u->agent->config.hotplug_ms;
	try_update(u);
}

static void reply_routes(struct ttrpc_call *call)
{
	Grpc__Routes rsp = GRPC__ROUTES__INIT;
	struct err err = ERR_INIT;

	if (net_list_routes(&rsp.routes, &rsp.n_routes, &err) < 0)
		fail(call, &err, "list routes");
	else
		ttrpc_reply(call, &rsp.base);
	for (size_t i = 0; i < rsp.n_routes; i++)
		protobuf_c_message_free_unpacked(&rsp.routes[i]->base, NULL);
	free(rsp.routes);
}

void rpc_update_routes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__UpdateRoutesRequest *req = (const Grpc__UpdateRoutesRequest *)msg;
	const struct agent *agent = ctx;
	struct err err = ERR_INIT;

	if (!req->routes)
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "empty update routes request");
	/* They are all that there are to be; but a local process keeps off the host's. */
	else if (net_update_routes(req->routes->routes, req->routes->n_routes,
				   agent->guest || net_is_own(), &err) < 0)
		fail(call, &err, "update routes");
	else
		reply_routes(call);
}

void rpc_list_routes(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	(void)msg;
	(void)ctx;
	reply_routes(call);
}

void rpc_list_interfaces(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	Grpc__Interfaces rsp = GRPC__INTERFACES__INIT;
	struct err err = ERR_INIT;

	(void)msg;
	(void)ctx;
	if (net_list_interfaces(&rsp.interfaces, &rsp.n_interfaces, &err) < 0)
		fail(call, &err, "list interfaces");
	else
		ttrpc_reply(call, &rsp.base);
	for (size_t i = 0; i < rsp.n_interfaces; i++)
		protobuf_c_message_free_unpacked(&rsp.interfaces[i]->base, NULL);
	free(rsp.interfaces);
}

void rpc_add_arp_neighbors(struct ttrpc_call *call, const ProtobufCMessage *msg, void *ctx)
{
	const Grpc__AddARPNeighborsRequest *req = (const Grpc__AddARPNeighborsRequest *)msg;
	const Grpc__ARPNeighbors *list = req->neighbors;
	struct err err = ERR_INIT;

	(void)ctx;
	if (!list)
		ttrpc_fail(call, TTRPC_INVALID_ARGUMENT, "empty add arp neighbours request");
	else if (net_add_neighbors(list->arpneighbors, list->n_arpneighbors, &err) < 0)
		fail(call, &err, "add neighbours");
	else
		rpc_reply_empty(call);
}
