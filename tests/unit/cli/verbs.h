/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container "cc" on disk whose shim is the test itself, on a loop; commands are run in
 * children, as a user would.
 */
#ifndef TEST_CLI_VERBS_H
#define TEST_CLI_VERBS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"
#include "base/str.h"
#include "host/cli/cli.h"
#include "ttrpc/ttrpc.h"

struct verbs {
	char dir[32];
	char *root, *output;
	struct loop *loop;
	struct ttrpc_server *server;
	struct str said; /* standard output and error of the last command */
	void *priv;
};

/* @methods end with a NULL name; their context is @v. */
void verbs_serve(struct verbs *v, const ProtobufCServiceDescriptor *service,
		 const struct ttrpc_method *methods);

int verbs_setup(void **state);
int verbs_teardown(void **state);

/*
 * Run @command with @line split at blanks, "|" standing for one, and standard input from @in
 * (NULL: nothing). Returns its exit status; v->said is what it said.
 */
int verbs_run(struct verbs *v, const struct command *command, const char *line, const char *in);

#endif
