/* SPDX-License-Identifier: Apache-2.0 */
#include "host/config/annotations.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/config/annotation_value.h"
#include "host/config/keys.h"

#define PREFIX		  "io.katacontainers.config."
#define HYPERVISOR_PREFIX "hypervisor."

/* The only one of Kata's Go runtime outside the prefix; its Rust runtime has it inside. */
#define VCPUS_PINNING "io.katacontainers.enable_vcpus_pinning"

/* Of no key: it is no file's to set. */
#define POLICY "agent.policy"

struct annotation {
	const char *name; /* behind PREFIX */
	const char *key;  /* that it sets, of the section that @name begins with; NULL: none */
	enum annotation_form form;
	size_t allowed;	     /* offset of the list of patterns in struct config, 0: none */
	const char *refused; /* why any value but "" is refused */
	bool ignored;	     /* concerns hypervisors that this build has not */
};

#define H(KEY)                                          \
	{                                               \
		.name = "hypervisor." #KEY, .key = #KEY \
	}
#define R(KEY)                                       \
	{                                            \
		.name = "runtime." #KEY, .key = #KEY \
	}
#define A(KEY)                                     \
	{                                          \
		.name = "agent." #KEY, .key = #KEY \
	}
#define H_AS(NAME, KEY)                                  \
	{                                                \
		.name = "hypervisor." #NAME, .key = #KEY \
	}
/* "" leaves the key as it is. */
#define H_KEEP(KEY)                                                                      \
	{                                                                                \
		.name = "hypervisor." #KEY, .key = #KEY, .form = ANNOTATION_UNLESS_EMPTY \
	}
#define H_PATH(KEY, LIST)                                                                 \
	{                                                                                 \
		.name = "hypervisor." #KEY, .key = #KEY, .form = ANNOTATION_UNLESS_EMPTY, \
		.allowed = offsetof(struct config, hypervisor.LIST),                      \
	}
#define REFUSED(NAME, WHY)                       \
	{                                        \
		.name = (NAME), .refused = (WHY) \
	}

/* No key's name is as long, and what is longer is not worth matching or telling whole. */
#define NAME_LEN_MAX 128

static const char no_hash[] = "the check of a file's hash is not supported";

static const struct annotation known[] = {
	H_PATH(path, valid_hypervisor_paths),
	H_PATH(ctlpath, valid_ctlpaths),
	H_PATH(jailer_path, valid_jailer_paths),
	H_PATH(virtio_fs_daemon, valid_virtio_fs_daemon_paths),
	H_PATH(entropy_source, valid_entropy_sources),
	H_PATH(vhost_user_store_path, valid_vhost_user_store_paths),
	H_PATH(file_mem_backend, valid_file_mem_backends),
	{ "hypervisor.kernel", "kernel", ANNOTATION_FILE, 0, NULL, false },
	{ "hypervisor.image", "image", ANNOTATION_FILE, 0, NULL, false },
	{ "hypervisor.initrd", "initrd", ANNOTATION_FILE, 0, NULL, false },
	{ "hypervisor.firmware", "firmware", ANNOTATION_FILE, 0, NULL, false },
	{ "hypervisor.firmware_volume", "firmware_volume", ANNOTATION_FILE, 0, NULL, false },
	REFUSED("hypervisor.kernel_hash", no_hash),
	REFUSED("hypervisor.image_hash", no_hash),
	REFUSED("hypervisor.initrd_hash", no_hash),
	REFUSED("hypervisor.hypervisor_hash", no_hash),
	REFUSED("hypervisor.path_hash", no_hash),
	REFUSED("hypervisor.jailer_hash", no_hash),
	REFUSED("hypervisor.firmware_hash", no_hash),
	REFUSED("hypervisor.firmware_volume_hash", no_hash),
	REFUSED("hypervisor.asset_hash_type", no_hash),
	{ "hypervisor.kernel_params", "kernel_params", ANNOTATION_PARAMS, 0, NULL, false },
	H_KEEP(kernel_verity_params),
	H_KEEP(machine_type),
	H_KEEP(machine_accelerators),
	H_KEEP(cpu_features),
	H_KEEP(guest_hook_path),
	H(rootless),

	H(default_vcpus),
	H_AS(default_max_vcpus, default_maxvcpus),
	H_AS(default_maxvcpus, default_maxvcpus),
	H(default_memory),
	H(memory_slots),
	H(memory_offset),
	H(enable_virtio_mem),
	H(enable_mem_prealloc),
	H(enable_hugepages),
	H(enable_guest_swap),
	H(reclaim_guest_freed_memory),
	H(enable_iommu),
	H(enable_iommu_platform),
	{ "hypervisor.numa_mapping", "numa_mapping", ANNOTATION_WORDS, 0, NULL, false },

	H(shared_fs),
	H(virtio_fs_cache),
	H(virtio_fs_cache_size),
	{ "hypervisor.virtio_fs_extra_args", "virtio_fs_extra_args", ANNOTATION_JSON, 0, NULL,
	  false },
	H(msize_9p),

	H(block_device_driver),
	H(block_device_aio),
	H(disable_block_device_use),
	H(block_device_cache_set),
	H(block_device_cache_direct),
	H(block_device_cache_noflush),
	H_AS(blk_logical_sector_size, block_device_logical_sector_size),
	H_AS(blk_physical_sector_size, block_device_physical_sector_size),
	H_AS(block_device_queue_size, queue_size),
	H_AS(block_device_num_queues, num_queues),
	H(enable_iothreads),
	H(indep_iothreads),
	H(disable_image_nvdimm),
	H(enable_vhost_user_store),
	H(vhost_user_reconnect_timeout_sec),

	H(disable_vhost_net),
	H(network_queues),
	H(rx_rate_limiter_max_rate),
	H(tx_rate_limiter_max_rate),
	H(hot_plug_vfio),
	H(cold_plug_vfio),
	H(pcie_root_port),
	H(pcie_switch_port),
	H(use_legacy_serial),
	REFUSED("hypervisor.cc_init_data", "confidential machines are not supported"),
	REFUSED("hypervisor.hugepage_type", "the kind of huge pages cannot be chosen"),
	REFUSED("hypervisor.prefetch_files.list", "prefetching of files is not supported"),
	{ .name = "hypervisor.default_gpus", .ignored = true },
	{ .name = "hypervisor.default_gpu_model", .ignored = true },

	R(name),
	R(hypervisor_name),
	R(agent_name),
	R(disable_guest_seccomp),
	R(guest_selinux_label),
	R(sandbox_cgroup_only),
	R(enable_pprof),
	{ "runtime.experimental", "experimental", ANNOTATION_WORDS, 0, NULL, false },
	R(internetworking_model),
	R(disable_new_netns),
	R(vfio_mode),
	R(create_container_timeout),
	R(rootfs_writable),
	R(rootfs_writable_mib),
	R(enable_vcpus_pinning),
	R(experimental_force_guest_pull),
	REFUSED("runtime.shared_mounts", "mounts shared between containers are not supported"),
	/* Which of its files the host shows to a sandbox is not the sandbox's to say. */
	REFUSED("runtime.sandbox_bind_mounts", "only a configuration file can set it"),

	{ "agent.kernel_modules", "kernel_modules", ANNOTATION_SEMICOLONS, 0, NULL, false },
	A(enable_tracing),
	A(container_pipe_size),
	A(cdh_api_timeout),
	A(cdh_api_timeout_ms),
	{ .name = POLICY },
};

static const struct annotation *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			return &known[i];
	return NULL;
}

static enum config_section section_of(const char *name)
{
	if (str_starts(name, HYPERVISOR_PREFIX))
		return SECTION_HYPERVISOR;
	return str_starts(name, "runtime.") ? SECTION_RUNTIME : SECTION_AGENT;
}

/* What stands behind PREFIX in the annotation @full; NULL: it is none of ours. */
static const char *name_of(const char *full)
{
	if (!strcmp(full, VCPUS_PINNING))
		return "runtime.enable_vcpus_pinning";
	return str_starts(full, PREFIX) ? full + strlen(PREFIX) : NULL;
}

/* That the expressions are valid was seen when the configuration was loaded. */
static bool matches(const struct strv *expressions, const char *text)
{
	bool found = false;

	for (size_t i = 0; i < expressions->n && !found; i++) {
		regex_t re;

		if (regcomp(&re, expressions->v[i], REG_EXTENDED | REG_NOSUB))
			continue;
		found = !regexec(&re, text, 0, NULL, 0);
		regfree(&re);
	}
	return found;
}

/* All of them, before the first one counts. */
static int check_enabled(const struct config *config, const struct strv *annotations,
			 struct err *err)
{
	for (size_t i = 0; i + 1 < annotations->n; i += 2) {
		const char *full = annotations->v[i], *name = name_of(full);

		if (!name || !str_starts(name, HYPERVISOR_PREFIX) ||
		    (strlen(name) <= NAME_LEN_MAX && matches(&config->hypervisor.enable_annotations,
							     name + strlen(HYPERVISOR_PREFIX))))
			continue;
		return err_set(err, EPERM,
			       "annotation %.*s is not enabled (enable_annotations in %s)",
			       (int)(strlen(PREFIX) + NAME_LEN_MAX), full, config->path);
	}
	return 0;
}

/*
 * A path with ".." in it is none of those that a pattern was meant for, whatever
 * its stars match.
 */
static bool is_allowed(const struct strv *patterns, const char *path)
{
	auto_free char *slashed = xasprintf("/%s/", path);

	if (strlen(path) >= PATH_MAX)
		return false;
	for (size_t i = 0; i < patterns->n; i++)
		if (!strcmp(patterns->v[i], path) ||
		    (!strstr(slashed, "/../") &&
		     !fnmatch(patterns->v[i], path, FNM_PATHNAME | FNM_PERIOD)))
			return true;
	return false;
}

/* A list of patterns is never the first member, so that 0 can mean none. */
static int check_path(const struct config *config, const struct annotation *a, const char *value,
		      struct err *err)
{
	const struct strv *patterns = (const void *)((const char *)config + a->allowed);

	if (!a->allowed || !*value || is_allowed(patterns, value))
		return 0;
	return err_set(err, EPERM, "\"%s\" is none of the paths that %s allows", value,
		       config->path);
}

static int check_cpus(const struct config *config, const struct annotation *a, unsigned host_cpus,
		      struct err *err)
{
	double n = 0;

	if (a->key && !strcmp(a->key, "default_vcpus"))
		n = config->hypervisor.default_vcpus;
	else if (a->key && !strcmp(a->key, "default_maxvcpus"))
		n = (double)config->hypervisor.default_maxvcpus;
	if (host_cpus == 0 || n <= host_cpus)
		return 0;
	return err_set(err, EINVAL, "%g processors are more than the %u of this host", n,
		       host_cpus);
}

/* The other one of a pair of which only one can be set. */
static const char *rival_of(const char *key)
{
	static const char *const pairs[][2] = {
		{ "image", "initrd" },
		{ "initrd", "image" },
		{ "hot_plug_vfio", "cold_plug_vfio" },
		{ "cold_plug_vfio", "hot_plug_vfio" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!strcmp(pairs[i][0], key))
			return pairs[i][1];
	return NULL;
}

static bool is_given(const struct strv *annotations, const char *key)
{
	size_t len = strlen(PREFIX HYPERVISOR_PREFIX);

	for (size_t i = 0; i + 1 < annotations->n; i += 2)
		if (str_starts(annotations->v[i], PREFIX HYPERVISOR_PREFIX) &&
		    !strcmp(annotations->v[i] + len, key))
			return true;
	return false;
}

/* What the annotation chose replaces what the file chose, whichever of the two keys that was. */
static void drop_rival(struct config *config, const struct annotation *a,
		       const struct strv *annotations)
{
	const char *rival = rival_of(a->key);

	if (!rival || is_given(annotations, rival))
		return;
	if (!strcmp(rival, "image"))
		annotation_put_string(&config->hypervisor.image, "");
	else if (!strcmp(rival, "initrd"))
		annotation_put_string(&config->hypervisor.initrd, "");
	else if (!strcmp(rival, "hot_plug_vfio"))
		annotation_put_string(&config->hypervisor.hot_plug_vfio, "no-port");
	else
		annotation_put_string(&config->hypervisor.cold_plug_vfio, "no-port");
}

static int apply(struct config *config, const struct annotation *a, const char *value,
		 unsigned host_cpus, const struct strv *annotations, struct err *err)
{
	int r;

	if (a->refused)
		return *value ? err_set(err, EOPNOTSUPP, "%s", a->refused) : 0;
	if (a->form == ANNOTATION_UNLESS_EMPTY && !*value)
		return 0;
	r = check_path(config, a, value, err);
	if (r == 0)
		r = annotation_set(config, config_key_find(section_of(a->name), a->key), a->form,
				   value, err);
	if (r == 0)
		r = check_cpus(config, a, host_cpus, err);
	if (r == 0)
		drop_rival(config, a, annotations);
	return r;
}

static int apply_policy(struct config *config, const char *value, struct err *err)
{
	char *text = NULL;
	int r = *value ? annotation_decode(value, &text, err) : 0;

	if (text) {
		free(config->agent.policy);
		config->agent.policy = text;
	}
	return r;
}

static void warn_unknown(struct config *config, const char *full)
{
	auto_str struct str text = STR_INIT;

	toml_quote(&text, full, strnlen(full, strlen(PREFIX) + NAME_LEN_MAX));
	strv_addf(&config->warnings, "annotation %s is not known and ignored", str_text(&text));
}

int config_annotate(struct config *config, const struct strv *annotations, unsigned host_cpus,
		    struct err *err)
{
	bool any = false;
	int r = check_enabled(config, annotations, err);

	for (size_t i = 0; r == 0 && i + 1 < annotations->n; i += 2) {
		const char *full = annotations->v[i], *name = name_of(full);
		const struct annotation *a = name ? find(name) : NULL;

		if (!name)
			continue;
		if (!a) {
			warn_unknown(config, full);
		} else if (!a->ignored) {
			any = true;
			r = !strcmp(a->name, POLICY) ?
				    apply_policy(config, annotations->v[i + 1], err) :
				    apply(config, a, annotations->v[i + 1], host_cpus, annotations,
					  err);
			if (r < 0)
				err_wrap(err, "annotation %s", full);
		}
	}
	if (r == 0 && any) {
		r = config_validate(config, err);
		if (r < 0)
			err_wrap(err, "with the container's annotations");
	}
	return r;
}
