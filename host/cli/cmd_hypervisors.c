/* SPDX-License-Identifier: Apache-2.0 */
/* hypervisors: those that there are, and what can be had of each on this host. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host/cli/choice_print.h"
#include "host/cli/cli.h"
#include "host/cli/measure.h"

#define ROWS_MAX 16

static struct {
	bool json, markdown, measure;
	const char *dir;
} opt;

static const struct flag flags[] = {
	{ "json", NULL, FLAG_BOOL, &opt.json, NULL, "as JSON" },
	{ "markdown", NULL, FLAG_BOOL, &opt.markdown, NULL,
	  "what is the same on every host, as the table of docs/hypervisors.md" },
	{ "measure", NULL, FLAG_BOOL, &opt.measure, NULL,
	  "start a container with each that is usable, and measure time and memory" },
	{ "dir", NULL, FLAG_STRING, &opt.dir, "DIR",
	  "where the configurations are (default: where the configuration is looked for)" },
	{ 0 },
};

static int show(const struct cli *cli, const struct choice_place *place, struct err *err)
{
	struct choice choices[ROWS_MAX];
	size_t n = 0;
	int r = 0;

	for (const struct hypervisor_row *row = hypervisor_rows(); row->name && n < ROWS_MAX; row++)
		choice_look(place, row, &choices[n++]);
	if (opt.measure)
		r = measure(cli, choices, n, err);
	if (r == 0 && opt.json)
		choice_print_json(choices, n, opt.measure, stdout);
	else if (r == 0)
		choice_print(choices, n, opt.measure, stdout);
	for (size_t i = 0; i < n; i++)
		choice_free(&choices[i]);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct choice_place place;
	int r;

	(void)argc;
	(void)argv;
	if (opt.markdown) {
		choice_print_markdown(stdout);
		return 0;
	}
	if (opt.measure && geteuid() != 0)
		return err_set(err, EPERM,
			       "--measure starts containers, for which it must be root");
	r = choice_place(cli, opt.dir, &place, err);
	if (r == 0)
		r = show(cli, &place, err);
	choice_place_free(&place);
	return r;
}

const struct command cmd_hypervisors = {
	.name = "hypervisors",
	.args = "[options]",
	.help = "show the hypervisors, and which of them can be used on this host",
	.more = "The one with a star is in use; `kata-runtime use NAME` chooses another.\n"
		"START is the time from `kata-runtime run` to the container's process, MEMORY what\n"
		"the sandbox takes of the host's (PSS of its processes), the touched part of the\n"
		"guest's own included.",
	.flags = flags,
	.max_args = 0,
	.run = run,
};
