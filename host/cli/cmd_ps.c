/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/cli/opened.h"
#include "host/cli/task_verbs.h"
#include "host/cli/view.h"

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

/* Whether stand-in @p is one of container @id's: it shows so to all. */
static bool stands_for(const struct state_process *p, const char *id)
{
	auto_free char *path = xasprintf("/proc/%d/cmdline", (int)p->pid);
	auto_str struct str text = STR_INIT;
	const char *word;

	if (strcmp(p->name, "standin") || !proc_alive(p->pid, p->start) ||
	    file_read(path, 4096, &text, NULL) < 0)
		return false;
	word = memchr(str_text(&text), '\0', text.len);
	return word && word + 1 < str_text(&text) + text.len && !strcmp(word + 1, id);
}

/*
 * As runc's: numbers of the host, by which engines choose from what ps(1) shows there. Those of
 * the guest would be other processes.
 */
static void print_host_pids(const struct sandbox_state *st, const char *id)
{
	const char *gap = "[";

	for (size_t i = 0; i < st->n_processes; i++) {
		if (!stands_for(&st->processes[i], id))
			continue;
		printf("%s%d", gap, (int)st->processes[i].pid);
		gap = ",";
	}
	puts(*gap == '[' ? "null" : "]");
}

/* What has stopped has no processes, and often no machine any more that could be asked. */
static bool has_stopped(const struct cli *cli, const char *id)
{
	struct sandbox_state *st = NULL;
	struct err err = ERR_INIT;
	struct loop *loop;
	struct view view;
	bool stopped;

	if (state_load_container(cli->root, id, &st, &err) < 0)
		return false;
	loop = loop_new();
	if (!loop) {
		state_free(st);
		return false;
	}
	view_look(&view, loop, st, id);
	stopped = strcmp(view.status, "stopped") == 0;
	view_free(&view);
	loop_free(loop);
	state_free(st);
	return stopped;
}

static int print_json(const struct cli *cli, const char *id, struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = state_check_id(id, err);

	if (r == 0)
		r = state_load_container(cli->root, id, &st, err);
	if (r < 0)
		return r;
	print_host_pids(st, id);
	state_free(st);
	return 0;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	auto_opened struct opened o = { NULL, NULL, NULL };
	Grpc__ListProcessesResponse *list = NULL;
	int r;

	if (strcmp(opt.format, "json") == 0)
		return print_json(cli, argv[0], err);
	if (strcmp(opt.format, "table") != 0)
		return err_set(err, EINVAL, "flag --format takes table or json, not \"%s\"",
			       opt.format);
	r = opened_open(&o, cli, argv[0], err);
	if (r == 0)
		r = task_list(o.task, opt.format, argv + 1, (size_t)argc - 1, &list, PS_LIMIT_MS,
			      err);
	if (r < 0 && r != -EINVAL && has_stopped(cli, argv[0])) {
		/* The columns that options ask for are known in the guest alone. */
		if (argc == 1)
			puts("UID PID PPID C STIME TTY TIME CMD");
		err_clear(err);
		return 0;
	}
	if (r == -ENOSYS)
		return exec_ps(cli, argc, argv, err);
	if (r < 0)
		return r;
	fwrite(list->process_list.data, 1, list->process_list.len, stdout);
	grpc__list_processes_response__free_unpacked(list, NULL);
	return 0;
}

const struct command cmd_ps = {
	.name = "ps",
	.args = "[options] ID [PS OPTIONS]",
	.help = "show the processes in a container",
	.more = "With the numbers that they have in the guest; as JSON with those of the processes on the\n"
		"host that stand for them, which is what engines look for there. Of ps(1)'s options -e -A\n"
		"-a -x -d -f -w -o FORMAT, aux and the like are known; without any it is ps -ef.\n"
		"A container that has stopped has an empty list: of a table the head without options,\n"
		"null as JSON.",
	.flags = flags,
	.min_args = 1,
	.max_args = -1,
	.run = run,
};
