/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a bundle to a container that is created, or nothing: what `create` and `run`
 * share. Until launch_keep() all of it ends with this process.
 */
#ifndef HOST_CLI_LAUNCH_H
#define HOST_CLI_LAUNCH_H

#include <sys/types.h>

#include "host/cli/attach.h"
#include "host/cli/cli.h"
#include "host/cli/newlines.h"
#include "host/cli/pid_file.h"
#include "host/cli/standin.h"
#include "host/cli/task_client.h"
#include "host/config/config.h"
#include "proto/oci.pb-c.h"

/* The flags of both. */
struct launch_options {
	const char *bundle;
	const char *spec; /* crun's: the bundle's own config.json by any path, or NULL */
	const char *pid_file;
	const char *console_socket;
	const char *preserve_fds;
	bool no_pivot;
	bool no_new_keyring;
};

/* clang-format off */
#define LAUNCH_FLAGS(opt)                                                                       \
	{ "bundle", "b", FLAG_STRING, &(opt).bundle, "DIR",                                     \
	  "the bundle (default: this directory)" },                                             \
	{ "config", "f", FLAG_STRING, &(opt).spec, "FILE",                                      \
	  "only for callers of crun: the bundle's own config.json" },                           \
	{ "pid-file", NULL, FLAG_STRING, &(opt).pid_file, "FILE",                               \
	  "write the container's process ID to FILE" },                                         \
	{ "console-socket", NULL, FLAG_STRING, &(opt).console_socket, "SOCKET",                 \
	  "send the container's terminal to SOCKET" },                                          \
	{ "preserve-fds", NULL, FLAG_STRING, &(opt).preserve_fds, "N",                          \
	  "only 0: descriptors cannot go into a machine" },                                     \
	{ "no-pivot", NULL, FLAG_BOOL, &(opt).no_pivot, NULL,                                   \
	  "do not use pivot_root for the process that stands for the container" },              \
	{ "no-new-keyring", NULL, FLAG_BOOL, &(opt).no_new_keyring, NULL,                       \
	  "accepted; the container's keys are the machine's" }
/* clang-format on */

struct launch {
	/* Set by the caller. */
	const struct cli *cli;
	const char *id;
	const struct launch_options *opt;
	bool detach; /* the caller does not stay */

	char *bundle; /* absolute */
	struct config *config;
	Grpc__Spec *spec;
	struct loop *loop;
	struct attach attach;
	char *joined; /* the sandbox of another that it lives in; NULL: its own */
	int owner;    /* while it is open the shim keeps the sandbox; -1: not ours */
	struct task *task;
	pid_t shim_pid; /* 0 until it is known */
	struct standin standin;
	int console;	       /* the caller's socket; -1: none */
	int terminal;	       /* what the container gets of it; -1: none */
	struct newlines lines; /* where its terminal leads to none */
	struct pid_file pid_file;
};

#define LAUNCH_INIT(cli_, id_, opt_, detach_)                                                   \
	{                                                                                       \
		.cli = (cli_), .id = (id_), .opt = (opt_), .detach = (detach_), .owner = -1,    \
		.standin = STANDIN_NONE, .console = -1, .terminal = -1, .lines = NEWLINES_NONE, \
		.pid_file = { .path = (opt_)->pid_file },                                       \
	}

/* Whether the container can be made at all, before anything is started. 0 or -errno and @err. */
int launch_prepare(struct launch *l, struct err *err);

/*
 * Make the container, and write its pid file. On failure the caller calls launch_undo(). 0 or
 * -errno and @err.
 */
int launch_create(struct launch *l, struct err *err);

/* Start it. As launch_create(). */
int launch_start(struct launch *l, struct err *err);

/* From now on it lives without this process; with @attached, as long as this one runs. */
int launch_keep(struct launch *l, bool attached, struct err *err);

/*
 * After the failure @code: tear down what there is. Returns the exit status, with a
 * better @err where there is one.
 */
int launch_undo(struct launch *l, int code, struct err *err);

/* Whether others live in its sandbox. */
bool launch_has_others(const struct launch *l);

/* Run the loop until the shim has gone, or @ms are over. */
void launch_wait_shim(struct launch *l, int64_t ms);

/* Whatever is there of our own sandbox still. 0, or the first thing that could not be removed. */
int launch_clear_rest(const struct launch *l, struct err *err);

/* Release; what lives on does so. */
void launch_free(struct launch *l);

#endif
