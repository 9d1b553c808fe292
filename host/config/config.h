/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: one TOML file and its drop-ins become one struct config.
 *
 * Key names, types, defaults and the search order are those of Kata Containers
 * 2.x to 4.x (its Go runtime); the spellings of its Rust runtime are accepted
 * as aliases. Loading is pure: it reads the configuration files and nothing
 * else. That a kernel or a hypervisor exists is checked by the driver that is
 * about to use it.
 *
 * The table [hypervisor.X] chooses the hypervisor; X is one of qemu, clh,
 * firecracker, dragonball, stratovirt and acrn, or "fake": the driver for
 * tests that runs the agent as a process of the host, without any isolation.
 */
#ifndef HOST_CONFIG_CONFIG_H
#define HOST_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"

/*
 * After config_load() no string is NULL: a key that is not set has its
 * default, which may be "". Sizes of memory are in MiB unless said otherwise.
 */
struct config_hypervisor {
	char *name; /* X of [hypervisor.X] */

	/* The programs and what they boot. */
	char *path;
	struct strv valid_hypervisor_paths; /* globs an annotation's path must match */
	char *ctlpath;			    /* acrnctl */
	struct strv valid_ctlpaths;
	char *jailer_path; /* "": no jailer */
	struct strv valid_jailer_paths;
	char *kernel;
	char *image;  /* root file system of the guest, or "" */
	char *initrd; /* or "". With neither, the driver refuses to start */
	char *rootfs_type;
	char *firmware; /* "": the hypervisor's own */
	char *firmware_volume;
	struct strv pflashes;
	char *kernel_params; /* the user's own; see config_kernel_params() */
	char *kernel_verity_params;
	char *machine_type;
	char *machine_accelerators; /* comma-separated */
	char *cpu_features;	    /* comma-separated */
	char *seccompsandbox;
	struct strv enable_annotations; /* regular expressions, unanchored */
	bool rootless;
	bool disable_seccomp;
	bool disable_selinux;
	bool disable_guest_selinux;
	bool disable_nesting_checks;
	bool confidential_guest;
	bool sev_snp_guest;
	char *snp_id_block;
	char *snp_id_auth;
	int64_t snp_guest_policy;
	int64_t tdx_quote_generation_service_socket_port;
	bool disable_nested_virtualization;
	char *guest_hook_path; /* in the guest; "": no hooks */

	/* Processors and memory. */
	double default_vcpus;	  /* 0: 1; < 0: all of the host's; a fraction rounds up */
	int64_t default_maxvcpus; /* 0: as many as the host has */
	int64_t default_memory;
	int64_t default_maxmemory; /* 0: as much as the host has */
	int64_t memory_slots;
	int64_t memory_offset;
	double overhead_vcpus;
	int64_t overhead_memory;
	bool enable_virtio_mem;
	bool enable_mem_prealloc;
	char *file_mem_backend; /* a directory whose file system holds the memory, or "" */
	struct strv valid_file_mem_backends;
	bool enable_hugepages;
	bool enable_guest_swap;
	char *guest_swap_path;
	int64_t guest_swap_size_percent;
	int64_t guest_swap_create_threshold_secs;
	bool reclaim_guest_freed_memory;
	bool enable_numa;
	struct strv numa_mapping;
	bool enable_iommu;
	bool enable_iommu_platform;

	/* Shared folders. */
	char *shared_fs; /* virtio-fs, virtio-9p, virtio-fs-nydus, inline-virtio-fs, none or "" */
	char *virtio_fs_daemon;
	struct strv valid_virtio_fs_daemon_paths;
	char *virtio_fs_cache;	      /* never, metadata, auto or always */
	int64_t virtio_fs_cache_size; /* DAX window, 0: none */
	int64_t virtio_fs_queue_size; /* entries, a power of two ≤ 1024 */
	struct strv virtio_fs_extra_args;
	int64_t msize_9p; /* bytes */

	/* Block devices. */
	char *block_device_driver;
	char *block_device_aio; /* threads, native or io_uring */
	bool disable_block_device_use;
	bool block_device_cache_set;
	bool block_device_cache_direct;
	bool block_device_cache_noflush;
	int64_t block_device_logical_sector_size;  /* bytes, 0: the hypervisor's default */
	int64_t block_device_physical_sector_size; /* bytes, 0: the hypervisor's default */
	bool enable_iothreads;
	int64_t indep_iothreads;
	int64_t queue_size;
	int64_t num_queues;
	char *vm_rootfs_driver;
	bool disable_image_nvdimm;
	bool enable_vhost_user_store;
	char *vhost_user_store_path;
	struct strv valid_vhost_user_store_paths;
	int64_t vhost_user_reconnect_timeout_sec;
	int64_t disk_rate_limiter_bw_max_rate; /* bit/s; 0: unlimited, here and below */
	int64_t disk_rate_limiter_bw_one_time_burst;
	int64_t disk_rate_limiter_ops_max_rate;
	int64_t disk_rate_limiter_ops_one_time_burst;

	/* Network and other devices. */
	bool disable_vhost_net;
	int64_t network_queues;
	int64_t rx_rate_limiter_max_rate; /* bit/s */
	int64_t tx_rate_limiter_max_rate; /* bit/s */
	int64_t net_rate_limiter_bw_max_rate;
	int64_t net_rate_limiter_bw_one_time_burst;
	int64_t net_rate_limiter_ops_max_rate;
	int64_t net_rate_limiter_ops_one_time_burst;
	int64_t default_bridges;
	char *hot_plug_vfio;  /* no-port, bridge-port, root-port or switch-port; "" not supported */
	char *cold_plug_vfio; /* as hot_plug_vfio */
	int64_t pcie_root_port;
	int64_t pcie_switch_port;
	char *entropy_source;
	struct strv valid_entropy_sources;

	/* Looking inside. */
	bool enable_debug;
	int64_t hypervisor_loglevel; /* 0 to 3 */
	char *log_level;
	char *extra_monitor_socket; /* "", hmp, qmp or qmp-pretty */
	bool use_legacy_serial;
	char *guest_memory_dump_path;
	bool guest_memory_dump_paging;
};

/* [agent.kata.mem_agent]. It says nothing while mem_agent_enable is false. */
struct config_mem_agent {
	bool mem_agent_enable;
	bool memcg_disable;
	bool memcg_swap;
	int64_t memcg_swappiness_max;
	int64_t memcg_period_secs;
	int64_t memcg_period_psi_percent_limit;
	int64_t memcg_eviction_psi_percent_limit;
	int64_t memcg_eviction_run_aging_count_min;
	bool compact_disable;
	int64_t compact_period_secs;
	int64_t compact_period_psi_percent_limit;
	int64_t compact_psi_percent_limit;
	int64_t compact_sec_max;
	int64_t compact_order;
	int64_t compact_threshold;
	int64_t compact_force_times;
};

/* [agent.kata] */
struct config_agent {
	bool enable_debug;
	bool enable_tracing;
	bool debug_console_enabled;
	struct strv kernel_modules;   /* each: a name, then its parameters */
	int64_t dial_timeout_ms;      /* how long the agent may take to answer after boot */
	int64_t reconnect_timeout_ms; /* how long a lost connection to it may be gone */
	int64_t dial_try_ms;	      /* the Rust runtime's, 0 after config_load() */
	int64_t cdh_api_timeout_ms;
	int64_t launch_process_timeout; /* seconds */
	int64_t container_pipe_size;	/* bytes, 0: the guest kernel's default */
	char *log_level;
	bool visible_cdi_devices;
	struct config_mem_agent mem_agent;
	char *policy; /* for the agent, before all else; by annotation only, NULL: none */
};

/* [runtime] */
struct config_runtime {
	char *name;
	char *hypervisor_name; /* "" or that of the table [hypervisor.X] */
	char *agent_name;
	bool enable_debug;
	bool enable_tracing;
	char *jaeger_endpoint;
	char *jaeger_user;
	char *jaeger_password;
	char *log_level;
	char *internetworking_model; /* tcfilter, macvtap, none or l3forwarding */
	bool disable_new_netns;
	char *dan_conf;
	bool disable_guest_seccomp;
	char *guest_selinux_label;
	bool sandbox_cgroup_only;
	bool static_sandbox_resource_mgmt;
	bool enable_vcpus_pinning;
	struct strv sandbox_bind_mounts;
	char *rootfs_writable;	     /* disk or memory */
	int64_t rootfs_writable_mib; /* 0: as there is room */
	int64_t image_cache_mib;
	char *vfio_mode; /* guest-kernel or vfio */
	bool disable_guest_empty_dir;
	char *emptydir_mode; /* shared-fs, block-encrypted or block-plain */
	struct strv experimental;
	bool experimental_force_guest_pull;
	bool enable_pprof;
	bool keep_abnormal;
	int64_t create_container_timeout; /* seconds */
	char *kubelet_root_dir;
	char *pod_resource_api_sock;
	bool use_passfd_io;
	int64_t passfd_listener_port;
};

/* [factory] */
struct config_factory {
	bool enable_template;
	char *template_path;
	int64_t vm_cache_number;
	char *vm_cache_endpoint;
};

struct config {
	char *path; /* the file, absolute, symbolic links resolved */
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;
	struct config_factory factory;
	/*
	 * What the files hold and this build does not know, in file order, as
	 * "file:line:col: text". For the caller to tell; nothing fails by them.
	 */
	struct strv warnings;
};

/*
 * Find and load the configuration. The file is @explicit_path if it is neither
 * NULL nor ""; else that of the environment variable KATA_CONF_FILE if set;
 * else the first of config_default_paths() that exists. Then come the files
 * `*.toml` of the directory config.d beside the *resolved* file, in
 * alphabetical order, each merged over what came before key by key.
 *
 * NULL and @err when no file is found or one is not readable, is no TOML
 * ("file:line:col: what"), has a value of a wrong type or outside its range,
 * or does not name exactly one known hypervisor. The caller frees.
 */
struct config *config_load(const char *explicit_path, struct err *err);

/*
 * Whether the key @name of the configuration's [hypervisor.X] has the value that it
 * has when nobody sets it. @name must be a key. For drivers that do without it.
 */
bool config_is_default(const struct config *config, const char *name);

/* Release. NULL is allowed. */
void config_free(struct config *config);

/*
 * Whether this version does what the keys of [agent.kata], [runtime] and [factory]
 * ask for: 0, or -EOPNOTSUPP and an @err that names the key. For whoever is about to
 * make a sandbox; what a hypervisor cannot do is refused by its driver's check.
 */
int config_supported(const struct config *config, struct err *err);

/* What a process that works with @config logs: [runtime] enable_debug and log_level. */
enum log_level config_log_level(const struct config *config);

/* Where a configuration is looked for by default; NULL-terminated, best first. */
const char *const *config_default_paths(void);

/*
 * Where the configuration of @variant ("qemu", "clh") is by default: configuration-VARIANT.toml
 * beside the first of config_default_paths() that has one there, or beside the first of all.
 * The caller frees.
 */
char *config_variant_path(const char *variant);

/*
 * The guest's kernel command line as far as the configuration decides it,
 * appended to @out behind a blank if it is not empty: what the runtime adds for
 * every hypervisor (systemd's unit with a root image, agent.*), then the user's
 * kernel_params, which come last and so win. The driver puts its own in front.
 * kata-env shows it as Kernel.Parameters.
 */
void config_kernel_params(const struct config *config, struct str *out);

#endif
