/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One description of the layout, printed in two languages. The order of the
 * rows is that of the JSON; in TOML the plain values of a table come first, as
 * they must, and its sub-tables after them.
 */
#include <json-c/json.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/env/env.h"
#include "toml/toml.h"

enum kind {
	END,
	STRING,
	INTEGER,
	BOOLEAN,
	LIST,
	OPTIONAL_LIST, /* when empty: null in JSON, left out in TOML */
	TABLE,
};

struct field {
	enum kind kind;
	const char *name;
	size_t offset;
	const struct field *fields; /* of a table */
};

#define FIELD(kind, name, member)                              \
	{                                                      \
		kind, name, offsetof(struct env, member), NULL \
	}
#define TABLE_OF(name, fields)         \
	{                              \
		TABLE, name, 0, fields \
	}

static const struct field kernel[] = {
	FIELD(STRING, "Path", kernel_path),
	FIELD(STRING, "Parameters", kernel_parameters),
	{ 0 },
};

static const struct field meta[] = {
	FIELD(STRING, "Version", meta_version),
	{ 0 },
};

static const struct field image[] = {
	FIELD(STRING, "Path", image_path),
	{ 0 },
};

static const struct field initrd[] = {
	FIELD(STRING, "Path", initrd_path),
	{ 0 },
};

static const struct field security_info[] = {
	FIELD(BOOLEAN, "Rootless", hypervisor.rootless),
	FIELD(BOOLEAN, "DisableSeccomp", hypervisor.disable_seccomp),
	FIELD(STRING, "GuestHookPath", hypervisor.guest_hook_path),
	FIELD(LIST, "EnableAnnotations", hypervisor.enable_annotations),
	FIELD(BOOLEAN, "ConfidentialGuest", hypervisor.confidential_guest),
	{ 0 },
};

static const struct field hypervisor[] = {
	FIELD(STRING, "MachineType", hypervisor.machine_type),
	FIELD(STRING, "Version", hypervisor.version),
	FIELD(STRING, "Path", hypervisor.path),
	FIELD(STRING, "BlockDeviceDriver", hypervisor.block_device_driver),
	FIELD(STRING, "EntropySource", hypervisor.entropy_source),
	FIELD(STRING, "SharedFS", hypervisor.shared_fs),
	FIELD(STRING, "VirtioFSDaemon", hypervisor.virtio_fs_daemon),
	FIELD(STRING, "SocketPath", hypervisor.socket_path),
	FIELD(INTEGER, "Msize9p", hypervisor.msize_9p),
	FIELD(INTEGER, "MemorySlots", hypervisor.memory_slots),
	FIELD(STRING, "HotPlugVFIO", hypervisor.hot_plug_vfio),
	FIELD(STRING, "ColdPlugVFIO", hypervisor.cold_plug_vfio),
	FIELD(INTEGER, "PCIeRootPort", hypervisor.pcie_root_port),
	FIELD(INTEGER, "PCIeSwitchPort", hypervisor.pcie_switch_port),
	FIELD(BOOLEAN, "Debug", hypervisor.debug),
	TABLE_OF("SecurityInfo", security_info),
	{ 0 },
};

static const struct field runtime_config[] = {
	FIELD(STRING, "Path", runtime.config_path),
	{ 0 },
};

static const struct field version_version[] = {
	FIELD(STRING, "Semver", runtime.semver), FIELD(STRING, "Commit", runtime.commit),
	FIELD(INTEGER, "Major", runtime.major),	 FIELD(INTEGER, "Minor", runtime.minor),
	FIELD(INTEGER, "Patch", runtime.patch),	 { 0 },
};

static const struct field runtime_version[] = {
	FIELD(STRING, "OCI", runtime.oci),
	TABLE_OF("Version", version_version),
	{ 0 },
};

static const struct field runtime[] = {
	TABLE_OF("Config", runtime_config),
	FIELD(STRING, "Path", runtime.path),
	FIELD(STRING, "GuestSeLinuxLabel", runtime.guest_selinux_label),
	FIELD(OPTIONAL_LIST, "Experimental", runtime.experimental),
	TABLE_OF("Version", runtime_version),
	FIELD(BOOLEAN, "Debug", runtime.debug),
	FIELD(BOOLEAN, "Trace", runtime.trace),
	FIELD(BOOLEAN, "DisableGuestSeccomp", runtime.disable_guest_seccomp),
	FIELD(BOOLEAN, "DisableNewNetNs", runtime.disable_new_netns),
	FIELD(BOOLEAN, "SandboxCgroupOnly", runtime.sandbox_cgroup_only),
	{ 0 },
};

static const struct field distro[] = {
	FIELD(STRING, "Name", host.distro_name),
	FIELD(STRING, "Version", host.distro_version),
	{ 0 },
};

static const struct field cpu[] = {
	FIELD(STRING, "Vendor", host.cpu_vendor),
	FIELD(STRING, "Model", host.cpu_model),
	FIELD(INTEGER, "CPUs", host.cpus),
	{ 0 },
};

static const struct field memory[] = {
	FIELD(INTEGER, "Total", host.memory_total),
	FIELD(INTEGER, "Free", host.memory_free),
	FIELD(INTEGER, "Available", host.memory_available),
	{ 0 },
};

static const struct field host[] = {
	FIELD(OPTIONAL_LIST, "AvailableGuestProtections", host.available_guest_protections),
	FIELD(STRING, "Kernel", host.kernel),
	FIELD(STRING, "Architecture", host.architecture),
	TABLE_OF("Distro", distro),
	TABLE_OF("CPU", cpu),
	TABLE_OF("Memory", memory),
	FIELD(BOOLEAN, "VMContainerCapable", host.vm_container_capable),
	FIELD(BOOLEAN, "SupportVSocks", host.support_vsocks),
	{ 0 },
};

static const struct field agent[] = {
	FIELD(BOOLEAN, "Debug", agent_debug),
	FIELD(BOOLEAN, "Trace", agent_trace),
	{ 0 },
};

static const struct field top[] = {
	TABLE_OF("Kernel", kernel),
	TABLE_OF("Meta", meta),
	TABLE_OF("Image", image),
	TABLE_OF("Initrd", initrd),
	TABLE_OF("Hypervisor", hypervisor),
	TABLE_OF("Runtime", runtime),
	TABLE_OF("Host", host),
	TABLE_OF("Agent", agent),
	{ 0 },
};

static void *member_of(const struct env *env, const struct field *f)
{
	return (char *)env + f->offset;
}

static const char *string_of(const struct env *env, const struct field *f)
{
	return *(char **)member_of(env, f);
}

static void indent(FILE *out, int depth)
{
	fprintf(out, "%*s", 2 * depth, "");
}

/* Numbers and booleans are the same in both languages. */
static void print_plain(FILE *out, const struct env *env, const struct field *f)
{
	if (f->kind == INTEGER)
		fprintf(out, "%lld", (long long)*(int64_t *)member_of(env, f));
	else
		fputs(*(bool *)member_of(env, f) ? "true" : "false", out);
}

static void toml_string(FILE *out, const char *s)
{
	auto_str struct str text = STR_INIT;

	toml_quote(&text, s, strlen(s));
	fputs(text.data, out);
}

static void toml_value(FILE *out, const struct env *env, const struct field *f)
{
	const struct strv *list = member_of(env, f);
	size_t i;

	if (f->kind == STRING) {
		toml_string(out, string_of(env, f));
	} else if (f->kind == LIST || f->kind == OPTIONAL_LIST) {
		fputc('[', out);
		for (i = 0; i < list->n; i++) {
			fputs(i ? ", " : "", out);
			toml_string(out, list->v[i]);
		}
		fputc(']', out);
	} else {
		print_plain(out, env, f);
	}
}

/* The table @f, which is @depth levels deep below the tables @prefix ("A.B."). */
static void toml_table(FILE *out, const struct env *env, const struct field *f, const char *prefix,
		       int depth)
{
	auto_str struct str name = STR_INIT;
	const struct field *it;

	str_printf(&name, "%s%s", prefix, f->name);
	indent(out, depth);
	fprintf(out, "[%s]\n", name.data);
	for (it = f->fields; it->kind != END; it++) {
		const struct strv *list = member_of(env, it);

		if (it->kind == TABLE || (it->kind == OPTIONAL_LIST && list->n == 0))
			continue;
		indent(out, depth + 1);
		fprintf(out, "%s = ", it->name);
		toml_value(out, env, it);
		fputc('\n', out);
	}
	str_putc(&name, '.');
	for (it = f->fields; it->kind != END; it++)
		if (it->kind == TABLE)
			toml_table(out, env, it, name.data, depth + 1);
}

void env_print_toml(const struct env *env, FILE *out)
{
	const struct field *it;

	for (it = top; it->kind != END; it++) {
		if (it != top)
			fputc('\n', out);
		toml_table(out, env, it, "", 0);
	}
}

static void json_string(FILE *out, const char *s)
{
	struct json_object *text = json_object_new_string(s);

	fputs(json_object_to_json_string_ext(text, JSON_C_TO_STRING_NOSLASHESCAPE), out);
	json_object_put(text);
}

static void json_list(FILE *out, const struct strv *list, int depth)
{
	size_t i;

	if (list->n == 0) {
		fputs("[]", out);
		return;
	}
	fputs("[\n", out);
	for (i = 0; i < list->n; i++) {
		indent(out, depth + 1);
		json_string(out, list->v[i]);
		fputs(i + 1 < list->n ? ",\n" : "\n", out);
	}
	indent(out, depth);
	fputc(']', out);
}

static void json_table(FILE *out, const struct env *env, const struct field *fields, int depth)
{
	const struct field *f;

	fputs("{\n", out);
	for (f = fields; f->kind != END; f++) {
		const struct strv *list = member_of(env, f);

		indent(out, depth + 1);
		fprintf(out, "\"%s\": ", f->name);
		if (f->kind == TABLE)
			json_table(out, env, f->fields, depth + 1);
		else if (f->kind == STRING)
			json_string(out, string_of(env, f));
		else if (f->kind == OPTIONAL_LIST && list->n == 0)
			fputs("null", out);
		else if (f->kind == LIST || f->kind == OPTIONAL_LIST)
			json_list(out, list, depth + 1);
		else
			print_plain(out, env, f);
		fputs(f[1].kind != END ? ",\n" : "\n", out);
	}
	indent(out, depth);
	fputc('}', out);
}

void env_print_json(const struct env *env, FILE *out)
{
	json_table(out, env, top, 0);
	fputc('\n', out);
}

static void release(struct env *env, const struct field *fields)
{
	const struct field *f;

	for (f = fields; f->kind != END; f++) {
		if (f->kind == TABLE)
			release(env, f->fields);
		else if (f->kind == STRING)
			free(*(char **)member_of(env, f));
		else if (f->kind == LIST || f->kind == OPTIONAL_LIST)
			strv_free(member_of(env, f));
	}
}

void env_free(struct env *env)
{
	release(env, top);
	free(env->missing);
	*env = (struct env){ 0 };
}
