/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/device_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define ENV_PREFIX "PCIDEVICE_"
#define ENV_INFO   "_INFO"

int device_spec_check(Grpc__Device *const *devices, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const Grpc__Device *d = devices[i];

		if (!*d->container_path)
			return err_set(err, EINVAL, "device %zu (%s): no container_path", i,
				       d->type);
		if (!*d->type)
			return err_set(err, EINVAL, "device %s: no type", d->container_path);
		if (!*d->id && !*d->vm_path)
			return err_set(err, EINVAL, "device %s: neither id nor vm_path",
				       d->container_path);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(devices[k]->container_path, d->container_path))
				return err_set(err, EINVAL, "device %s: requested twice",
					       d->container_path);
	}
	return 0;
}

/* As the unpacked message owns its strings. */
static void set_string(char **field, const char *value)
{
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(value);
}

static Grpc__LinuxDevice *find_device(const Grpc__Spec *spec, const char *path)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_devices; i++)
		if (!strcmp(spec->linux->devices[i]->path, path))
			return spec->linux->devices[i];
	return NULL;
}

/* The rules were written with the host's numbers; each is changed once at most. */
static void renumber_rules(Grpc__LinuxResources *res, bool *done, const Grpc__LinuxDevice *host,
			   const struct device_found *f)
{
	for (size_t i = 0; res && i < res->n_devices; i++) {
		Grpc__LinuxDeviceCgroup *rule = res->devices[i];

		if (done[i] || strcmp(rule->type, host->type) || rule->major != host->major ||
		    rule->minor != host->minor)
			continue;
		rule->major = f->major;
		rule->minor = f->minor;
		done[i] = true;
	}
}

static void allow(Grpc__LinuxResources *res, const struct device_found *f)
{
	Grpc__LinuxDeviceCgroup *rule = xmalloc(sizeof(*rule));
	char type[] = { f->type, '\0' };

	grpc__linux_device_cgroup__init(rule);
	rule->allow = 1;
	rule->major = f->major;
	rule->minor = f->minor;
	rule->type = xstrdup(type);
	rule->access = xstrdup("rwm");
	res->devices = xrealloc(res->devices, (res->n_devices + 1) * sizeof(*res->devices));
	res->devices[res->n_devices++] = rule;
}

static int apply_numbers(Grpc__Spec *spec, Grpc__Device *const *devices, size_t n,
			 const struct device_found *found, struct err *err)
{
	Grpc__LinuxResources *res = spec->linux ? spec->linux->resources : NULL;
	auto_free bool *done = xcalloc((res ? res->n_devices : 0) + 1, sizeof(*done));

	/* Nothing is changed before all are known to be there. */
	for (size_t i = 0; i < n; i++)
		if (found[i].type && !find_device(spec, devices[i]->container_path))
			return err_set(err, EINVAL,
				       "device %s is not among the specification's linux.devices",
				       devices[i]->container_path);
	for (size_t i = 0; i < n; i++) {
		Grpc__LinuxDevice *d;

		if (!found[i].type)
			continue;
		d = find_device(spec, devices[i]->container_path);
		if (d)
			renumber_rules(res, done, d, &found[i]);
	}
	for (size_t i = 0; i < n; i++) {
		Grpc__LinuxDevice *d = find_device(spec, devices[i]->container_path);

		if (!found[i].type || !d)
			continue;
		d->major = found[i].major;
		d->minor = found[i].minor;
		if (res)
			allow(res, &found[i]);
	}
	/* Last, because the places are what devices are found by. */
	for (size_t i = 0; i < n; i++) {
		Grpc__LinuxDevice *d = find_device(spec, devices[i]->container_path);

		if (found[i].type && *found[i].path && d)
			set_string(&d->path, found[i].path);
	}
	return 0;
}

static const char *guest_address(const struct device_found *found, size_t n, const char *host)
{
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < found[i].addresses; k++)
			if (!strcmp(found[i].host[k], host))
				return found[i].guest[k];
	return NULL;
}

/* All addresses of a list are known, or it stays as it is. NULL: that. */
static char *translate_list(const char *list, const struct device_found *found, size_t n)
{
	auto_free char *words = xstrdup(list);
	auto_str struct str out = STR_INIT;
	char *save = NULL;

	for (char *w = strtok_r(words, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const char *guest = guest_address(found, n, w);

		if (!guest)
			return NULL;
		str_printf(&out, "%s%s", out.len ? "," : "", guest);
	}
	return out.len ? str_take(&out) : NULL;
}

/* In a text of any form, every address that is known. */
static char *translate_text(const char *text, const struct device_found *found, size_t n)
{
	auto_str struct str out = STR_INIT;

	while (*text) {
		const char *guest = NULL;
		size_t len = 0;

		for (size_t i = 0; i < n && !guest; i++)
			for (unsigned k = 0; k < found[i].addresses && !guest; k++) {
				len = strlen(found[i].host[k]);
				guest = len && str_starts(text, found[i].host[k]) ?
						found[i].guest[k] :
						NULL;
			}
		if (guest) {
			str_puts(&out, guest);
			text += len;
		} else {
			str_putc(&out, *text++);
		}
	}
	return str_take(&out);
}

static void translate_environment(Grpc__Process *process, const struct device_found *found,
				  size_t n)
{
	for (size_t i = 0; process && i < process->n_env; i++) {
		const char *eq = strchr(process->env[i], '=');
		auto_free char *name = NULL;
		auto_free char *value = NULL;
		auto_free char *both = NULL;

		if (!eq || !str_starts(process->env[i], ENV_PREFIX))
			continue;
		name = xstrndup(process->env[i], (size_t)(eq - process->env[i]));
		value = str_ends(name, ENV_INFO) ? translate_text(eq + 1, found, n) :
						   translate_list(eq + 1, found, n);
		if (!value)
			continue;
		both = xasprintf("%s=%s", name, value);
		set_string(&process->env[i], both);
	}
}

int device_spec_apply(Grpc__Spec *spec, Grpc__Device *const *devices, size_t n,
		      const struct device_found *found, struct err *err)
{
	int r = apply_numbers(spec, devices, n, found, err);

	if (r == 0)
		translate_environment(spec->process, found, n);
	return r;
}
