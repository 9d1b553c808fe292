/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/read_input.h"
#include "host/cli/task_verbs.h"

#define POLICY_MAX   (1u << 20)
#define ASK_LIMIT_MS 20000

static struct {
	const char *sandbox;
} opt;

static const struct flag flags[] = {
	{ "sandbox-id", NULL, FLAG_STRING, &opt.sandbox, "ID", "the sandbox" },
	{ 0 },
};

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	Grpc__SetPolicyRequest req = GRPC__SET_POLICY_REQUEST__INIT;
	auto_opened struct opened o = { NULL, NULL, NULL };
	auto_str struct str text = STR_INIT;
	ProtobufCMessage *rsp = NULL;
	char *file = NULL;
	int r;

	if (strcmp(argv[0], "set") != 0)
		return err_set(err, EINVAL, "policy: \"%s\" is no action; there is set", argv[0]);
	r = flags_parse_mixed(flags, argc - 1, argv + 1, &file, err);
	if (r == 0 && !opt.sandbox)
		r = err_set(err, EINVAL, "policy: flag --sandbox-id is missing");
	if (r == 0 && !file)
		r = err_set(err, EINVAL, "policy set: the file is missing");
	if (r == 0)
		r = read_input(file, POLICY_MAX, &text, err);
	if (r == 0)
		r = opened_open(&o, cli, opt.sandbox, err);
	if (r < 0)
		return r;
	req.policy = text.len ? text.data : req.policy;
	r = task_ask_guest(o.task, "SetPolicy", &req.base, &rsp, ASK_LIMIT_MS, err);
	if (rsp)
		protobuf_c_message_free_unpacked(rsp, NULL);
	return r;
}

const struct command cmd_policy = {
	.name = "policy",
	.args = "set [options] FILE",
	.help = "tell the agent of a sandbox which requests it is to answer",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
