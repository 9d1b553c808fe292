/* SPDX-License-Identifier: Apache-2.0 */
/* kata-runtime: what its commands share. */
#ifndef HOST_CLI_CLI_H
#define HOST_CLI_CLI_H

#include <stdbool.h>

#include "base/err.h"
#include "host/cli/flags.h"

/* The global flags. */
struct cli {
	const char *config; /* NULL: found by the search order */
	const char *log;    /* absolute; NULL: none */
	const char *log_format;
	bool log_json;	  /* what log_format says */
	const char *root; /* absolute */
	const char *rootless;
	bool systemd_cgroup;
	bool debug;
};

struct command {
	const char *name;
	const char *alias;	  /* or NULL */
	const char *args;	  /* for the help: "[options] ID" */
	const char *help;	  /* a line, without a full stop */
	const char *more;	  /* sentences for its own help, or NULL */
	const struct flag *flags; /* NULL: none */
	int min_args, max_args;	  /* besides the flags; max < 0: any number */
	bool wants_root;	  /* starts what takes rights on the host */
	bool any_flags;		  /* none is looked at */
	/*
	 * Returns the exit status, or a negative errno and @err, which main()
	 * tells before it exits with 1. @argc arguments that are no flags.
	 */
	int (*run)(const struct cli *cli, int argc, char **argv, struct err *err);
};

extern const struct command cmd_check;
extern const struct command cmd_checkpoint;
extern const struct command cmd_create;
extern const struct command cmd_delete;
extern const struct command cmd_direct_volume;
extern const struct command cmd_env;
extern const struct command cmd_events;
extern const struct command cmd_exec;
extern const struct command cmd_features;
extern const struct command cmd_hypervisors;
extern const struct command cmd_iptables;
extern const struct command cmd_kill;
extern const struct command cmd_list;
extern const struct command cmd_metrics;
extern const struct command cmd_pause;
extern const struct command cmd_policy;
extern const struct command cmd_ps;
extern const struct command cmd_restore;
extern const struct command cmd_resume;
extern const struct command cmd_run;
extern const struct command cmd_spec;
extern const struct command cmd_start;
extern const struct command cmd_state;
extern const struct command cmd_update;
extern const struct command cmd_use;
extern const struct command cmd_version;

/* Tell @err on standard error and in the log. */
void cli_error(const struct err *err);
void cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What `version` and --version show. */
void print_version(void);

#endif
