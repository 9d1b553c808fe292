/* SPDX-License-Identifier: Apache-2.0 */
#include "host/standin/options.h"

#include <stdlib.h>
#include <string.h>

const char *const ns_names[NS_KINDS] = { "net", "ipc", "uts", "pid", "mnt" };

static int parse_fd(const char *text, int *fd)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 0 || n > 1 << 20)
		return -1;
	*fd = (int)n;
	return 0;
}

/* --net, --net=PATH and so on. */
static int parse_namespace(const char *arg, struct options *o)
{
	for (int i = 0; i < NS_KINDS; i++) {
		size_t len = strlen(ns_names[i]);

		if (strncmp(arg, ns_names[i], len))
			continue;
		if (arg[len] == '\0')
			o->path[i] = "";
		else if (arg[len] == '=' && arg[len + 1])
			o->path[i] = arg + len + 1;
		else
			continue;
		return 0;
	}
	return -1;
}

/* How many arguments the flag at argv[0] took; -1 when it makes no sense. */
static int parse_flag(char **argv, struct options *o)
{
	const char *name = argv[0] + 2;

	if (!strcmp(name, "no-pivot")) {
		o->no_pivot = true;
		return 1;
	}
	if (!strcmp(name, "elsewhere")) {
		o->elsewhere = true;
		return 1;
	}
	if (!argv[1])
		return parse_namespace(name, o) < 0 ? -1 : 1;
	if (!strcmp(name, "control"))
		return parse_fd(argv[1], &o->control) < 0 ? -1 : 2;
	if (!strcmp(name, "shim"))
		return parse_fd(argv[1], &o->shim) < 0 ? -1 : 2;
	if (!strcmp(name, "terminal"))
		return parse_fd(argv[1], &o->terminal) < 0 ? -1 : 2;
	if (!strcmp(name, "hostname")) {
		o->hostname = argv[1];
		return 2;
	}
	if (!strcmp(name, "root")) {
		o->root = argv[1];
		return 2;
	}
	if (!strcmp(name, "bind") && argv[2]) {
		/* Those before have been read: their places are free. */
		o->binds[2 * o->n_binds] = argv[1];
		o->binds[2 * o->n_binds + 1] = argv[2];
		o->n_binds++;
		return 3;
	}
	return parse_namespace(name, o) < 0 ? -1 : 1;
}

int options_parse(int argc, char **argv, struct options *o)
{
	int i = 1;

	*o = (struct options){ .control = -1, .shim = -1, .terminal = -1, .binds = argv };
	while (i < argc && !strncmp(argv[i], "--", 2)) {
		int n = parse_flag(argv + i, o);

		if (n < 0)
			return -1;
		i += n;
	}
	return i + 1 == argc && o->control >= 0 && o->shim >= 0 ? 0 : -1;
}
