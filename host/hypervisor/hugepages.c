/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/hugepages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define MEMINFO_MAX 65536

/* The number behind "NAME:" at the beginning of a line; 0 when there is none. */
static uint64_t field(const char *meminfo, const char *name)
{
	size_t n = strlen(name);

	for (const char *l = meminfo; l; l = strchr(l, '\n') ? strchr(l, '\n') + 1 : NULL)
		if (!strncmp(l, name, n) && l[n] == ':')
			return strtoull(l + n + 1, NULL, 10);
	return 0;
}

int hugepages_judge(const char *key, uint64_t mib, const char *meminfo, uint64_t more,
		    struct err *err)
{
	uint64_t kib = field(meminfo, "Hugepagesize"), free_ = field(meminfo, "HugePages_Free");
	uint64_t reserved = field(meminfo, "HugePages_Rsvd"), need;

	if (kib == 0)
		return err_set(err, ENOTSUP, "%s: this host has no huge pages", key);
	need = (mib * 1024 + kib - 1) / kib;
	free_ = (free_ > reserved ? free_ - reserved : 0) + more;
	if (free_ >= need)
		return 0;
	return err_set(err, ENOMEM,
		       "%s: %llu MiB of memory take %llu huge pages of %llu kB, and %llu are free "
		       "(vm.nr_hugepages)",
		       key, (unsigned long long)mib, (unsigned long long)need,
		       (unsigned long long)kib, (unsigned long long)free_);
}

int hugepages_check(const char *key, uint64_t mib, struct err *err)
{
	auto_str struct str meminfo = STR_INIT, over = STR_INIT;
	int r = file_read("/proc/meminfo", MEMINFO_MAX, &meminfo, err);
	uint64_t more = 0, made;

	if (r < 0)
		return r;
	made = field(str_text(&meminfo), "HugePages_Surp");
	if (file_read("/proc/sys/vm/nr_overcommit_hugepages", 64, &over, NULL) == 0)
		more = strtoull(str_text(&over), NULL, 10);
	return hugepages_judge(key, mib, str_text(&meminfo), more > made ? more - made : 0, err);
}
