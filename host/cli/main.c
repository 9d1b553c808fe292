/* SPDX-License-Identifier: Apache-2.0 */
/* kata-runtime: the command line of Kata containers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/version.h"
#include "host/cli/cli.h"
#include "host/cli/rights.h"
#include "host/config/config.h"
#include "host/sandbox/state.h"

static const struct command *const commands[] = {
	&cmd_create,   &cmd_start,	   &cmd_run,	 &cmd_state,
	&cmd_list,     &cmd_kill,	   &cmd_delete,	 &cmd_exec,
	&cmd_pause,    &cmd_resume,	   &cmd_ps,	 &cmd_update,
	&cmd_events,   &cmd_checkpoint,	   &cmd_restore, &cmd_spec,
	&cmd_features, &cmd_version,	   &cmd_env,	 &cmd_metrics,
	&cmd_policy,   &cmd_iptables,	   &cmd_check,	 &cmd_hypervisors,
	&cmd_use,      &cmd_direct_volume,
};

static struct cli cli = { .log_format = "text", .root = SANDBOX_ROOT, .rootless = "auto" };
static bool show_version, show_paths;
static const char *criu, *cgroup_manager;

static const struct flag global_flags[] = {
	{ "config", "kata-config", FLAG_STRING, &cli.config, "FILE", "the configuration file" },
	{ "log", NULL, FLAG_STRING, &cli.log, "FILE",
	  "append a log to FILE (default: none; with --debug: standard error)" },
	{ "log-format", NULL, FLAG_STRING, &cli.log_format, "FORMAT", "of the log: text or json" },
	{ "root", NULL, FLAG_STRING, &cli.root, "DIR", "where state is kept: " SANDBOX_ROOT },
	{ "rootless", NULL, FLAG_STRING, &cli.rootless, "MODE", "true, false or auto" },
	{ "show-default-config-paths", "kata-show-default-config-paths", FLAG_BOOL, &show_paths,
	  NULL, "show where a configuration is looked for" },
	{ "systemd-cgroup", NULL, FLAG_BOOL, &cli.systemd_cgroup, NULL,
	  "cgroup paths have the form slice:prefix:name" },
	{ "cgroup-manager", NULL, FLAG_STRING, &cgroup_manager, "NAME",
	  "crun's word: cgroupfs, or systemd for --systemd-cgroup" },
	{ "criu", NULL, FLAG_STRING, &criu, "PROGRAM", "accepted; there are no checkpoints" },
	{ "debug", NULL, FLAG_BOOL, &cli.debug, NULL, "log more" },
	{ "version", "v", FLAG_BOOL, &show_version, NULL, "show the version" },
	{ 0 },
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: kata-runtime [global options] COMMAND [options] [arguments]\n\n"
		     "Runs OCI containers, each pod in a virtual machine of its own.\n\n"
		     "commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		auto_free char *names =
			xasprintf("%s%s%s", commands[i]->name, commands[i]->alias ? ", " : "",
				  commands[i]->alias ? commands[i]->alias : "");

		fprintf(out, "   %-20s  %s\n", names, commands[i]->help);
	}
	fprintf(out, "   %-20s  %s\n\nglobal options:\n", "help [COMMAND]", "show a help text");
	flags_print(global_flags, out);
}

static void print_command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: kata-runtime %s%s%s\n\nTo %s.\n", c->name, c->args[0] ? " " : "",
		c->args, c->help);
	if (c->more)
		fprintf(out, "%s\n", c->more);
	fprintf(out, "\noptions:\n");
	flags_print(c->flags, out);
}

static const struct command *find_command(const char *name, struct err *err)
{
	const char *near = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = commands[i];

		if (strcmp(c->name, name) == 0 || (c->alias && strcmp(c->alias, name) == 0))
			return c;
		if (!near && name[0] && strncmp(c->name, name, 2) == 0)
			near = c->name;
	}
	err_set(err, EINVAL, "no such command: \"%s\"%s%s%s", name,
		near ? " (did you mean " : "; kata-runtime --help lists them", near ? near : "",
		near ? "?)" : "");
	return NULL;
}

static int help(int argc, char **argv, struct err *err)
{
	const struct command *c = NULL;

	if (argc == 0) {
		print_help(stdout);
		return 0;
	}
	c = find_command(argv[0], err);
	if (!c)
		return -EINVAL;
	print_command_help(c, stdout);
	return 0;
}

/*
 * Engines read JSON: for the error that a command ended with, and some of them cannot
 * read more than one line.
 */
static enum log_level log_level(void)
{
	if (cli.debug)
		return LOG_LEVEL_DEBUG;
	return cli.log_json ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
}

static int open_log(struct err *err)
{
	enum log_format format = LOG_FORMAT_FIELDS;
	int fd;

	cli.log_json = strcmp(cli.log_format, "json") == 0;
	if (cli.log_json)
		format = LOG_FORMAT_JSON;
	else if (strcmp(cli.log_format, "text") != 0)
		return err_set(err, EINVAL, "unknown log-format \"%s\": it is text or json",
			       cli.log_format);
	/* As runc: who wants to see it all, and names no file, looks at it here. */
	if (!cli.log && cli.debug)
		log_open(STDERR_FILENO, "kata-runtime", LOG_LEVEL_DEBUG, format);
	if (!cli.log)
		return 0;
	/* Nobody may read a pipe that it is: no command waits for him. */
	fd = open(cli.log, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return err_sys(err, errno, "%s: cannot open the log", cli.log);
	log_open(fd, "kata-runtime", log_level(), format);
	return 0;
}

/* The shim has another directory. What is made here lives as long as the process. */
static int make_absolute(const char **path, const char *flag, struct err *err)
{
	auto_free char *cwd = NULL;

	if (!*path || (*path)[0] == '/')
		return 0;
	if (!(*path)[0])
		return err_set(err, EINVAL, "flag --%s must not be empty", flag);
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return err_sys(err, errno, "cannot tell the current directory");
	*path = xasprintf("%s/%s", cwd, *path);
	return 0;
}

static int check_rootless(struct err *err)
{
	static const char *const modes[] = { "auto", "true", "false" };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(cli.rootless, modes[i]) == 0)
			return 0;
	return err_set(err, EINVAL, "flag --rootless takes true, false or auto, not \"%s\"",
		       cli.rootless);
}

/* "disabled" would leave the machine in its caller's control group, without a limit. */
static int check_cgroup_manager(struct err *err)
{
	if (!cgroup_manager || strcmp(cgroup_manager, "cgroupfs") == 0)
		return 0;
	if (strcmp(cgroup_manager, "systemd") != 0)
		return err_set(err, EINVAL,
			       "flag --cgroup-manager takes cgroupfs or systemd, not \"%s\"",
			       cgroup_manager);
	cli.systemd_cgroup = true;
	return 0;
}

static int parse_flags(const struct command *c, int argc, char **argv, bool *help, struct err *err)
{
	static const struct flag none[] = { { 0 } };
	const struct flag *flags = c->flags ? c->flags : none;

	if (c->any_flags)
		return 0;
	/* What is behind an ID may be the flags of another program. */
	if (c->max_args < 0)
		return flags_parse(flags, argc, argv, help, err);
	return flags_parse_all(flags, argc, argv, help, err);
}

static int run_command(const struct command *c, int argc, char **argv, struct err *err)
{
	bool wants_help = false;
	int r = parse_flags(c, argc, argv, &wants_help, err);

	if (r < 0)
		return err_wrap(err, "%s", c->name);
	if (wants_help) {
		print_command_help(c, stdout);
		return 0;
	}
	argc -= r;
	argv += r;
	if (argc < c->min_args || (c->max_args >= 0 && argc > c->max_args))
		return err_set(err, EINVAL, "%s: %s arguments; usage: kata-runtime %s%s%s", c->name,
			       argc < c->min_args ? "missing" : "too many", c->name,
			       c->args[0] ? " " : "", c->args);
	r = make_absolute(&cli.log, "log", err);
	if (r == 0)
		r = open_log(err);
	if (r == 0)
		r = make_absolute(&cli.root, "root", err);
	if (r == 0)
		r = check_rootless(err);
	if (r == 0)
		r = check_cgroup_manager(err);
	if (r == 0 && c->wants_root)
		r = rights_check(err);
	if (r < 0)
		return r;
	log_debug("%s %s, command %s", kata_version, kata_commit, c->name);
	return c->run(&cli, argc, argv, err);
}

static int dispatch(int argc, char **argv, struct err *err)
{
	const struct command *c;
	bool wants_help = false;
	int r = flags_parse(global_flags, argc, argv, &wants_help, err);

	if (r < 0)
		return r;
	argc -= r;
	argv += r;
	if (show_version) {
		print_version();
		return 0;
	}
	if (show_paths) {
		for (const char *const *p = config_default_paths(); *p; p++)
			puts(*p);
		return 0;
	}
	if (wants_help || argc == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "h") == 0)
		return help(argc - 1, argv + 1, err);
	c = find_command(argv[0], err);
	return c ? run_command(c, argc - 1, argv + 1, err) : -EINVAL;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int r;

	fd_open_standard();
	signal(SIGPIPE, SIG_IGN);
	r = dispatch(argc - 1, argv + 1, &err);
	if (r < 0) {
		cli_error(&err);
		r = EXIT_FAILURE;
	}
	if (fflush(stdout) < 0 || ferror(stdout)) {
		err_sys(&err, errno, "cannot write to standard output");
		cli_error(&err);
		r = EXIT_FAILURE;
	}
	return r;
}
