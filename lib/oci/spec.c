/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "oci/json_pb.h"
#include "oci/names.h"

int oci_spec_parse(const char *json, size_t len, const char *name, Grpc__Spec **spec,
		   struct err *err)
{
	struct err why = ERR_INIT;

	*spec = (Grpc__Spec *)json_pb_parse(json, len, name, &grpc__spec__descriptor, oci_rules,
					    &why);
	if (*spec)
		return 0;
	return err_set(err, why.code, "%s", why.msg);
}

int oci_process_parse(const char *json, size_t len, const char *name, Grpc__Process **process,
		      struct err *err)
{
	struct err why = ERR_INIT;

	*process = (Grpc__Process *)json_pb_parse(json, len, name, &grpc__process__descriptor,
						  oci_rules, &why);
	if (*process)
		return 0;
	return err_set(err, why.code, "%s", why.msg);
}

int oci_resources_parse(const char *json, size_t len, const char *name, Grpc__LinuxResources **res,
			struct err *err)
{
	struct err why = ERR_INIT;

	*res = (Grpc__LinuxResources *)json_pb_parse(
		json, len, name, &grpc__linux_resources__descriptor, oci_rules, &why);
	if (*res)
		return 0;
	return err_set(err, why.code, "%s", why.msg);
}

bool oci_mount_is_bind(const Grpc__Mount *m)
{
	if (!strcmp(m->type, "bind"))
		return true;
	for (size_t i = 0; i < m->n_options; i++)
		if (!strcmp(m->options[i], "bind") || !strcmp(m->options[i], "rbind"))
			return true;
	return false;
}

/* runtime-spec, config.md, "Mounts": what is bound may be told relative to the bundle. */
static void place_sources(const char *bundle, Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		Grpc__Mount *m = spec->mounts[i];
		char *path;

		if (!oci_mount_is_bind(m) || !m->source[0] || m->source[0] == '/')
			continue;
		path = path_join(bundle, m->source);
		free(m->source);
		m->source = path;
	}
}

int oci_spec_load(const char *bundle, Grpc__Spec **spec, struct err *err)
{
	auto_free char *path = path_join(bundle, "config.json");
	auto_str struct str text = STR_INIT;
	int r = file_read(path, OCI_CONFIG_MAX, &text, err);

	if (r < 0)
		return r;
	r = oci_spec_parse(str_text(&text), text.len, path, spec, err);
	if (r < 0)
		return r;
	r = oci_spec_check(*spec, err);
	if (r < 0) {
		grpc__spec__free_unpacked(*spec, NULL);
		*spec = NULL;
		return err_wrap(err, "%s", path);
	}
	place_sources(bundle, *spec);
	return 0;
}

void oci_spec_annotations(const Grpc__Spec *spec, struct strv *out)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		strv_add(out, spec->annotations[i]->key);
		strv_add(out, spec->annotations[i]->value);
	}
}

char *oci_spec_to_json(const Grpc__Spec *spec)
{
	return json_pb_print(&spec->base, oci_rules);
}

char *oci_process_to_json(const Grpc__Process *process)
{
	return json_pb_print(&process->base, oci_rules);
}

char *oci_resources_to_json(const Grpc__LinuxResources *res)
{
	return json_pb_print(&res->base, oci_rules);
}
