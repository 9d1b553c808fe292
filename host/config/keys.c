/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, types and values as in the configuration templates of Kata
 * Containers: those of its Go runtime 3.x and 4.x and, for ACRN, of 3.9; rows
 * with `alias` and those marked Rust are spellings of its Rust runtime.
 */
#include "host/config/keys.h"

#include <stddef.h>

#include "base/cleanup.h"

#define MIB_MAX	  (INT64_C(1) << 32)
#define COUNT_MAX UINT32_MAX
#define RATE_MAX  INT64_MAX

/* The offset of a member, whose C type is checked against that of its row. */
#define MEMBER(member, ctype)                                                             \
	(offsetof(struct config, member) +                                                \
	 0 * sizeof(struct {                                                              \
		 int unused;                                                              \
		 _Static_assert(__builtin_types_compatible_p(                             \
					__typeof__(((struct config *)0)->member), ctype), \
				#member " has another type");                             \
	 }))

#define ROW(SECTION, NAME, TYPE, CTYPE, MEMBER_, ...)                 \
	{                                                             \
		.name = (NAME), .section = (SECTION), .type = (TYPE), \
		.offset = MEMBER(MEMBER_, CTYPE), __VA_ARGS__         \
	}

/* The hypervisors that have a key; those of other sections are of all. */
#define FOR(HYPERVISORS) .hypervisors = (HYPERVISORS) | HV_FAKE
#define Q		 HV_QEMU
#define C		 HV_CLH
#define F		 HV_FC
#define D		 HV_DRAGONBALL
#define S		 HV_STRATOVIRT
#define A		 HV_ACRN
#define ALL		 (Q | C | F | D | S | A)

/* What follows the last parameter that has a name goes into the row as it is. */
#define STRING_ROW(SECTION, NAME, MEMBER_, UNSET, ...)                              \
	ROW(SECTION, NAME, CONFIG_STRING, char *, MEMBER_, .unset.string = (UNSET), \
	    .choices = __VA_ARGS__)
#define BOOL_ROW(SECTION, NAME, MEMBER_, ...) \
	ROW(SECTION, NAME, CONFIG_BOOL, bool, MEMBER_, .unset.boolean = __VA_ARGS__)
#define INTEGER_ROW(SECTION, NAME, MEMBER_, UNSET, MIN, MAX, ...)                      \
	ROW(SECTION, NAME, CONFIG_INTEGER, int64_t, MEMBER_, .unset.integer = (UNSET), \
	    .min = (MIN), .max = (MAX), .scale = __VA_ARGS__)
#define FLOAT_ROW(SECTION, NAME, MEMBER_, ...) \
	ROW(SECTION, NAME, CONFIG_FLOAT, double, MEMBER_, .unset.real = __VA_ARGS__)
#define LIST_ROW(SECTION, NAME, MEMBER_, ...) \
	ROW(SECTION, NAME, CONFIG_LIST, struct strv, MEMBER_, __VA_ARGS__)

/* [hypervisor.X]: H_, [agent.kata]: A_, [agent.kata.mem_agent]: M_, [runtime]: R_, [factory]: F_. */
#define H_STRING(FOR_, NAME, UNSET) \
	STRING_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, UNSET, NULL, FOR(FOR_))
#define H_CHOICE(FOR_, NAME, UNSET, ...)                              \
	STRING_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, UNSET, \
		   ((const char *const[]){ __VA_ARGS__, NULL }), FOR(FOR_))
#define H_BOOL(FOR_, NAME, UNSET) \
	BOOL_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, UNSET, FOR(FOR_))
#define H_INTEGER(FOR_, NAME, UNSET, MIN, MAX) \
	INTEGER_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, UNSET, MIN, MAX, 1, FOR(FOR_))
#define H_FLOAT(FOR_, NAME, UNSET) \
	FLOAT_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, UNSET, FOR(FOR_))
#define H_LIST(FOR_, NAME)    LIST_ROW(SECTION_HYPERVISOR, #NAME, hypervisor.NAME, FOR(FOR_))
#define A_STRING(NAME, UNSET) STRING_ROW(SECTION_AGENT, #NAME, agent.NAME, UNSET, NULL, FOR(ALL))
#define A_CHOICE(NAME, UNSET, ...)                          \
	STRING_ROW(SECTION_AGENT, #NAME, agent.NAME, UNSET, \
		   ((const char *const[]){ __VA_ARGS__, NULL }), FOR(ALL))
#define A_BOOL(NAME, UNSET) BOOL_ROW(SECTION_AGENT, #NAME, agent.NAME, UNSET, FOR(ALL))
#define A_INTEGER(NAME, UNSET, MIN, MAX) \
	INTEGER_ROW(SECTION_AGENT, #NAME, agent.NAME, UNSET, MIN, MAX, 1, FOR(ALL))
#define A_LIST(NAME) LIST_ROW(SECTION_AGENT, #NAME, agent.NAME, FOR(ALL))
#define M_BOOL(NAME, UNSET) \
	BOOL_ROW(SECTION_MEM_AGENT, #NAME, agent.mem_agent.NAME, UNSET, FOR(ALL))
#define M_INTEGER(NAME, UNSET, MIN, MAX) \
	INTEGER_ROW(SECTION_MEM_AGENT, #NAME, agent.mem_agent.NAME, UNSET, MIN, MAX, 1, FOR(ALL))
#define R_STRING(NAME, UNSET) \
	STRING_ROW(SECTION_RUNTIME, #NAME, runtime.NAME, UNSET, NULL, FOR(ALL))
#define R_CHOICE(NAME, UNSET, ...)                              \
	STRING_ROW(SECTION_RUNTIME, #NAME, runtime.NAME, UNSET, \
		   ((const char *const[]){ __VA_ARGS__, NULL }), FOR(ALL))
#define R_BOOL(NAME, UNSET) BOOL_ROW(SECTION_RUNTIME, #NAME, runtime.NAME, UNSET, FOR(ALL))
#define R_INTEGER(NAME, UNSET, MIN, MAX) \
	INTEGER_ROW(SECTION_RUNTIME, #NAME, runtime.NAME, UNSET, MIN, MAX, 1, FOR(ALL))
#define R_LIST(NAME) LIST_ROW(SECTION_RUNTIME, #NAME, runtime.NAME, FOR(ALL))

#define ALIAS FOR(ALL), .alias = true

#define LOG_LEVELS "trace", "debug", "info", "warn", "warning", "error", "critical"

const struct config_key config_keys[] = {
	H_STRING(ALL, path, ""),
	H_LIST(ALL, valid_hypervisor_paths),
	H_STRING(D | A, ctlpath, ""),
	H_LIST(C | D | A, valid_ctlpaths),
	H_STRING(F, jailer_path, ""),
	H_LIST(F, valid_jailer_paths),
	H_STRING(ALL, kernel, "/usr/share/kata-containers/vmlinux.container"),
	H_STRING(ALL, image, ""),
	H_STRING(Q | C | F | D | S, initrd, ""),
	H_CHOICE(ALL, rootfs_type, "ext4", "ext4", "xfs", "erofs"),
	H_STRING(Q | C | D | A, firmware, ""),
	H_STRING(Q, firmware_volume, ""),
	H_LIST(Q, pflashes),
	H_STRING(ALL, kernel_params, ""),
	H_STRING(Q, kernel_verity_params, ""),
	H_STRING(Q | S, machine_type, ""),
	H_STRING(Q, machine_accelerators, ""),
	H_STRING(Q, cpu_features, ""),
	H_STRING(Q, seccompsandbox, ""),
	STRING_ROW(SECTION_HYPERVISOR, "seccomp_sandbox", hypervisor.seccompsandbox, "", NULL,
		   ALIAS),
	H_LIST(ALL, enable_annotations),
	H_BOOL(Q | C, rootless, false),
	H_BOOL(C | F | D, disable_seccomp, false),
	H_BOOL(Q | C | F | S | A, disable_selinux, false),
	H_BOOL(Q | C | S, disable_guest_selinux, true),
	H_BOOL(ALL, disable_nesting_checks, false),
	H_BOOL(Q, confidential_guest, false),
	H_BOOL(Q, sev_snp_guest, false),
	H_STRING(Q, snp_id_block, ""),
	H_STRING(Q, snp_id_auth, ""),
	H_INTEGER(Q, snp_guest_policy, 196608, 0, INT64_MAX),
	H_INTEGER(Q, tdx_quote_generation_service_socket_port, 4050, 0, COUNT_MAX),
	H_BOOL(C, disable_nested_virtualization, false),
	H_STRING(ALL, guest_hook_path, ""),

	H_FLOAT(Q | C | F | D | S, default_vcpus, 1),
	H_INTEGER(ALL, default_maxvcpus, 0, 0, COUNT_MAX),
	H_INTEGER(ALL, default_memory, 2048, 1, MIB_MAX),
	H_INTEGER(Q | C | F | D | S, default_maxmemory, 0, 0, MIB_MAX),
	H_INTEGER(Q | C | F | S, memory_slots, 10, 0, COUNT_MAX),
	H_INTEGER(Q | F | S, memory_offset, 0, 0, MIB_MAX),
	H_FLOAT(Q | C | D, overhead_vcpus, 0),
	H_INTEGER(Q | C | D, overhead_memory, 0, 0, MIB_MAX),
	H_BOOL(Q, enable_virtio_mem, false),
	H_BOOL(Q | C | F, enable_mem_prealloc, false),
	H_STRING(Q, file_mem_backend, ""),
	H_LIST(Q, valid_file_mem_backends),
	H_BOOL(Q | C | F | D | S, enable_hugepages, false),
	H_BOOL(Q | C | D, enable_guest_swap, false),
	H_STRING(C | D, guest_swap_path, "/run/kata-containers/swap"),
	H_INTEGER(C | D, guest_swap_size_percent, 100, 0, COUNT_MAX),
	H_INTEGER(C | D, guest_swap_create_threshold_secs, 60, 0, COUNT_MAX),
	H_BOOL(Q | C | D, reclaim_guest_freed_memory, false),
	/* Rust's older word. */
	BOOL_ROW(SECTION_HYPERVISOR, "enable_balloon_f_reporting",
		 hypervisor.reclaim_guest_freed_memory, false, ALIAS),
	H_BOOL(Q, enable_numa, false),
	H_LIST(Q, numa_mapping),
	H_BOOL(Q | C | F | S, enable_iommu, false),
	H_BOOL(Q, enable_iommu_platform, false),

	H_CHOICE(Q | C | D | S, shared_fs, "virtio-fs", "virtio-fs", "virtio-9p", "virtio-fs-nydus",
		 "inline-virtio-fs", "none", ""),
	H_STRING(Q | C | D | S, virtio_fs_daemon, "/usr/libexec/virtiofsd"),
	H_LIST(Q | C | D | S, valid_virtio_fs_daemon_paths),
	H_CHOICE(Q | C | D | S, virtio_fs_cache, "auto", "never", "metadata", "auto", "always"),
	H_INTEGER(Q | C | D | S, virtio_fs_cache_size, 0, 0, MIB_MAX),
	H_INTEGER(Q | C, virtio_fs_queue_size, 1024, 1, 1024),
	H_LIST(Q | C | D | S, virtio_fs_extra_args),
	H_INTEGER(Q | F, msize_9p, 8192, 0, COUNT_MAX),

	H_CHOICE(ALL, block_device_driver, "virtio-blk", "virtio-scsi", "virtio-blk", "virtio-mmio",
		 "virtio-blk-pci", "virtio-blk-mmio", "virtio-blk-ccw", "nvdimm"),
	H_CHOICE(Q, block_device_aio, "io_uring", "threads", "native", "io_uring"),
	H_BOOL(Q | C | S, disable_block_device_use, true),
	H_BOOL(Q | C | F | S, block_device_cache_set, false),
	H_BOOL(Q | C | D | S, block_device_cache_direct, false),
	H_BOOL(Q | F | S, block_device_cache_noflush, false),
	H_INTEGER(Q | S, block_device_logical_sector_size, 0, 0, 65536),
	H_INTEGER(Q | S, block_device_physical_sector_size, 0, 0, 65536),
	H_BOOL(Q, enable_iothreads, false),
	H_INTEGER(Q, indep_iothreads, 0, 0, COUNT_MAX),
	H_INTEGER(Q | C | F | D, queue_size, 128, 1, 32768),
	H_INTEGER(Q | C | F | D, num_queues, 1, 1, 65535),
	H_STRING(Q | C | D, vm_rootfs_driver, ""),
	H_BOOL(Q | C, disable_image_nvdimm, false),
	H_BOOL(Q, enable_vhost_user_store, false),
	H_STRING(Q, vhost_user_store_path, "/var/run/kata-containers/vhost-user"),
	H_LIST(Q, valid_vhost_user_store_paths),
	H_INTEGER(Q, vhost_user_reconnect_timeout_sec, 0, 0, COUNT_MAX),
	H_INTEGER(C | F | D, disk_rate_limiter_bw_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(C | F | D, disk_rate_limiter_bw_one_time_burst, 0, 0, RATE_MAX),
	H_INTEGER(C | F | D, disk_rate_limiter_ops_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(C | F | D, disk_rate_limiter_ops_one_time_burst, 0, 0, RATE_MAX),

	H_BOOL(Q | D | A, disable_vhost_net, false),
	H_INTEGER(Q | C | F | D, network_queues, 1, 1, 65535),
	H_INTEGER(Q | F, rx_rate_limiter_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(Q | F, tx_rate_limiter_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(C, net_rate_limiter_bw_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(C, net_rate_limiter_bw_one_time_burst, 0, 0, RATE_MAX),
	H_INTEGER(C, net_rate_limiter_ops_max_rate, 0, 0, RATE_MAX),
	H_INTEGER(C, net_rate_limiter_ops_one_time_burst, 0, 0, RATE_MAX),
	H_INTEGER(ALL, default_bridges, 1, 0, 5),
	H_CHOICE(Q | C, hot_plug_vfio, "no-port", "no-port", "bridge-port", "root-port",
		 "switch-port"),
	H_CHOICE(Q | C, cold_plug_vfio, "no-port", "no-port", "bridge-port", "root-port",
		 "switch-port"),
	H_INTEGER(Q, pcie_root_port, 0, 0, 16),
	H_INTEGER(Q, pcie_switch_port, 0, 0, 16),
	H_STRING(Q | F | S, entropy_source, "/dev/urandom"),
	H_LIST(Q | F, valid_entropy_sources),

	H_BOOL(ALL, enable_debug, false),
	H_INTEGER(C, hypervisor_loglevel, 1, 0, 3),
	H_STRING(D, log_level, "info"),
	H_CHOICE(Q, extra_monitor_socket, "", "", "hmp", "qmp", "qmp-pretty"),
	H_BOOL(Q, use_legacy_serial, false),
	H_STRING(Q, guest_memory_dump_path, ""),
	H_BOOL(Q, guest_memory_dump_paging, false),

	A_BOOL(enable_debug, false),
	A_BOOL(enable_tracing, false),
	A_BOOL(debug_console_enabled, false),
	A_LIST(kernel_modules),
	INTEGER_ROW(SECTION_AGENT, "dial_timeout", agent.dial_timeout_ms, 45000, 1, COUNT_MAX, 1000,
		    FOR(ALL)),
	/* Rust: how long one try takes; see config_settle(). */
	INTEGER_ROW(SECTION_AGENT, "dial_timeout_ms", agent.dial_try_ms, 0, 1, COUNT_MAX, 1, ALIAS),
	A_INTEGER(reconnect_timeout_ms, 0, 1, COUNT_MAX),
	/* 0: the agent has its own, which is 50 s. */
	INTEGER_ROW(SECTION_AGENT, "cdh_api_timeout", agent.cdh_api_timeout_ms, 0, 0, COUNT_MAX,
		    1000, FOR(ALL)),
	INTEGER_ROW(SECTION_AGENT, "cdh_api_timeout_ms", agent.cdh_api_timeout_ms, 0, 0, COUNT_MAX,
		    1, ALIAS),
	A_INTEGER(launch_process_timeout, 0, 0, COUNT_MAX),
	A_INTEGER(container_pipe_size, 0, 0, COUNT_MAX),
	A_CHOICE(log_level, "info", LOG_LEVELS),
	A_BOOL(visible_cdi_devices, false),
	/* Rust: the runtime's create_container_timeout. */
	INTEGER_ROW(SECTION_AGENT, "create_container_timeout", runtime.create_container_timeout, 0,
		    1, COUNT_MAX, 1, ALIAS),

	M_BOOL(mem_agent_enable, false),
	M_BOOL(memcg_disable, false),
	M_BOOL(memcg_swap, false),
	M_INTEGER(memcg_swappiness_max, 50, 0, 255),
	M_INTEGER(memcg_period_secs, 600, 0, COUNT_MAX),
	M_INTEGER(memcg_period_psi_percent_limit, 1, 0, 100),
	M_INTEGER(memcg_eviction_psi_percent_limit, 1, 0, 100),
	M_INTEGER(memcg_eviction_run_aging_count_min, 3, 0, INT64_MAX),
	M_BOOL(compact_disable, false),
	M_INTEGER(compact_period_secs, 600, 0, COUNT_MAX),
	M_INTEGER(compact_period_psi_percent_limit, 1, 0, 100),
	M_INTEGER(compact_psi_percent_limit, 5, 0, 100),
	M_INTEGER(compact_sec_max, 300, 0, COUNT_MAX),
	M_INTEGER(compact_order, 9, 0, 255),
	M_INTEGER(compact_threshold, 1024, 0, INT64_MAX),
	M_INTEGER(compact_force_times, INT64_MAX, 0, INT64_MAX),

	R_CHOICE(name, "virt_container", "virt_container", "virt-container"),
	R_STRING(hypervisor_name, ""),
	R_CHOICE(agent_name, "kata", "kata"),
	R_BOOL(enable_debug, false),
	R_BOOL(enable_tracing, false),
	R_STRING(jaeger_endpoint, ""),
	R_STRING(jaeger_user, ""),
	R_STRING(jaeger_password, ""),
	R_CHOICE(log_level, "info", LOG_LEVELS),
	R_CHOICE(internetworking_model, "tcfilter", "tcfilter", "macvtap", "none", "l3forwarding"),
	R_BOOL(disable_new_netns, false),
	R_STRING(dan_conf, "/run/kata-containers/dans"),
	R_BOOL(disable_guest_seccomp, true),
	R_STRING(guest_selinux_label, ""),
	/* Rust: a key of the hypervisor. */
	STRING_ROW(SECTION_HYPERVISOR, "selinux_label", runtime.guest_selinux_label, "", NULL,
		   ALIAS),
	R_BOOL(sandbox_cgroup_only, false),
	R_BOOL(static_sandbox_resource_mgmt, false),
	R_BOOL(enable_vcpus_pinning, false),
	R_LIST(sandbox_bind_mounts),
	/* These three are of this runtime. */
	R_CHOICE(rootfs_writable, "disk", "disk", "memory"),
	R_INTEGER(rootfs_writable_mib, 0, 0, MIB_MAX),
	R_INTEGER(image_cache_mib, 10240, 0, MIB_MAX),
	R_CHOICE(vfio_mode, "guest-kernel", "guest-kernel", "vfio"),
	R_BOOL(disable_guest_empty_dir, true),
	R_CHOICE(emptydir_mode, "shared-fs", "shared-fs", "block-encrypted", "block-plain"),
	R_LIST(experimental),
	R_BOOL(experimental_force_guest_pull, false),
	R_BOOL(enable_pprof, false),
	R_BOOL(keep_abnormal, false),
	R_INTEGER(create_container_timeout, 60, 1, COUNT_MAX),
	R_STRING(kubelet_root_dir, "/var/lib/kubelet"),
	R_STRING(pod_resource_api_sock, ""),
	R_BOOL(use_passfd_io, true),
	R_INTEGER(passfd_listener_port, 1027, 1, COUNT_MAX),

	BOOL_ROW(SECTION_FACTORY, "enable_template", factory.enable_template, false, FOR(ALL)),
	STRING_ROW(SECTION_FACTORY, "template_path", factory.template_path, "/run/vc/vm/template",
		   NULL, FOR(ALL)),
	INTEGER_ROW(SECTION_FACTORY, "vm_cache_number", factory.vm_cache_number, 0, 0, COUNT_MAX, 1,
		    FOR(ALL)),
	STRING_ROW(SECTION_FACTORY, "vm_cache_endpoint", factory.vm_cache_endpoint,
		   "/var/run/kata-containers/cache.sock", NULL, FOR(ALL)),
};
const size_t config_key_count = ARRAY_SIZE(config_keys);

#define STRING_FOR(HYPERVISORS, MEMBER_, VALUE)                                             \
	{                                                                                   \
		.hypervisors = (HYPERVISORS), .offset = MEMBER(hypervisor.MEMBER_, char *), \
		.value.string = (VALUE)                                                     \
	}
#define BOOL_FOR(HYPERVISORS, MEMBER_, VALUE)                                  \
	{                                                                      \
		.hypervisors = (HYPERVISORS), .offset = MEMBER(MEMBER_, bool), \
		.value.boolean = (VALUE)                                       \
	}
#define INTEGER_FOR(HYPERVISORS, MEMBER_, VALUE)                                             \
	{                                                                                    \
		.hypervisors = (HYPERVISORS), .offset = MEMBER(hypervisor.MEMBER_, int64_t), \
		.value.integer = (VALUE)                                                     \
	}

const struct config_default config_defaults[] = {
	STRING_FOR(HV_QEMU, path, "/usr/bin/qemu-system-x86_64"),
	STRING_FOR(HV_CLH, path, "/usr/bin/cloud-hypervisor"),
	STRING_FOR(HV_FC, path, "/usr/bin/firecracker"),
	STRING_FOR(HV_STRATOVIRT, path, "/usr/bin/stratovirt"),
	STRING_FOR(HV_ACRN, path, "/usr/bin/acrn-dm"),
	STRING_FOR(HV_FAKE, path, "/usr/bin/kata-agent"),
	STRING_FOR(HV_ACRN, ctlpath, "/usr/bin/acrnctl"),
	STRING_FOR(HV_STRATOVIRT | HV_ACRN, kernel, "/usr/share/kata-containers/vmlinuz.container"),
	STRING_FOR(HV_STRATOVIRT, machine_type, "microvm"),
	/* Cloud Hypervisor has one machine only; this is what Kata calls it. */
	STRING_FOR(HV_QEMU | HV_CLH, machine_type, "q35"),
	STRING_FOR(HV_FC | HV_STRATOVIRT, block_device_driver, "virtio-mmio"),
	STRING_FOR(HV_DRAGONBALL, block_device_driver, "virtio-blk-pci"),
	STRING_FOR(HV_DRAGONBALL, shared_fs, "inline-virtio-fs"),
	STRING_FOR(HV_FC | HV_ACRN | HV_FAKE, shared_fs, ""),
	STRING_FOR(HV_FC | HV_ACRN | HV_FAKE, virtio_fs_daemon, ""),
	STRING_FOR(~(HV_QEMU | HV_CLH), hot_plug_vfio, ""),
	STRING_FOR(~(HV_QEMU | HV_CLH), cold_plug_vfio, ""),
	INTEGER_FOR(~(HV_QEMU | HV_CLH), msize_9p, 0),
	INTEGER_FOR(HV_DRAGONBALL, default_bridges, 0),
	INTEGER_FOR(HV_ACRN, default_maxvcpus, 1),
	BOOL_FOR(HV_FC | HV_ACRN | HV_DRAGONBALL, hypervisor.disable_block_device_use, false),
	BOOL_FOR(HV_CLH, hypervisor.disable_image_nvdimm, true),
	BOOL_FOR(HV_FC | HV_STRATOVIRT | HV_DRAGONBALL, runtime.static_sandbox_resource_mgmt, true),
	BOOL_FOR(HV_STRATOVIRT, runtime.enable_vcpus_pinning, true),
	{ .hypervisors = HV_ACRN,
	  .offset = MEMBER(runtime.internetworking_model, char *),
	  .value.string = "macvtap" },
	{ .hypervisors = HV_DRAGONBALL,
	  .offset = MEMBER(agent.mem_agent.compact_sec_max, int64_t),
	  .value.integer = 180 },
};
const size_t config_default_count = ARRAY_SIZE(config_defaults);
