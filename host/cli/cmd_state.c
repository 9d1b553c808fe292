/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "host/cli/cli.h"
#include "host/cli/view.h"

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct sandbox_state *st = NULL;
	struct loop *loop;
	struct view view;
	json_object *json;
	int r = state_check_id(argv[0], err);

	(void)argc;
	if (r == 0)
		r = state_load_container(cli->root, argv[0], &st, err);
	if (r < 0)
		return r;
	loop = loop_new();
	if (!loop) {
		state_free(st);
		return err_sys(err, errno, "cannot make an event loop");
	}
	view_look(&view, loop, st, argv[0]);
	json = view_json(&view);
	puts(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
	view_free(&view);
	loop_free(loop);
	state_free(st);
	return 0;
}

const struct command cmd_state = {
	.name = "state",
	.args = "ID",
	.help = "show the state of a container as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
