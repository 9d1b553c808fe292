/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keys outside [hypervisor.X] may ask for and this version does not do.
 * Somebody counts on what is configured, so it is refused, not left out in
 * silence; the values that Kata ships are accepted always. To support a key is to
 * remove its row.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/config/keys.h"

struct refusal {
	enum config_section section;
	const char *key;
	/* The values that are fine, beside the key's default; NULL: none more. */
	const char *const *fine;
	const char *why;
};

#define FINE(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char no_tracing[] = "traces are not recorded";
static const char no_cache[] = "there is no cache of machines";

static const struct refusal refusals[] = {
	{ SECTION_AGENT, "enable_tracing", NULL, no_tracing },
	{ SECTION_AGENT, "visible_cdi_devices", NULL, "devices of the CDI are not passed on" },
	{ SECTION_MEM_AGENT, "mem_agent_enable", NULL, "the agent has no memory agent" },
	{ SECTION_RUNTIME, "enable_tracing", NULL, no_tracing },
	{ SECTION_RUNTIME, "jaeger_endpoint", NULL, no_tracing },
	{ SECTION_RUNTIME, "jaeger_user", NULL, no_tracing },
	{ SECTION_RUNTIME, "jaeger_password", NULL, no_tracing },
	{ SECTION_RUNTIME, "internetworking_model", FINE("none", "macvtap"),
	  "only \"tcfilter\", \"macvtap\" and \"none\" are supported" },
	{ SECTION_RUNTIME, "dan_conf", FINE(""), "network devices are not attached directly" },
	{ SECTION_RUNTIME, "vfio_mode", NULL, "devices of the host are not passed on" },
	{ SECTION_RUNTIME, "pod_resource_api_sock", NULL, "the kubelet is not asked for devices" },
	{ SECTION_RUNTIME, "emptydir_mode", NULL,
	  "emptyDir volumes are shared directories only (\"shared-fs\")" },
	{ SECTION_RUNTIME, "experimental", NULL, "there are no experimental features" },
	{ SECTION_RUNTIME, "experimental_force_guest_pull", NULL,
	  "images are not pulled in the guest" },
	{ SECTION_RUNTIME, "enable_pprof", NULL, "there is no profile to read" },
	{ SECTION_RUNTIME, "enable_vcpus_pinning", FINE("false"),
	  "virtual processors are not bound to those of the host" },
	{ SECTION_RUNTIME, "keep_abnormal", NULL, "what failed is always cleared away" },
	{ SECTION_FACTORY, "enable_template", NULL, "machines are not made from templates" },
	{ SECTION_FACTORY, "vm_cache_number", NULL, no_cache },
};

/* What harms nobody when it is left out. */
static const struct refusal notes[] = {
	{ SECTION_RUNTIME, "kubelet_root_dir", NULL, "all volumes are treated alike" },
	{ SECTION_RUNTIME, "passfd_listener_port", NULL,
	  "containers read and write over the agent's connection" },
};

/* The member of @key as text; a list that is not empty is none. */
static void text_of(const struct config *config, const struct config_key *key, struct str *out)
{
	const void *member = (const char *)config + key->offset;
	const struct strv *list = member;

	switch (key->type) {
	case CONFIG_STRING:
		str_puts(out, *(char *const *)member);
		break;
	case CONFIG_BOOL:
		str_puts(out, *(const bool *)member ? "true" : "false");
		break;
	case CONFIG_INTEGER:
		str_printf(out, "%lld", (long long)*(const int64_t *)member);
		break;
	case CONFIG_FLOAT:
		str_printf(out, "%g", *(const double *)member);
		break;
	case CONFIG_LIST:
		for (size_t i = 0; i < list->n; i++)
			str_printf(out, "%s%s", i ? ", " : "", list->v[i]);
		break;
	}
}

static bool is_fine(const struct refusal *r, const char *value, const char *unset)
{
	const char *const *fine;

	for (fine = r->fine; fine && *fine; fine++)
		if (!strcmp(*fine, value))
			return true;
	return !strcmp(value, unset);
}

static const char *section_name(enum config_section section)
{
	static const char *const names[] = {
		[SECTION_AGENT] = "agent.kata",
		[SECTION_MEM_AGENT] = "agent.kata.mem_agent",
		[SECTION_RUNTIME] = "runtime",
		[SECTION_FACTORY] = "factory",
	};

	return names[section];
}

/* What @config has instead of a value that is fine, as a message shows it; else false. */
static bool differs(const struct config *config, const struct config *unset,
		    const struct refusal *r, struct str *shown)
{
	const struct config_key *key = config_key_find(r->section, r->key);
	auto_str struct str value = STR_INIT, none = STR_INIT;

	text_of(config, key, &value);
	text_of(unset, key, &none);
	if (is_fine(r, str_text(&value), str_text(&none)))
		return false;
	if (key->type == CONFIG_STRING || key->type == CONFIG_LIST)
		toml_quote(shown, str_text(&value), value.len);
	else
		str_puts(shown, str_text(&value));
	return true;
}

int config_supported(const struct config *config, struct err *err)
{
	struct config unset = { .path = NULL };
	auto_str struct str shown = STR_INIT;
	int ret = 0;

	config_set_defaults(&unset, config_hypervisor_bit(config->hypervisor.name));
	for (const struct refusal *r = refusals; ret == 0 && r < refusals + ARRAY_SIZE(refusals);
	     r++)
		if (differs(config, &unset, r, &shown))
			ret = err_set(err, EOPNOTSUPP, "%s.%s: %s is not supported: %s",
				      section_name(r->section), r->key, str_text(&shown), r->why);
	config_release(&unset);
	return ret;
}

void config_note(struct config *config)
{
	struct config unset = { .path = NULL };

	config_set_defaults(&unset, config_hypervisor_bit(config->hypervisor.name));
	for (const struct refusal *r = notes; r < notes + ARRAY_SIZE(notes); r++) {
		auto_str struct str shown = STR_INIT;

		if (differs(config, &unset, r, &shown))
			strv_addf(&config->warnings, "%s: %s.%s: %s has no effect: %s",
				  config->path, section_name(r->section), r->key, str_text(&shown),
				  r->why);
	}
	config_release(&unset);
}
