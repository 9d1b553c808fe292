/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <errno.h>

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
