/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/bootstrap.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/str.h"
#include "host/shim/settings.h"
#include "proto/bootstrap.pb-c.h"

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams Params;

#define INPUT_MAX      (1u << 20)
#define INPUT_LIMIT_MS 1000

/* containerd says so from 1.7 on, the first that knows of sandboxes. */
#define VERSION_VARIABLE "MAX_SHIM_VERSION"
#define TTRPC_VARIABLE	 "TTRPC_ADDRESS"

static void fill(const char **field, const char *value)
{
	if ((!*field || !**field) && *value)
		*field = value;
}

static void take_params(struct bootstrap *b, Params *p)
{
	b->own = p;
	b->params = true;
	b->sandboxes = true;
	fill(&b->cl.id, p->instance_id);
	fill(&b->cl.namespace, p->namespace_);
	fill(&b->cl.address, p->containerd_grpc_address);
	fill(&b->cl.publish_binary, p->containerd_binary);
	if (p->log_level < 0)
		b->cl.debug = true;
	/* It is the server's to read. */
	if (*p->containerd_ttrpc_address)
		setenv(TTRPC_VARIABLE, p->containerd_ttrpc_address, 0);
	for (size_t i = 0; !b->config && i < p->n_extensions; i++)
		b->config = settings_path(p->extensions[i]->value);
}

/* Any bytes may pass for either message: params are those that name what @cl names. */
static bool is_params(const struct cmdline *cl, const Params *p)
{
	if (!*p->instance_id || !*p->namespace_)
		return false;
	return (!cl->id || !strcmp(cl->id, p->instance_id)) &&
	       (!cl->namespace || !strcmp(cl->namespace, p->namespace_));
}

void bootstrap_parse(const struct cmdline *cl, const void *data, size_t len, struct bootstrap *b)
{
	Google__Protobuf__Any *any;
	Params *p;

	*b = (struct bootstrap){ .cl = *cl, .sandboxes = getenv(VERSION_VARIABLE) != NULL };
	if (len == 0)
		return;
	p = containerd__runtime__bootstrap__v1__bootstrap_params__unpack(NULL, len, data);
	if (p && is_params(cl, p)) {
		take_params(b, p);
		return;
	}
	if (p)
		containerd__runtime__bootstrap__v1__bootstrap_params__free_unpacked(p, NULL);
	any = google__protobuf__any__unpack(NULL, len, data);
	b->config = settings_path(any);
	if (any)
		google__protobuf__any__free_unpacked(any, NULL);
}

void bootstrap_read(const struct cmdline *cl, int fd, struct bootstrap *b)
{
	auto_str struct str input = STR_INIT;
	int64_t end = loop_now_ms() + INPUT_LIMIT_MS, left;
	char piece[4096];
	/* Who has an owner was started by kata-runtime, whose input is a container's. */
	bool asked = cl->owner_fd < 0 && (getenv(TTRPC_VARIABLE) || getenv(VERSION_VARIABLE));
	ssize_t n = 1;

	while (asked && n > 0) {
		left = end - loop_now_ms();
		n = left > 0 && fd_poll(fd, POLLIN, (int)left) > 0 ?
			    read(fd, piece, sizeof(piece)) :
			    -1;
		if (n > 0)
			str_add(&input, piece, (size_t)n);
		if (input.len > INPUT_MAX)
			break;
	}
	/* Half of it is none. */
	bootstrap_parse(cl, str_text(&input), n == 0 ? input.len : 0, b);
}

void bootstrap_free(struct bootstrap *b)
{
	if (b->own)
		containerd__runtime__bootstrap__v1__bootstrap_params__free_unpacked(b->own, NULL);
	b->own = NULL;
	free(b->config);
	b->config = NULL;
}

int bootstrap_answer(const struct bootstrap *b, const char *address, struct err *err)
{
	int r;

	/* An address holds nothing that JSON would write otherwise: IDs are checked. */
	if (b->params)
		r = printf("{\"version\":3,\"address\":\"%s\",\"protocol\":\"ttrpc\"}", address);
	else
		r = fputs(address, stdout);
	if (r < 0 || fflush(stdout) < 0)
		return err_sys(err, errno, "cannot write the address to standard output");
	return 0;
}
