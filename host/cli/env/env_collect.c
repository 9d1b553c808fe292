/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/version.h"
#include "host/cli/env/env_host.h"
#include "host/hypervisor/hypervisor.h"

#define VERSION_TIMEOUT_MS 2000
#define VERSION_MAX	   4096

/*
 * Where the host reaches a sandbox's agent, by hypervisor, for those that carry
 * vsock over a socket of their own (Kata's paths, but for Dragonball's, which
 * follows the directories here). The others have a vsock device of the host.
 */
static const struct {
	const char *hypervisor, *path;
} sockets[] = {
	{ "clh", "{ID}/clh.sock" },
	{ "firecracker", "/run/vc/firecracker/{ID}/root/kata.hvsock" },
	{ "dragonball", "/run/vc/vm/{ID}/kata.hvsock" },
};

static const char *socket_path(const char *hypervisor)
{
	size_t i;

	/* Who is not root cannot tell, because the device is root's. */
	if (geteuid() != 0)
		return ENV_UNKNOWN;
	for (i = 0; i < ARRAY_SIZE(sockets); i++)
		if (!strcmp(sockets[i].hypervisor, hypervisor))
			return sockets[i].path;
	return "";
}

/* What @path says when it is asked for its version, without white space around it. The caller frees. */
static char *program_version(const char *hypervisor, const char *path)
{
	const struct hypervisor_row *row = hypervisor_row_find(hypervisor);
	const char *option = row ? row->facts->version_option : NULL;
	const char *const argv[] = { path, option ? option : "--version", NULL };
	auto_str struct str text = STR_INIT;
	const char *start, *end;
	struct err why = ERR_INIT;
	int status;

	status = proc_run(argv, VERSION_TIMEOUT_MS, VERSION_MAX, &text, &why);
	if (status < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return xstrdup(ENV_UNKNOWN);
	start = str_text(&text) + strspn(str_text(&text), " \t\r\n");
	for (end = start + strlen(start); end > start && strchr(" \t\r\n", end[-1]);)
		end--;
	return xstrndup(start, (size_t)(end - start));
}

static void note_missing(struct str *missing, const char *what, const char *path)
{
	struct stat st;

	if (*path && stat(path, &st))
		str_printf(missing, "%s%s %s", missing->len ? ", " : "", what, path);
}

static char *find_missing(const struct config_hypervisor *h, const char *program)
{
	auto_str struct str missing = STR_INIT;

	note_missing(&missing, h->name, program);
	note_missing(&missing, "kernel", h->kernel);
	note_missing(&missing, "image", h->image);
	note_missing(&missing, "initrd", h->initrd);
	return missing.len ? xasprintf("not installed: %s", missing.data) : NULL;
}

static void copy_list(struct strv *to, const struct strv *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

static void collect_hypervisor(const struct config *config, struct env_hypervisor *env)
{
	const struct config_hypervisor *h = &config->hypervisor;

	env->machine_type = xstrdup(h->machine_type);
	env->path = hypervisor_program(config);
	env->version = program_version(h->name, env->path);
	env->block_device_driver = xstrdup(h->block_device_driver);
	env->entropy_source = xstrdup(h->entropy_source);
	env->shared_fs = xstrdup(h->shared_fs);
	env->virtio_fs_daemon = xstrdup(h->virtio_fs_daemon);
	env->socket_path = xstrdup(socket_path(h->name));
	env->msize_9p = h->msize_9p;
	env->memory_slots = h->memory_slots;
	env->hot_plug_vfio = xstrdup(h->hot_plug_vfio);
	env->cold_plug_vfio = xstrdup(h->cold_plug_vfio);
	env->pcie_root_port = h->pcie_root_port;
	env->pcie_switch_port = h->pcie_switch_port;
	env->debug = h->enable_debug;
	env->rootless = h->rootless;
	env->disable_seccomp = h->disable_seccomp;
	env->guest_hook_path = xstrdup(h->guest_hook_path);
	copy_list(&env->enable_annotations, &h->enable_annotations);
	env->confidential_guest = h->confidential_guest;
}

static void collect_runtime(const struct config *config, struct env_runtime *env)
{
	const struct config_runtime *r = &config->runtime;
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
	char *rest;

	env->config_path = xstrdup(config->path);
	env->path = len > 0 ? xstrndup(path, (size_t)len) : xstrdup(ENV_UNKNOWN);
	env->guest_selinux_label = xstrdup(r->guest_selinux_label);
	copy_list(&env->experimental, &r->experimental);
	env->oci = xstrdup(OCI_SPEC_VERSION);
	env->semver = xstrdup(kata_version);
	env->commit = xstrdup(kata_commit);
	env->major = strtoll(kata_version, &rest, 10);
	env->minor = *rest == '.' ? strtoll(rest + 1, &rest, 10) : 0;
	env->patch = *rest == '.' ? strtoll(rest + 1, &rest, 10) : 0;
	env->debug = r->enable_debug;
	env->trace = r->enable_tracing;
	env->disable_guest_seccomp = r->disable_guest_seccomp;
	env->disable_new_netns = r->disable_new_netns;
	env->sandbox_cgroup_only = r->sandbox_cgroup_only;
}

int env_collect(const struct config *config, struct env *env, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;
	auto_str struct str params = STR_INIT;

	config_kernel_params(config, &params);
	env->kernel_path = xstrdup(h->kernel);
	env->kernel_parameters = str_take(&params);
	env->meta_version = xstrdup(ENV_FORMAT_VERSION);
	env->image_path = xstrdup(h->image);
	env->initrd_path = xstrdup(h->initrd);
	collect_hypervisor(config, &env->hypervisor);
	collect_runtime(config, &env->runtime);
	env->agent_debug = config->agent.enable_debug;
	env->agent_trace = config->agent.enable_tracing;
	env->missing = find_missing(h, env->hypervisor.path);
	return env_collect_host(&env->host, err);
}
