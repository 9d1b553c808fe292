/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/choice_print.h"

#include <json-c/json.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

#define GAP 2

static const struct {
	unsigned cap;
	const char *key, *words;
} features[] = {
	{ HV_CAP_FS_SHARE, "shared_files", "shared files" },
	{ HV_CAP_BLOCK, "disks", "disks at start" },
	{ HV_CAP_BLOCK_HOTPLUG, "disk_hotplug", "disk hotplug" },
	{ HV_CAP_NET, "networks", "networks at start" },
	{ HV_CAP_NET_HOTPLUG, "network_hotplug", "network hotplug" },
	{ HV_CAP_CPU_HOTPLUG, "cpu_hotplug", "CPU hotplug" },
	{ HV_CAP_MEM_HOTPLUG, "memory_hotplug", "memory hotplug" },
	{ HV_CAP_PAUSE, "pause", "pause" },
	{ HV_CAP_EMULATE, "without_kvm", "runs without KVM" },
};

/* ---- for people ---------------------------------------------------------------- */

enum { NAME, TYPE, LANGUAGE, VERSION, HERE, START, MEMORY, COLUMNS };

static char *cell(const struct choice *c, size_t column)
{
	switch (column) {
	case NAME:
		return xasprintf("%c %s", c->in_use ? '*' : ' ', c->row->name);
	case TYPE:
		return xasprintf("%u", c->row->facts->type);
	case LANGUAGE:
		return xstrdup(c->row->facts->written_in);
	case VERSION:
		return xstrdup(c->version ? c->version : "-");
	case HERE:
		return xstrdup(c->usable ? "usable" : "no");
	case START:
		return c->start_ms ? xasprintf("%ld ms", c->start_ms) : xstrdup("-");
	default:
		return c->memory_kib ? xasprintf("%.1f MiB", (double)c->memory_kib / 1024) :
				       xstrdup("-");
	}
}

static void print_table(const struct choice *choices, size_t n, size_t columns, FILE *out)
{
	static const char *const names[COLUMNS] = { "  NAME", "TYPE",  "WRITTEN IN", "VERSION",
						    "HERE",   "START", "MEMORY" };

	for (size_t row = 0; row <= n; row++) {
		for (size_t k = 0; k < columns; k++) {
			auto_free char *text = row ? cell(&choices[row - 1], k) : xstrdup(names[k]);
			size_t width = strlen(names[k]);

			for (size_t i = 0; i < n; i++) {
				auto_free char *other = cell(&choices[i], k);

				width = strlen(other) > width ? strlen(other) : width;
			}
			fprintf(out, "%-*s", k + 1 < columns ? (int)width + GAP : 0, text);
		}
		fputc('\n', out);
	}
}

static void put_features(unsigned caps, struct str *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		if (caps & features[i].cap)
			str_printf(out, "%s%s", out->len ? ", " : "", features[i].words);
}

static void print_one(const struct choice *c, FILE *out)
{
	const struct hypervisor_facts *f = c->row->facts;
	auto_str struct str caps = STR_INIT;

	put_features(c->caps, &caps);
	fprintf(out, "\n%s: %s, for %s\n", c->row->name, f->title, f->architectures);
	fprintf(out, "  good for       %s\n", f->good_for);
	fprintf(out, "  features       %s\n", caps.len ? str_text(&caps) : "-");
	fprintf(out, "  configuration  %s%s\n", c->file ? c->file : "-",
		c->in_use ? " (in use)" : "");
	fprintf(out, "  program        %s\n", c->program && *c->program ? c->program : "-");
	if (!c->usable)
		fprintf(out, "  not usable     %s\n", err_msg(&c->why));
	if (c->failed.code)
		fprintf(out, "  not measured   %s\n", err_msg(&c->failed));
}

void choice_print(const struct choice *choices, size_t n, bool measured, FILE *out)
{
	print_table(choices, n, measured ? COLUMNS : START, out);
	for (size_t i = 0; i < n; i++)
		print_one(&choices[i], out);
}

/* ---- for programs ---------------------------------------------------------------- */

static void put_string(json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value && *value ? json_object_new_string(value) : NULL);
}

/* The words of "a, b" as an array. */
static json_object *words(const char *list)
{
	auto_free char *copy = xstrdup(list);
	json_object *array = json_object_new_array();
	char *save = NULL;

	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save))
		json_object_array_add(array, json_object_new_string(w));
	return array;
}

static json_object *features_of(unsigned caps)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		json_object_object_add(o, features[i].key,
				       json_object_new_boolean(caps & features[i].cap));
	return o;
}

static json_object *measured_of(const struct choice *c)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "start_ms",
			       c->start_ms ? json_object_new_int64(c->start_ms) : NULL);
	json_object_object_add(o, "memory_kib",
			       c->memory_kib ? json_object_new_int64(c->memory_kib) : NULL);
	put_string(o, "error", c->failed.code ? err_msg(&c->failed) : NULL);
	return o;
}

static json_object *object_of(const struct choice *c, bool measured)
{
	const struct hypervisor_facts *f = c->row->facts;
	json_object *o = json_object_new_object();

	put_string(o, "name", c->row->name);
	put_string(o, "title", f->title);
	json_object_object_add(o, "type", json_object_new_int((int)f->type));
	put_string(o, "written_in", f->written_in);
	json_object_object_add(o, "architectures", words(f->architectures));
	put_string(o, "configuration", c->file);
	json_object_object_add(o, "in_use", json_object_new_boolean(c->in_use));
	put_string(o, "path", c->program);
	put_string(o, "version", c->version);
	json_object_object_add(o, "driver", json_object_new_boolean(c->row->ops != NULL));
	json_object_object_add(o, "usable", json_object_new_boolean(c->usable));
	put_string(o, "reason", c->usable ? NULL : err_msg(&c->why));
	json_object_object_add(o, "features", features_of(c->caps));
	put_string(o, "good_for", f->good_for);
	if (measured)
		json_object_object_add(o, "measured", measured_of(c));
	return o;
}

void choice_print_json(const struct choice *choices, size_t n, bool measured, FILE *out)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, object_of(&choices[i], measured));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
}

/* ---- for docs/hypervisors.md ------------------------------------------------------- */

static void print_fact(const char *name, const char *(*value)(const struct hypervisor_row *row),
		       FILE *out)
{
	fprintf(out, "| %s |", name);
	for (const struct hypervisor_row *row = hypervisor_rows(); row->name; row++)
		fprintf(out, " %s |", value(row));
	fputc('\n', out);
}

static const char *name_of(const struct hypervisor_row *row)
{
	return row->name;
}

static const char *line_of(const struct hypervisor_row *row)
{
	(void)row;
	return "---";
}

static const char *title_of(const struct hypervisor_row *row)
{
	return row->facts->title;
}

static const char *type_of(const struct hypervisor_row *row)
{
	return row->facts->type == 1 ? "1" : "2";
}

static const char *language_of(const struct hypervisor_row *row)
{
	return row->facts->written_in;
}

static const char *architectures_of(const struct hypervisor_row *row)
{
	return row->facts->architectures;
}

static const char *file_of(const struct hypervisor_row *row)
{
	return row->facts->file;
}

void choice_print_markdown(FILE *out)
{
	print_fact("", name_of, out);
	print_fact("---", line_of, out);
	print_fact("what", title_of, out);
	print_fact("`configuration-….toml`", file_of, out);
	print_fact("type", type_of, out);
	print_fact("written in", language_of, out);
	print_fact("runs on", architectures_of, out);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		fprintf(out, "| %s |", features[i].words);
		for (const struct hypervisor_row *row = hypervisor_rows(); row->name; row++)
			fprintf(out, " %s |",
				!row->ops			 ? "" :
				row->ops->caps & features[i].cap ? "yes" :
								   "no");
		fputc('\n', out);
	}
}
