/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/label.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

static bool file_has(const char *path, const char *text)
{
	auto_str struct str have = STR_INIT;

	return file_read(path, 65536, &have, NULL) == 0 && strstr(str_text(&have), text);
}

static bool has_selinux(void)
{
	return file_has("/proc/filesystems", "\tselinuxfs\n");
}

/* The profile that confines nobody is there without AppArmor too. */
static bool has_profile(const Grpc__Process *process)
{
	return *process->apparmorprofile && strcmp(process->apparmorprofile, "unconfined");
}

int label_check(const Grpc__Process *process, struct err *err)
{
	if (has_profile(process) && !file_has("/sys/module/apparmor/parameters/enabled", "Y"))
		return err_set(err, EOPNOTSUPP,
			       "apparmorProfile \"%s\": this kernel has no AppArmor",
			       process->apparmorprofile);
	if (*process->selinuxlabel && !has_selinux())
		return err_set(err, EOPNOTSUPP, "selinuxLabel \"%s\": this kernel has no SELinux",
			       process->selinuxlabel);
	return 0;
}

const char *label_of_mounts(const Grpc__Linux *spec)
{
	return spec && *spec->mountlabel && has_selinux() ? spec->mountlabel : NULL;
}

int label_open(const Grpc__Process *process, int *fd, struct err *err)
{
	*fd = -1;
	if (!has_profile(process) && !*process->selinuxlabel)
		return 0;
	/* Beside other modules AppArmor has a directory of its own. */
	if (has_profile(process))
		*fd = open("/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
	if (*fd < 0)
		*fd = open("/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
	return *fd < 0 ? err_sys(err, errno, "/proc/self/attr/exec") : 0;
}

int label_set(int fd, const Grpc__Process *process, struct err *err)
{
	auto_free char *profile = NULL;
	const char *label = process->selinuxlabel, *text = label;
	bool armor = has_profile(process);
	int r;

	if (fd < 0)
		return 0;
	if (armor) {
		label = process->apparmorprofile;
		text = profile = xasprintf("exec %s", label);
	}
	r = fd_write_full(fd, text, strlen(text));
	if (r == -ENOENT && armor)
		return err_set(err, ENOENT, "apparmorProfile \"%s\" is not loaded", label);
	return r < 0 ? err_sys(err, r, "%s \"%s\"", armor ? "apparmorProfile" : "selinuxLabel",
			       label) :
		       0;
}
