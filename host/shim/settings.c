/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/settings.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/config/annotations.h"
#include "oci/spec.h"
#include "proto/runtimeoptions.pb-c.h"

static bool is_options(const char *type_url)
{
	const char *slash = strrchr(type_url, '/');
	const char *name = slash ? slash + 1 : type_url;

	return !strcmp(name, "runtimeoptions.v1.Options") ||
	       !strcmp(name, "containerd.runtimeoptions.v1.Options");
}

char *settings_path(const Google__Protobuf__Any *any)
{
	Runtimeoptions__V1__Options *o = NULL;
	char *path = NULL;

	if (any && is_options(any->type_url))
		o = runtimeoptions__v1__options__unpack(NULL, any->value.len, any->value.data);
	if (o && *o->config_path)
		path = xstrdup(o->config_path);
	if (o)
		runtimeoptions__v1__options__free_unpacked(o, NULL);
	return path;
}

struct config *settings_load(const struct shim *s, const Google__Protobuf__Any *any,
			     const Grpc__Spec *spec, struct err *err)
{
	auto_strv struct strv annotations = { NULL, 0 };
	auto_free char *path = settings_path(any);
	struct config *config = config_load(path ? path : s->opt.config, err);

	if (!config)
		return NULL;
	oci_spec_annotations(spec, &annotations);
	if (config_annotate(config, &annotations, (unsigned)sysconf(_SC_NPROCESSORS_ONLN), err)) {
		config_free(config);
		return NULL;
	}
	if (!log_enabled(LOG_LEVEL_DEBUG))
		log_set_level(config_log_level(config));
	for (size_t i = 0; i < config->warnings.n; i++)
		log_warn("%s", config->warnings.v[i]);
	return config;
}
