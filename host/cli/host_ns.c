/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/host_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* Those that nothing on the host enters, so that nothing else would say what is wrong. */
static int check_path(const Grpc__LinuxNamespace *ns, struct err *err)
{
	static const struct {
		const char *type;
		int flag;
	} types[] = { { "cgroup", CLONE_NEWCGROUP },
		      { "user", CLONE_NEWUSER },
		      { "time", CLONE_NEWTIME } };
	auto_close int fd = -1;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!*ns->path || strcmp(ns->type, types[i].type))
			continue;
		fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return err_sys(err, errno, "linux.namespaces: %s", ns->path);
		if (ioctl(fd, NS_GET_NSTYPE) != types[i].flag)
			return err_set(err, EINVAL, "linux.namespaces: %s is no %s namespace",
				       ns->path, ns->type);
	}
	return 0;
}

int host_ns_check(const Grpc__Spec *spec, bool net, struct err *err)
{
	for (size_t i = net; i < ARRAY_SIZE(kinds); i++)
		if (is_host(spec, kinds[i].type, kinds[i].own))
			return err_set(err, EOPNOTSUPP,
				       "linux.namespaces: a container in a virtual machine cannot "
				       "live in %s: %s",
				       kinds[i].what, kinds[i].instead);
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		if (check_path(spec->linux->namespaces[i], err) < 0)
			return err->code;
	return 0;
}
