/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `kata-runtime kata-env` shows: the settings in effect and the host they
 * meet, in the layout of Kata Containers' env command, format version 1.0.27.
 * Scripts read it, so names and order are fixed: env_print.c.
 */
#ifndef HOST_CLI_ENV_ENV_H
#define HOST_CLI_ENV_ENV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/str.h"
#include "host/config/config.h"

#define ENV_FORMAT_VERSION "1.0.27"

/* What cannot be found out is shown as this. */
#define ENV_UNKNOWN "<<unknown>>"

struct env_hypervisor {
	char *machine_type;
	char *version; /* what its --version prints */
	char *path;
	char *block_device_driver;
	char *entropy_source;
	char *shared_fs;
	char *virtio_fs_daemon;
	char *socket_path; /* to the agent, with {ID} for the sandbox; "" when it is no socket */
	int64_t msize_9p;
	int64_t memory_slots;
	char *hot_plug_vfio;
	char *cold_plug_vfio;
	int64_t pcie_root_port;
	int64_t pcie_switch_port;
	bool debug;
	bool rootless;
	bool disable_seccomp;
	char *guest_hook_path;
	struct strv enable_annotations;
	bool confidential_guest;
};

struct env_runtime {
	char *config_path;
	char *path;
	char *guest_selinux_label;
	struct strv experimental;
	char *oci;
	char *semver;
	char *commit;
	int64_t major, minor, patch;
	bool debug;
	bool trace;
	bool disable_guest_seccomp;
	bool disable_new_netns;
	bool sandbox_cgroup_only;
};

struct env_host {
	struct strv available_guest_protections;
	char *kernel;
	char *architecture; /* as Go calls it: "amd64" */
	char *distro_name;
	char *distro_version;
	char *cpu_vendor;
	char *cpu_model;
	int64_t cpus;
	int64_t memory_total; /* KiB, and the two below */
	int64_t memory_free;
	int64_t memory_available;
	bool vm_container_capable;
	bool support_vsocks;
};

/* After env_collect() no string is NULL. */
struct env {
	char *kernel_path;
	char *kernel_parameters;
	char *meta_version;
	char *image_path;
	char *initrd_path;
	struct env_hypervisor hypervisor;
	struct env_runtime runtime;
	struct env_host host;
	bool agent_debug;
	bool agent_trace;

	/*
	 * Not shown: what is configured and not installed, as one sentence for
	 * the caller to warn with; NULL when all is there.
	 */
	char *missing;
};

/*
 * Fill the zeroed @env from @config and from this host. Runs `PATH --version`
 * of the hypervisor for 2 s at most. Whether the host can run virtual machines
 * is the caller's to say: @env->host.vm_container_capable is left alone.
 * Returns 0, or a negative errno and @err when the host's own files cannot be
 * read; @env is to be released in both cases.
 */
int env_collect(const struct config *config, struct env *env, struct err *err);

void env_print_toml(const struct env *env, FILE *out);
void env_print_json(const struct env *env, FILE *out);

/* Release what @env holds; it is zeroed then. */
void env_free(struct env *env);

#endif
