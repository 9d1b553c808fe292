/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/feature_list.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/version.h"

/* The oldest that is read: what 1.0.0 says of config.json holds still. */
#define OCI_SPEC_MIN "1.0.0"

/* clang-format off */
const char *const features_hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop", NULL,
};

const char *const features_mount_options[] = {
	"async", "atime", "bind", "defaults", "dev", "diratime", "exec", "idmap", "iversion", "loud",
	"noatime", "nodev", "nodiratime", "noexec", "noiversion", "nomand", "norelatime",
	"nostrictatime", "nosuid", "nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime",
	"relatime", "remount", "rexec", "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec",
	"rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime", "rro",
	"rrw", "rshared", "rslave", "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared",
	"silent", "slave", "strictatime", "suid", "symfollow", "tmpcopyup", "unbindable", NULL,
};

const char *const features_namespaces[] = {
	"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL,
};

const char *const features_capabilities[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE", NULL,
};

const char *const features_seccomp_actions[] = {
	"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP", NULL,
};

const char *const features_seccomp_operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
	"SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL,
};

/* The guest is of the host's architecture; a profile may name others. */
const char *const features_seccomp_archs[] = {
#ifdef __x86_64__
	"SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", NULL,
#else
	"SCMP_ARCH_AARCH64", NULL,
#endif
};

const char *const features_seccomp_flags[] = {
	"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
	"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL,
};
/* clang-format on */

static void add_text(json_object *obj, const char *name, const char *text)
{
	json_object_object_add(obj, name, json_object_new_string(text));
}

static void add_bool(json_object *obj, const char *name, bool value)
{
	json_object_object_add(obj, name, json_object_new_boolean(value));
}

static void add_list(json_object *obj, const char *name, const char *const *list)
{
	json_object *array = json_object_new_array();

	for (; *list; list++)
		json_object_array_add(array, json_object_new_string(*list));
	json_object_object_add(obj, name, array);
}

static json_object *add_object(json_object *obj, const char *name)
{
	json_object *member = json_object_new_object();

	json_object_object_add(obj, name, member);
	return member;
}

static void add_linux(json_object *top)
{
	json_object *obj = add_object(top, "linux"), *part;

	add_list(obj, "namespaces", features_namespaces);
	add_list(obj, "capabilities", features_capabilities);
	/* Where the machine lives on the host. The container's own are the guest's. */
	part = add_object(obj, "cgroup");
	add_bool(part, "v1", true);
	add_bool(part, "v2", true);
	add_bool(part, "systemd", true);
	add_bool(part, "systemdUser", false);
	add_bool(part, "rdma", false);
	part = add_object(obj, "seccomp");
	add_bool(part, "enabled", true);
	add_list(part, "actions", features_seccomp_actions);
	add_list(part, "operators", features_seccomp_operators);
	add_list(part, "archs", features_seccomp_archs);
	add_list(part, "knownFlags", features_seccomp_flags);
	add_list(part, "supportedFlags", features_seccomp_flags);
	add_bool(add_object(obj, "apparmor"), "enabled", true);
	add_bool(add_object(obj, "selinux"), "enabled", true);
	add_bool(add_object(obj, "intelRdt"), "enabled", false);
	part = add_object(add_object(obj, "mountExtensions"), "idmap");
	add_bool(part, "enabled", true);
}

json_object *features_json(void)
{
	json_object *top = json_object_new_object(), *notes;

	add_text(top, "ociVersionMin", OCI_SPEC_MIN);
	add_text(top, "ociVersionMax", OCI_SPEC_VERSION);
	add_list(top, "hooks", features_hooks);
	add_list(top, "mountOptions", features_mount_options);
	add_linux(top);
	notes = add_object(top, "annotations");
	add_text(notes, "io.katacontainers.version", kata_version);
	add_text(notes, "io.katacontainers.commit", kata_commit);
	/* Asked for by this name, whoever answers: engines look it up before a checkpoint. */
	add_text(notes, "org.opencontainers.runc.checkpoint.enabled", "false");
	return top;
}
