/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"

#define PS_LIMIT_MS 20000

static struct {
	const char *format;
} opt = { .format = "table" };

static const struct flag flags[] = {
	{ "format", "f", FLAG_STRING, &opt.format, "FORMAT", "table (the default) or json" },
	{ 0 },
};

/*
 * An agent without the extension: the image may have a ps, which shows what the container sees.
 * Its status is that of the command.
 */
static int exec_ps(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_strv struct strv words = { 0 };

	strv_add(&words, argv[0]);
	strv_add(&words, "ps");
	for (int i = 1; i < argc; i++)
		strv_add(&words, argv[i]);
	err_clear(err);
	return cmd_exec.run(cli, (int)words.n, words.v, err);
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	Grpc__ListProcessesResponse *list = NULL;
	bool json = strcmp(opt.format, "json") == 0;
	int r;

	if (!json && strcmp(opt.format, "table") != 0)
		return err_set(err, EINVAL, "flag --format takes table or json, not \"%s\"",
			       opt.format);
	r = opened_open(&o, cli, argv[0], err);
	if (r == 0)
		r = task_list(o.task, opt.format, argv + 1, json ? 0 : (size_t)argc - 1, &list,
			      PS_LIMIT_MS, err);
	if (r == -ENOSYS && !json)
		return exec_ps(cli, argc, argv, err);
	if (r == -ENOSYS)
		return err_set(err, ENOSYS, "the agent of container %s cannot list processes",
			       argv[0]);
	if (r < 0)
		return r;
	fwrite(list->process_list.data, 1, list->process_list.len, stdout);
	if (json)
		putchar('\n');
	grpc__list_processes_response__free_unpacked(list, NULL);
	return 0;
}

const struct command cmd_ps = {
	.name = "ps",
	.args = "[options] ID [PS OPTIONS]",
	.help = "show the processes in a container",
	.more = "With the numbers that they have in the guest. Of ps(1)'s options -e -A -a -x -d -f -w\n"
		"-o FORMAT, aux and the like are known; without any it is ps -ef.",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
