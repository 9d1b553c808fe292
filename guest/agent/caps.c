/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

/* By number: include/uapi/linux/capability.h. */
static const char *const names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

int cap_number(const char *name)
{
	size_t len = strlen(name);

	if (len > 1 && name[0] == '"' && name[len - 1] == '"') {
		name++;
		len -= 2;
	}
	if (len > 4 && !strncasecmp(name, "CAP_", 4)) {
		name += 4;
		len -= 4;
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && !strncasecmp(name, names[i], len))
			return (int)i;
	return -EINVAL;
}

static uint64_t mask(char *const *list, size_t n, int last, const char **unknown)
{
	uint64_t set = 0;

	for (size_t i = 0; i < n; i++) {
		int cap = cap_number(list[i]);

		if (cap < 0)
			*unknown = list[i];
		else if (cap <= last)
			set |= UINT64_C(1) << cap;
	}
	return set;
}

void cap_sets_parse(const Grpc__LinuxCapabilities *spec, int last, struct cap_sets *sets,
		    const char **unknown)
{
	*unknown = NULL;
	*sets = (struct cap_sets){
		.bounding = mask(spec->bounding, spec->n_bounding, last, unknown),
		.effective = mask(spec->effective, spec->n_effective, last, unknown),
		.inheritable = mask(spec->inheritable, spec->n_inheritable, last, unknown),
		.permitted = mask(spec->permitted, spec->n_permitted, last, unknown),
		.ambient = mask(spec->ambient, spec->n_ambient, last, unknown),
	};
}

int cap_last(void)
{
	int cap = 0;

	while (cap < 63 && prctl(PR_CAPBSET_READ, cap + 1) >= 0)
		cap++;
	return cap;
}

int cap_bound(const struct cap_sets *sets, int last, struct err *err)
{
	for (int cap = 0; cap <= last; cap++) {
		if (sets->bounding & UINT64_C(1) << cap)
			continue;
		if (prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap) < 0)
			return err_sys(err, errno, "drop capability %d", cap);
	}
	return 0;
}

/* The permitted ones that the caller has. */
static int get_permitted(uint64_t *permitted, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2];

	if (syscall(SYS_capget, &head, now) < 0)
		return err_sys(err, errno, "capget");
	*permitted = now[0].permitted | (uint64_t)now[1].permitted << 32;
	return 0;
}

static int set(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(effective >> (32 * i));
		data[i].permitted = (uint32_t)(permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
	return syscall(SYS_capset, &head, data) < 0 ? err_sys(err, errno, "capset") : 0;
}

int cap_settle(const struct cap_sets *sets, struct err *err)
{
	return set(sets->effective, sets->permitted, sets->inheritable, err);
}

int cap_apply(struct cap_sets *sets, int last, uint64_t spare, struct err *err)
{
	uint64_t have;
	int r = get_permitted(&have, err);

	if (r < 0)
		return r;
	/* What we lack ourselves we cannot give: as a local process of a lesser root. */
	sets->permitted &= have;
	sets->effective &= sets->permitted;
	sets->inheritable &= sets->bounding;
	r = set(sets->effective, sets->permitted | (spare & have), sets->inheritable, err);
	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_sys(err, errno, "clear ambient capabilities");
	for (int cap = 0; cap <= last; cap++) {
		uint64_t bit = UINT64_C(1) << cap;

		/* The kernel takes only what is permitted and inheritable. */
		if (sets->ambient & sets->permitted & sets->inheritable & bit &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, errno, "raise ambient capability %d", cap);
	}
	return 0;
}

int cap_raise(const struct cap_sets *sets, uint64_t spare, struct err *err)
{
	uint64_t have;
	int r = get_permitted(&have, err);

	spare &= have;
	return r < 0 ? r :
		       set(sets->effective | spare, sets->permitted | spare, sets->inheritable,
			   err);
}
