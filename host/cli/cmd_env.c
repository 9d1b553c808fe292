/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "host/cli/capable.h"
#include "host/cli/cli.h"
#include "host/cli/env/env.h"

static struct {
	bool json;
} opt;

static const struct flag flags[] = {
	{ "json", NULL, FLAG_BOOL, &opt.json, NULL, "as JSON instead of TOML" },
	{ 0 },
};

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct config *config = config_load(cli->config, err);
	struct env env = { 0 };
	struct capable host;
	int r;

	(void)argc;
	(void)argv;
	if (!config)
		return err->code;
	for (size_t i = 0; i < config->warnings.n; i++)
		cli_warn("%s", config->warnings.v[i]);
	r = env_collect(config, &env, err);
	if (r == 0) {
		capable_look(&host);
		env.host.vm_container_capable = host.capable;
		capable_free(&host);
		if (opt.json)
			env_print_json(&env, stdout);
		else
			env_print_toml(&env, stdout);
		if (env.missing)
			cli_warn("%s", env.missing);
	}
	env_free(&env);
	config_free(config);
	return r;
}

const struct command cmd_env = {
	.name = "env",
	.alias = "kata-env",
	.args = "[options]",
	.help = "show the settings in effect and the host they meet",
	.flags = flags,
	.max_args = 0,
	.run = run,
};
