/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/read_input.h"
#include "host/cli/task_verbs.h"

#define RULES_MAX    (2u << 20)
#define ASK_LIMIT_MS 30000

static struct {
	const char *sandbox;
	bool v6;
} opt;

static const struct flag flags[] = {
	{ "sandbox-id", NULL, FLAG_STRING, &opt.sandbox, "ID", "the sandbox" },
	{ "v6", NULL, FLAG_BOOL, &opt.v6, NULL, "the rules of IPv6" },
	{ 0 },
};

static int get(struct task *t, struct err *err)
{
	Grpc__GetIPTablesRequest req = GRPC__GET_IPTABLES_REQUEST__INIT;
	Grpc__GetIPTablesResponse *rsp = NULL;
	int r;

	req.is_ipv6 = opt.v6;
	r = task_ask_guest(t, "GetIPTables", &req.base, (ProtobufCMessage **)&rsp, ASK_LIMIT_MS,
			   err);
	if (r < 0)
		return r;
	fwrite(rsp->data.data, 1, rsp->data.len, stdout);
	grpc__get_iptables_response__free_unpacked(rsp, NULL);
	return 0;
}

static int set(struct task *t, const struct str *rules, struct err *err)
{
	Grpc__SetIPTablesRequest req = GRPC__SET_IPTABLES_REQUEST__INIT;
	ProtobufCMessage *rsp = NULL;
	int r;

	req.is_ipv6 = opt.v6;
	req.data.data = (uint8_t *)rules->data;
	req.data.len = rules->len;
	r = task_ask_guest(t, "SetIPTables", &req.base, &rsp, ASK_LIMIT_MS, err);
	if (rsp)
		protobuf_c_message_free_unpacked(rsp, NULL);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	auto_str struct str rules = STR_INIT;
	bool sets = strcmp(argv[0], "set") == 0;
	char *file = NULL;
	int r;

	if (!sets && strcmp(argv[0], "get") != 0)
		return err_set(err, EINVAL, "iptables: \"%s\" is no action; there are get and set",
			       argv[0]);
	r = flags_parse_mixed(flags, argc - 1, argv + 1, &file, err);
	if (r == 0 && !opt.sandbox)
		r = err_set(err, EINVAL, "iptables: flag --sandbox-id is missing");
	if (r == 0 && sets != (file != NULL))
		r = err_set(err, EINVAL, "iptables %s: %s", argv[0],
			    sets ? "the file is missing" : "there is no file to name");
	if (r == 0 && sets)
		r = read_input(file, RULES_MAX, &rules, err);
	if (r == 0)
		r = opened_open(&o, cli, opt.sandbox, err);
	if (r < 0)
		return r;
	return sets ? set(o.task, &rules, err) : get(o.task, err);
}

const struct command cmd_iptables = {
	.name = "iptables",
	.args = "get|set [options] [FILE]",
	.help = "show or replace the packet filter of a sandbox's guest",
	.more = "The guest's image has to have iptables-save and iptables-restore.",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
