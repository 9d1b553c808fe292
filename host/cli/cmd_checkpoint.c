/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint and restore: engines call them, so they are there and say that they
 * cannot. Which flags come with it makes no difference.
 */
#include <errno.h>

#include "host/cli/cli.h"

static int checkpoint(const struct cli *cli, int argc, char **argv, struct err *err)
{
	(void)cli;
	(void)argc;
	(void)argv;
	return err_set(err, EOPNOTSUPP,
		       "checkpoint is not supported: a container in a virtual machine cannot be "
		       "dumped by CRIU; it goes on running");
}

static int restore(const struct cli *cli, int argc, char **argv, struct err *err)
{
	(void)cli;
	(void)argc;
	(void)argv;
	return err_set(err, EOPNOTSUPP,
		       "restore is not supported: there are no checkpoints of containers in "
		       "virtual machines; nothing was started");
}

const struct command cmd_checkpoint = {
	.name = "checkpoint",
	.args = "ID",
	.help = "tell that there are no checkpoints",
	.any_flags = true,
	.max_args = -1,
	.run = checkpoint,
};

const struct command cmd_restore = {
	.name = "restore",
	.args = "ID",
	.help = "tell that there are no checkpoints",
	.any_flags = true,
	.max_args = -1,
	.run = restore,
};
