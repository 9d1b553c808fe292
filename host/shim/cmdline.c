/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/cmdline.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/sandbox/state.h"

enum flag_type { FLAG_STRING, FLAG_BOOL, FLAG_FD };

#define FLAG(name, type, member, arg, help)                             \
	{                                                               \
		name, type, offsetof(struct cmdline, member), arg, help \
	}

static const struct flag {
	const char *name;
	enum flag_type type;
	size_t offset;
	const char *arg;
	const char *help; /* NULL: not for users */
} flags[] = {
	FLAG("namespace", FLAG_STRING, namespace, "NAME", "containerd's namespace"),
	FLAG("address", FLAG_STRING, address, "SOCKET", "containerd's address"),
	FLAG("publish-binary", FLAG_STRING, publish_binary, "FILE", "the program to publish with"),
	FLAG("id", FLAG_STRING, id, "ID", "the container, or the pod's sandbox"),
	FLAG("bundle", FLAG_STRING, bundle, "DIR", "its bundle (default: this directory)"),
	FLAG("socket", FLAG_STRING, socket, "SOCKET", "serve there"),
	FLAG("debug", FLAG_BOOL, debug, NULL, "log more"),
	FLAG("version", FLAG_BOOL, version, NULL, "show the version"),
	FLAG("v", FLAG_BOOL, version, NULL, "show the version"),
	FLAG("info", FLAG_BOOL, info, NULL, "write what this runtime is, as protobuf"),
	FLAG("help", FLAG_BOOL, help, NULL, "show this text"),
	FLAG("h", FLAG_BOOL, help, NULL, "show this text"),
	FLAG("root", FLAG_STRING, root, "DIR", "where state is kept (" SANDBOX_ROOT ")"),
	FLAG("config", FLAG_STRING, config, "FILE", "the configuration file"),
	FLAG("log", FLAG_STRING, log, "FILE", "append the log to FILE"),
	FLAG("log-json", FLAG_BOOL, log_json, NULL, "log as JSON"),
	FLAG("owner-fd", FLAG_FD, owner_fd, "N", "end when this descriptor reaches its end"),
	FLAG("listen-fd", FLAG_FD, listen_fd, "N", NULL),
	FLAG("log-fields", FLAG_BOOL, log_fields, NULL, NULL),
	FLAG("ready-fd", FLAG_FD, ready_fd, "N", NULL),
};

static const struct flag *find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strlen(flags[i].name) == len && !memcmp(flags[i].name, name, len))
			return &flags[i];
	return NULL;
}

/* As Go reads a bool. */
static int parse_bool(const char *text, bool *v)
{
	static const char *const words[][2] = {
		{ "false", "true" }, { "0", "1" }, { "f", "t" }, { "False", "True" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (int truth = 0; truth < 2; truth++)
			if (!strcmp(text, words[i][truth])) {
				*v = truth;
				return 0;
			}
	return -EINVAL;
}

static int set(struct cmdline *cl, const struct flag *f, const char *value, struct err *err)
{
	char *member = (char *)cl + f->offset;
	long long n;

	switch (f->type) {
	case FLAG_STRING:
		*(const char **)(void *)member = value;
		return 0;
	case FLAG_BOOL:
		if (parse_bool(value, (bool *)(void *)member) == 0)
			return 0;
		return err_set(err, EINVAL, "flag -%s: \"%s\" is neither true nor false", f->name,
			       value);
	case FLAG_FD:
		if (str_to_ll(value, 3, INT_MAX, &n) < 0)
			return err_set(err, EINVAL, "flag -%s: \"%s\" is no descriptor above 2",
				       f->name, value);
		*(int *)(void *)member = (int)n;
		return 0;
	}
	return -EINVAL;
}

/* The flag argv[0], whose value may be argv[1]. Returns how many of them it took. */
static int parse_flag(char *const *argv, struct cmdline *cl, struct err *err)
{
	const char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1);
	const char *value = strchr(name, '=');
	const struct flag *f = find(name, value ? (size_t)(value - name) : strlen(name));
	int r, took = 1;

	if (!f)
		return err_set(err, EINVAL, "flag provided but not defined: %s", argv[0]);
	if (value) {
		value++;
	} else if (f->type == FLAG_BOOL) {
		value = "true";
	} else {
		value = argv[1];
		took = 2;
	}
	if (!value)
		return err_set(err, EINVAL, "flag needs an argument: -%s", f->name);
	r = set(cl, f, value, err);
	return r < 0 ? r : took;
}

int cmdline_parse(int argc, char *const *argv, struct cmdline *cl, struct err *err)
{
	int i = 1;

	*cl = (struct cmdline){
		.root = SANDBOX_ROOT,
		.owner_fd = -1,
		.listen_fd = -1,
		.ready_fd = -1,
	};
	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		int n;

		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		n = parse_flag(&argv[i], cl, err);
		if (n < 0)
			return n;
		i += n;
	}
	if (i < argc && *argv[i])
		cl->action = argv[i++];
	if (i < argc)
		return err_set(err, EINVAL, "unexpected argument: %s", argv[i]);
	if (cl->action && strcmp(cl->action, "start") && strcmp(cl->action, "delete"))
		return err_set(err, EINVAL, "no such action: %s", cl->action);
	return 0;
}

char *cmdline_variant(const char *argv0)
{
	static const char prefix[] = "containerd-shim-kata-", suffix[] = "-v2";
	const char *slash = strrchr(argv0, '/'), *name = slash ? slash + 1 : argv0;
	size_t len = strlen(name), around = strlen(prefix) + strlen(suffix);

	if (!str_starts(name, prefix) || !str_ends(name, suffix) || len <= around)
		return NULL;
	/* It becomes a part of a path. */
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			return NULL;
	return xstrndup(name + strlen(prefix), len - around);
}

void cmdline_usage(FILE *out)
{
	fprintf(out, "usage: containerd-shim-kata-v2 [flags] [start | delete]\n\n"
		     "The process of a sandbox, for containerd and kata-runtime to start.\n\n"
		     "flags:\n");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].help)
			fprintf(out, "  -%-14s %-7s %s\n", flags[i].name,
				flags[i].arg ? flags[i].arg : "", flags[i].help);
}
