/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/cli/cli.h"
#include "host/cli/table.h"
#include "host/cli/view.h"
#include "host/sandbox/state.h"

static struct {
	const char *format;
	bool quiet;
} opt = { .format = "table" };

static const struct flag flags[] = {
	{ "format", "f", FLAG_STRING, &opt.format, "FORMAT", "table or json (default: table)" },
	{ "quiet", "q", FLAG_BOOL, &opt.quiet, NULL, "show only the IDs" },
	{ 0 },
};

struct views {
	struct view *v;
	size_t n;
};

static void add(struct views *views, struct loop *loop, struct sandbox_state *st, const char *id)
{
	views->v = xrealloc(views->v, (views->n + 1) * sizeof(*views->v));
	view_look(&views->v[views->n++], loop, st, id);
}

static int collect(const struct cli *cli, struct loop *loop, struct views *views, struct err *err)
{
	auto_strv struct strv ids = { 0 };
	int r = state_list(cli->root, &ids, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ids.n; i++) {
		struct sandbox_state *st = NULL;

		r = state_load(cli->root, ids.v[i], &st, err);
		if (r < 0) {
			/* Gone meanwhile is no news; a broken one must not hide the others. */
			if (r != -ENOENT)
				cli_warn("%s", err_msg(err));
			err_clear(err);
			continue;
		}
		if (st->n_containers == 0)
			add(views, loop, st, st->id); /* it boots */
		for (size_t k = 0; k < st->n_containers; k++)
			add(views, loop, st, st->containers[k].id);
		state_free(st);
	}
	return 0;
}

static void print(const struct views *views)
{
	if (opt.quiet) {
		for (size_t i = 0; i < views->n; i++)
			puts(views->v[i].id);
	} else if (strcmp(opt.format, "json") == 0) {
		table_print_json(views->v, views->n, stdout);
	} else {
		table_print(views->v, views->n, stdout);
	}
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct views views = { 0 };
	struct loop *loop;
	int r;

	(void)argc;
	(void)argv;
	if (strcmp(opt.format, "table") != 0 && strcmp(opt.format, "json") != 0)
		return err_set(err, EINVAL, "unknown format \"%s\": it is table or json",
			       opt.format);
	/* The usual one is made with the first container; another that is not there is a slip. */
	if (strcmp(cli->root, SANDBOX_ROOT) != 0 && access(cli->root, F_OK) < 0)
		return err_sys(err, errno, "%s", cli->root);
	loop = loop_new();
	if (!loop)
		return err_sys(err, errno, "cannot make an event loop");
	r = collect(cli, loop, &views, err);
	if (r == 0)
		print(&views);
	for (size_t i = 0; i < views.n; i++)
		view_free(&views.v[i]);
	free(views.v);
	loop_free(loop);
	return r;
}

const struct command cmd_list = {
	.name = "list",
	.args = "[options]",
	.help = "list the containers",
	.flags = flags,
	.max_args = 0,
	.run = run,
};
