/* SPDX-License-Identifier: Apache-2.0 */
/* containerd-shim-kata-v2: one process for each sandbox. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/version.h"
#include "host/config/config.h"
#include "host/sandbox/state.h"
#include "host/shim/actions.h"
#include "proto/introspection.pb-c.h"

#define RUNTIME_NAME "io.containerd.kata.v2"
#define STATUS_USAGE 2

int action_check(const struct cmdline *cl, struct err *err)
{
	if (!cl->namespace || !*cl->namespace)
		return err_set(err, EINVAL, "shim namespace cannot be empty");
	if (!cl->id || !*cl->id)
		return err_set(err, EINVAL, "flag -id is missing");
	if (cl->root[0] != '/')
		return err_set(err, EINVAL, "flag -root: \"%s\" is no absolute path", cl->root);
	return state_check_id(cl->id, err);
}

char *action_bundle(const struct cmdline *cl, struct err *err)
{
	char *path = path_real(cl->bundle && *cl->bundle ? cl->bundle : ".", err);

	if (!path)
		err_wrap(err, "cannot find the bundle");
	return path;
}

int action_info(struct err *err)
{
	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	auto_free uint8_t *wire = NULL;
	int r;

	version.version = (char *)kata_version;
	version.revision = (char *)kata_commit;
	info.name = (char *)RUNTIME_NAME;
	info.version = &version;
	wire = xmalloc(containerd__types__runtime_info__get_packed_size(&info));
	r = fd_write_full(STDOUT_FILENO, wire, containerd__types__runtime_info__pack(&info, wire));
	return r < 0 ? err_sys(err, r, "cannot write to standard output") : 0;
}

/*
 * Named for a hypervisor, the program has its configuration, unless the command line or the
 * environment names another; the one that containerd gives with a task comes before all.
 */
static void choose_config(const char *argv0, struct cmdline *cl)
{
	auto_free char *variant = cmdline_variant(argv0);
	const char *given = getenv("KATA_CONF_FILE");

	if (variant && (!cl->config || !*cl->config) && (!given || !*given))
		cl->config = config_variant_path(variant);
}

static int dispatch(const struct cmdline *cl, struct err *err)
{
	if (cl->info)
		return action_info(err);
	if (!cl->action)
		return action_serve(cl, err);
	return strcmp(cl->action, "start") ? action_delete(cl, err) : action_start(cl, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct cmdline cl;

	fd_open_standard();
	if (cmdline_parse(argc, argv, &cl, &err) < 0) {
		fprintf(stderr, "containerd-shim-kata-v2: %s\n", err_msg(&err));
		cmdline_usage(stderr);
		return STATUS_USAGE;
	}
	if (cl.help) {
		cmdline_usage(stdout);
		return EXIT_SUCCESS;
	}
	if (cl.version) {
		printf("Kata Containers containerd shim (C): id: \"%s\", version: %s, commit: %s\n",
		       RUNTIME_NAME, kata_version, kata_commit);
		return EXIT_SUCCESS;
	}
	choose_config(argv[0], &cl);
	if (dispatch(&cl, &err) == 0)
		return EXIT_SUCCESS;
	/* The caller, who shows it, tells whose word it is. */
	fprintf(stderr, "%s\n", err_msg(&err));
	return EXIT_FAILURE;
}
