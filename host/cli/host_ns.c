/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/host_ns.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"

static const struct {
	const char *type, *own;
	const char *what, *instead;
} kinds[] = {
	{ "network", "/proc/self/ns/net", "the host's network (--network host)",
	  "give it a network of its own, and publish its ports (-p)" },
	{ "pid", "/proc/self/ns/pid", "the host's processes (--pid host)",
	  "leave that out, or share those of a container (--pid container:NAME)" },
	{ "ipc", "/proc/self/ns/ipc", "the host's IPC (--ipc host)",
	  "leave that out, or share that of a container (--ipc container:NAME)" },
};

/* Where it does not exist, others say so. */
static bool is_own(const char *path, const char *own)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(own, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool is_host(const Grpc__Spec *spec, const char *type, const char *own)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = spec->linux->namespaces[i];

		if (strcmp(ns->type, type) == 0)
			return *ns->path && is_own(ns->path, own);
	}
	return true;
}

int host_ns_check(const Grpc__Spec *spec, bool net, struct err *err)
{
	for (size_t i = net; i < ARRAY_SIZE(kinds); i++)
		if (is_host(spec, kinds[i].type, kinds[i].own))
			return err_set(err, EOPNOTSUPP,
				       "linux.namespaces: a container in a virtual machine cannot "
				       "live in %s: %s",
				       kinds[i].what, kinds[i].instead);
	return 0;
}
