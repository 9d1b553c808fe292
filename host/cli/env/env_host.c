/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/env/env_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/file.h"

#define FILE_MAX (4 << 20)

/* What the fields of /proc/cpuinfo are called here. */
#if defined(__aarch64__)
#define CPU_VENDOR "CPU implementer"
#define CPU_MODEL  "CPU architecture"
#else
#define CPU_VENDOR "vendor_id"
#define CPU_MODEL  "model name"
#endif

/*
 * The value behind @key and @sep at the start of a line of @text, without
 * blanks and, if there are, quotes around it. The caller frees; NULL if there
 * is none.
 */
static char *find_value(const char *text, const char *key, char sep)
{
	size_t key_len = strlen(key);
	const char *line, *value, *end;

	for (line = text; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (strncmp(line, key, key_len) != 0)
			continue;
		value = line + key_len + strspn(line + key_len, " \t");
		if (*value++ != sep)
			continue;
		value += strspn(value, " \t");
		while (end > value && strchr(" \t\r", end[-1]))
			end--;
		if (end - value >= 2 && strchr("\"'", *value) && end[-1] == *value)
			return xstrndup(value + 1, (size_t)(end - value - 2));
		return xstrndup(value, (size_t)(end - value));
	}
	return NULL;
}

void env_parse_os_release(struct env_host *host, const char *text)
{
	if (!host->distro_name)
		host->distro_name = find_value(text, "NAME", '=');
	if (!host->distro_version)
		host->distro_version = find_value(text, "VERSION_ID", '=');
}

void env_parse_cpuinfo(struct env_host *host, const char *text)
{
	host->cpu_vendor = find_value(text, CPU_VENDOR, ':');
	host->cpu_model = find_value(text, CPU_MODEL, ':');
}

/* "123 kB" → 123 */
static int64_t find_kib(const char *text, const char *key)
{
	auto_free char *value = find_value(text, key, ':');

	return value ? strtoll(value, NULL, 10) : 0;
}

void env_parse_meminfo(struct env_host *host, const char *text)
{
	host->memory_total = find_kib(text, "MemTotal");
	host->memory_free = find_kib(text, "MemFree");
	host->memory_available = find_kib(text, "MemAvailable");
}

static void collect_distro(struct env_host *host)
{
	static const char *const files[] = { "/etc/os-release", "/usr/lib/os-release" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		auto_str struct str text = STR_INIT;

		/* A host without the file is shown as unknown. */
		if (!file_read(files[i], FILE_MAX, &text, NULL))
			env_parse_os_release(host, str_text(&text));
	}
}

/* Whether the parameter file @path of a kernel module says yes. */
static bool module_says_yes(const char *path)
{
	auto_str struct str text = STR_INIT;

	/* The module is not loaded: no. */
	return !file_read(path, 64, &text, NULL) && *str_text(&text) == 'Y';
}

static void collect_protections(struct env_host *host)
{
	if (module_says_yes("/sys/module/kvm_intel/parameters/tdx"))
		strv_add(&host->available_guest_protections, "tdx");
	if (module_says_yes("/sys/module/kvm_amd/parameters/sev_snp"))
		strv_add(&host->available_guest_protections, "snp");
}

/* Machines by the names that Go has for them, which is what is shown. */
static const char *go_architecture(const char *machine)
{
	static const char *const names[][2] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i][0], machine))
			return names[i][1];
	return machine;
}

static bool opens(const char *path)
{
	auto_close int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd >= 0;
}

static void or_unknown(char **s)
{
	if (!*s || !**s) {
		free(*s);
		*s = xstrdup(ENV_UNKNOWN);
	}
}

int env_collect_host(struct env_host *host, struct err *err)
{
	auto_str struct str cpuinfo = STR_INIT, meminfo = STR_INIT;
	struct utsname uts;
	cpu_set_t cpus;
	int ret;

	if (uname(&uts))
		return err_sys(err, errno, "uname");
	host->kernel = xstrdup(uts.release);
	host->architecture = xstrdup(go_architecture(uts.machine));
	ret = file_read("/proc/cpuinfo", FILE_MAX, &cpuinfo, err);
	if (!ret)
		ret = file_read("/proc/meminfo", FILE_MAX, &meminfo, err);
	if (ret)
		return ret;
	env_parse_cpuinfo(host, str_text(&cpuinfo));
	env_parse_meminfo(host, str_text(&meminfo));
	collect_distro(host);
	collect_protections(host);
	or_unknown(&host->cpu_vendor);
	or_unknown(&host->cpu_model);
	or_unknown(&host->distro_name);
	or_unknown(&host->distro_version);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		host->cpus = CPU_COUNT(&cpus);
	else
		host->cpus = sysconf(_SC_NPROCESSORS_ONLN); /* more than cpu_set_t holds */
	host->support_vsocks = opens("/dev/vhost-vsock");
	return 0;
}
