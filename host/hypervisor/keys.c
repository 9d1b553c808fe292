/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"

int keys_error(const struct config *config, int code, const char *key, struct err *err,
	       const char *fmt, ...)
{
	char words[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(words, sizeof(words), fmt, ap) < 0)
		*words = '\0';
	va_end(ap);
	return err_set(err, code, "hypervisor.%s.%s: %s", config->hypervisor.name, key, words);
}

int keys_refuse(const struct config *config, const struct key_refusal *refusals, size_t n,
		struct err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!config_is_default(config, refusals[i].key))
			return keys_error(config, ENOTSUP, refusals[i].key, err,
					  "is not supported: %s", refusals[i].why);
	return 0;
}

int keys_choose(const struct config *config, const char *key, const char *value,
		const char *const *choices, const char *why, struct err *err)
{
	auto_str struct str list = STR_INIT;

	for (size_t i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], value))
			return 0;
		if (*choices[i])
			str_printf(&list, "%s\"%s\"", list.len ? ", " : "", choices[i]);
	}
	return keys_error(config, ENOTSUP, key, err, "\"%s\" is not supported%s%s (%s)", value,
			  why ? ": " : "", why ? why : "", str_text(&list));
}

int keys_check_memory(const struct config *config, int64_t min, struct err *err)
{
	const struct config_hypervisor *h = &config->hypervisor;

	if (h->default_memory < min)
		return keys_error(config, EINVAL, "default_memory", err,
				  "%lld MiB are not enough, at least %lld are needed",
				  (long long)h->default_memory, (long long)min);
	if (h->default_maxmemory > 0 && h->default_maxmemory < h->default_memory)
		return keys_error(config, EINVAL, "default_maxmemory", err,
				  "%lld MiB are less than default_memory, %lld MiB",
				  (long long)h->default_maxmemory, (long long)h->default_memory);
	return 0;
}

int keys_check_vcpus(const struct config *config, unsigned max, struct err *err)
{
	if (config->hypervisor.default_vcpus > max)
		return keys_error(config, EINVAL, "default_vcpus", err,
				  "%g are too many, a machine has at most %u",
				  config->hypervisor.default_vcpus, max);
	return 0;
}

int keys_check_rate(const struct config *config, const char *name, int64_t rate, int64_t burst,
		    bool bits, struct err *err)
{
	auto_free char *rate_key = xasprintf("%s_max_rate", name);
	auto_free char *burst_key = xasprintf("%s_one_time_burst", name);

	if (bits && rate > 0 && rate < 8)
		return keys_error(config, EINVAL, rate_key, err, "%lld bit/s are less than a byte",
				  (long long)rate);
	if (bits && burst > 0 && burst < 8)
		return keys_error(config, EINVAL, burst_key, err, "%lld bits are less than a byte",
				  (long long)burst);
	if (burst > 0 && rate == 0)
		return keys_error(config, EINVAL, burst_key, err, "there is no %s that it adds to",
				  rate_key);
	return 0;
}

int keys_check_log_level(const struct config *config, struct err *err)
{
	enum log_level level;

	if (log_level_parse(config->hypervisor.log_level, &level) < 0)
		return keys_error(config, EINVAL, "log_level", err,
				  "\"%s\" is none of \"error\", \"warn\", \"info\", \"debug\" and "
				  "\"trace\"",
				  config->hypervisor.log_level);
	return 0;
}
