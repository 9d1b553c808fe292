/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "oci/json_pb.h"

/* Where config.json and oci.proto part ways, and what must be written even when zero. */
static const struct json_pb_rule rules[] = {
	{ .message = &grpc__spec__descriptor, .field = "Version", .json = "ociVersion" },
	{ .message = &grpc__spec__descriptor, .field = "Solaris", .skip = true },
	{ .message = &grpc__spec__descriptor, .field = "Windows", .skip = true },
	{ .message = &grpc__root__descriptor, .field = "Path", .always = true },
	{ .message = &grpc__user__descriptor, .field = "UID", .always = true },
	{ .message = &grpc__user__descriptor, .field = "GID", .always = true },
	{ .message = &grpc__process__descriptor, .field = "Terminal", .always = true },
	{ .message = &grpc__posixrlimit__descriptor, .field = "Hard", .always = true },
	{ .message = &grpc__posixrlimit__descriptor, .field = "Soft", .always = true },
	{ .message = &grpc__linux_idmapping__descriptor, .field = "HostID", .always = true },
	{ .message = &grpc__linux_idmapping__descriptor, .field = "ContainerID", .always = true },
	{ .message = &grpc__linux_idmapping__descriptor, .field = "Size", .always = true },
	{ .message = &grpc__linux_device__descriptor, .field = "Major", .always = true },
	{ .message = &grpc__linux_device__descriptor, .field = "Minor", .always = true },
	{ .message = &grpc__linux_device_cgroup__descriptor, .field = "Allow", .always = true },
	{ .message = &grpc__linux_pids__descriptor, .field = "Limit", .always = true },
	{ .message = &grpc__linux_throttle_device__descriptor, .field = "Rate", .always = true },
	{ .message = &grpc__linux_throttle_device__descriptor, .field = "Major", .always = true },
	{ .message = &grpc__linux_throttle_device__descriptor, .field = "Minor", .always = true },
	{ .message = &grpc__linux_weight_device__descriptor, .field = "Major", .always = true },
	{ .message = &grpc__linux_weight_device__descriptor, .field = "Minor", .always = true },
	{ .message = &grpc__linux_hugepage_limit__descriptor,
	  .field = "Pagesize",
	  .json = "pageSize",
	  .always = true },
	{ .message = &grpc__linux_hugepage_limit__descriptor, .field = "Limit", .always = true },
	{ .message = &grpc__linux_interface_priority__descriptor,
	  .field = "Priority",
	  .always = true },
	{ .message = &grpc__linux_seccomp_arg__descriptor, .field = "Index", .always = true },
	{ .message = &grpc__linux_seccomp_arg__descriptor, .field = "Value", .always = true },
	{ .message = &grpc__linux_syscall__descriptor, .field = "errnoret", .json = "errnoRet" },
	{ .message = NULL },
};

int oci_spec_parse(const char *json, size_t len, const char *name, Grpc__Spec **spec,
		   struct err *err)
{
	struct err why = ERR_INIT;

	*spec = (Grpc__Spec *)json_pb_parse(json, len, name, &grpc__spec__descriptor, rules, &why);
	if (*spec)
		return 0;
	return err_set(err, why.code, "%s", why.msg);
}

int oci_process_parse(const char *json, size_t len, const char *name, Grpc__Process **process,
		      struct err *err)
{
	struct err why = ERR_INIT;

	*process = (Grpc__Process *)json_pb_parse(json, len, name, &grpc__process__descriptor,
						  rules, &why);
	if (*process)
		return 0;
	return err_set(err, why.code, "%s", why.msg);
}

int oci_resources_parse(const char *json, size_t len, const char *name, Grpc__LinuxResources **res,
			struct err *err)
{
	struct err why = ERR_INIT;

	*res = (Grpc__LinuxResources *)json_pb_parse(
		json, len, name, &grpc__linux_resources__descriptor, rules, &why);
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
	return json_pb_print(&spec->base, rules);
}

char *oci_process_to_json(const Grpc__Process *process)
{
	return json_pb_print(&process->base, rules);
}

char *oci_resources_to_json(const Grpc__LinuxResources *res)
{
	return json_pb_print(&res->base, rules);
}
