/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/sysctl.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

/* sysctl.d(5): the first separator decides, so that an interface "eth0.1" can be named. */
char *sysctl_path(const char *key)
{
	char *path = xasprintf("/proc/sys/%s", key);
	char *name = path + strlen("/proc/sys/");
	char first = name[strcspn(name, "./")];

	if (!*name || *name == '.' || *name == '/' || strstr(name, "..")) {
		free(path);
		return NULL;
	}
	for (char *p = name; *p && first == '.'; p++) {
		if (*p == '.')
			*p = '/';
		else if (*p == '/')
			*p = '.';
	}
	return path;
}

unsigned long sysctl_namespace(const char *key)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb",
					   "kernel.msgmni", "kernel.sem",
					   "kernel.shmall", "kernel.shmmax",
					   "kernel.shmmni", "kernel.shm_rmid_forced" };
	auto_free char *dots = xstrdup(key);

	for (char *p = dots; *p; p++)
		if (*p == '/')
			*p = '.';
	for (size_t i = 0; i < ARRAY_SIZE(ipc); i++)
		if (!strcmp(dots, ipc[i]))
			return CLONE_NEWIPC;
	if (!strcmp(dots, "kernel.domainname"))
		return CLONE_NEWUTS;
	if (str_starts(dots, "fs.mqueue."))
		return CLONE_NEWIPC;
	return str_starts(dots, "net.") ? CLONE_NEWNET : 0;
}

int sysctl_apply(const Grpc__Linux *spec, bool whole_kernel, const struct sysctl_side *side,
		 struct err *err)
{
	for (size_t i = 0; spec && i < spec->n_sysctl; i++) {
		const char *key = spec->sysctl[i]->key, *value = spec->sysctl[i]->value;
		unsigned long kind = sysctl_namespace(key);
		auto_free char *path = sysctl_path(key);
		int r;

		if (!path)
			return err_set(err, EINVAL, "sysctl \"%s\" is no name", key);
		if (!whole_kernel && !kind)
			return err_set(err, EPERM, "sysctl \"%s\" is not in a namespace", key);
		if (side && side->outside == ((kind & side->made) != 0))
			continue;
		r = file_write_knob(path, value, strlen(value), err);
		if (r < 0)
			return err_wrap(err, "sysctl %s", key);
	}
	return 0;
}
