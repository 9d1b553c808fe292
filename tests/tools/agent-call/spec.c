/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent-call.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "oci/spec.h"

static char *default_args[] = { (char *)"/bin/true" };
static Grpc__Root root = GRPC__ROOT__INIT;
static Grpc__Linux lin = GRPC__LINUX__INIT;
static Grpc__User user = GRPC__USER__INIT;
static Grpc__LinuxCapabilities caps = GRPC__LINUX_CAPABILITIES__INIT;
static Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
static Grpc__LinuxMemory memory = GRPC__LINUX_MEMORY__INIT;
static Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;
static Grpc__LinuxPids pids = GRPC__LINUX_PIDS__INIT;
static Grpc__Box box = GRPC__BOX__INIT;

/* Append @item to the array *@list of *@n pointers. */
static void append(void *list, size_t *n, void *item)
{
	void ***v = list;

	*v = xrealloc(*v, (*n + 1) * sizeof(void *));
	(*v)[(*n)++] = item;
}

static void words(char *text, char ***list, size_t *n)
{
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save))
		append(list, n, w);
}

/* TYPE:SOURCE:DESTINATION[:OPTION,…] */
static void add_mount(struct spec *s, char *text)
{
	Grpc__Mount *m = xcalloc(1, sizeof(*m));

	grpc__mount__init(m);
	m->type = strsep(&text, ":");
	m->source = text ? strsep(&text, ":") : (char *)"";
	m->destination = text ? strsep(&text, ":") : (char *)"";
	if (text)
		words(text, &m->options, &m->n_options);
	append(&s->spec.mounts, &s->spec.n_mounts, m);
}

/* DRIVER:SOURCE:FSTYPE:MOUNT-POINT[:OPTION,…] */
static void add_storage(struct spec *s, char *text)
{
	Grpc__Storage *st = xcalloc(1, sizeof(*st));

	grpc__storage__init(st);
	st->driver = strsep(&text, ":");
	st->source = text ? strsep(&text, ":") : (char *)"";
	st->fstype = text ? strsep(&text, ":") : (char *)"";
	st->mount_point = text ? strsep(&text, ":") : (char *)"";
	if (text)
		append(&st->options, &st->n_options, text);
	s->storages[s->n_storages++] = st;
}

static Grpc__LinuxNamespace *find_namespace(const char *type)
{
	for (size_t i = 0; i < lin.n_namespaces; i++)
		if (!strcmp(lin.namespaces[i]->type, type))
			return lin.namespaces[i];
	return NULL;
}

/* TYPE[:PATH]; one that is there by default gets the path. */
static void add_namespace(char *text)
{
	char *type = strsep(&text, ":");
	Grpc__LinuxNamespace *ns = find_namespace(type);

	if (ns) {
		if (text)
			ns->path = text;
		return;
	}
	ns = xcalloc(1, sizeof(*ns));
	grpc__linux_namespace__init(ns);
	ns->type = type;
	if (text)
		ns->path = text;
	append(&lin.namespaces, &lin.n_namespaces, ns);
}

static void add_default_namespaces(void)
{
	static char *types[] = { (char *)"mount", (char *)"ipc", (char *)"uts" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		add_namespace(xstrdup(types[i]));
}

static void add_default_mounts(struct spec *s)
{
	static const char *const defaults[] = {
		"proc:proc:/proc:nosuid,noexec,nodev",
		"tmpfs:tmpfs:/dev:nosuid,strictatime,mode=755,size=65536k",
		"devpts:devpts:/dev/pts:nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
		"tmpfs:shm:/dev/shm:nosuid,noexec,nodev,mode=1777,size=65536k",
		"mqueue:mqueue:/dev/mqueue:nosuid,noexec,nodev",
		"sysfs:sysfs:/sys:nosuid,noexec,nodev,ro",
		"cgroup:cgroup:/sys/fs/cgroup:nosuid,noexec,nodev,relatime,ro",
	};

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		add_mount(s, xstrdup(defaults[i]));
}

/* UID:GID[,GID…] */
static void set_user(char *text)
{
	char *gids;

	user.uid = (uint32_t)strtoul(text, &gids, 10);
	if (*gids != ':')
		return;
	user.gid = (uint32_t)strtoul(gids + 1, &gids, 10);
	while (*gids == ',') {
		user.additionalgids = xrealloc(user.additionalgids,
					       (user.n_additionalgids + 1) * sizeof(uint32_t));
		user.additionalgids[user.n_additionalgids++] =
			(uint32_t)strtoul(gids + 1, &gids, 10);
	}
}

/* SET=CAP,… with SET of b e i p a, several letters for several sets. */
static void set_caps(char *text)
{
	char *names = strchr(text, '=');

	if (!names)
		return;
	*names++ = '\0';
	for (char *p = text; *p; p++) {
		char *copy = xstrdup(names);

		if (*p == 'b')
			words(copy, &caps.bounding, &caps.n_bounding);
		else if (*p == 'e')
			words(copy, &caps.effective, &caps.n_effective);
		else if (*p == 'i')
			words(copy, &caps.inheritable, &caps.n_inheritable);
		else if (*p == 'p')
			words(copy, &caps.permitted, &caps.n_permitted);
		else if (*p == 'a')
			words(copy, &caps.ambient, &caps.n_ambient);
	}
}

static void add_rlimit(struct spec *s, char *text)
{
	Grpc__POSIXRlimit *l = xcalloc(1, sizeof(*l));
	char *colon;

	grpc__posixrlimit__init(l);
	l->type = strsep(&text, "=");
	l->soft = strtoull(text, &colon, 10);
	l->hard = *colon ? strtoull(colon + 1, NULL, 10) : l->soft;
	append(&s->process.rlimits, &s->process.n_rlimits, l);
}

static void add_device(char *text)
{
	Grpc__LinuxDevice *d = xcalloc(1, sizeof(*d));

	grpc__linux_device__init(d);
	d->type = strsep(&text, ":");
	d->path = strsep(&text, ":");
	d->major = strtoll(text, &text, 10);
	d->minor = strtoll(text + 1, NULL, 10);
	d->filemode = 0640;
	append(&lin.devices, &lin.n_devices, d);
}

static void add_sysctl(char *text)
{
	Grpc__Linux__SysctlEntry *e = xcalloc(1, sizeof(*e));

	grpc__linux__sysctl_entry__init(e);
	e->key = strsep(&text, "=");
	e->value = text;
	append(&lin.sysctl, &lin.n_sysctl, e);
}

/* One id mapping 0:HOST:SIZE for users and groups. */
static void add_map(char *text)
{
	Grpc__LinuxIDMapping *m = xcalloc(1, sizeof(*m));

	grpc__linux_idmapping__init(m);
	m->containerid = (uint32_t)strtoul(text, &text, 10);
	m->hostid = (uint32_t)strtoul(text + 1, &text, 10);
	m->size = (uint32_t)strtoul(text + 1, NULL, 10);
	append(&lin.uidmappings, &lin.n_uidmappings, m);
	append(&lin.gidmappings, &lin.n_gidmappings, m);
}

static bool resource_option(const char *name, char *value)
{
	if (!strcmp(name, "--memory")) {
		memory.limit = strtoll(value, NULL, 10);
		resources.memory = &memory;
	} else if (!strcmp(name, "--swap")) {
		memory.swap = strtoll(value, NULL, 10);
		resources.memory = &memory;
	} else if (!strcmp(name, "--pids")) {
		pids.limit = strtoll(value, NULL, 10);
		resources.pids = &pids;
	} else if (!strcmp(name, "--shares")) {
		cpu.shares = strtoull(value, NULL, 10);
		resources.cpu = &cpu;
	} else if (!strcmp(name, "--quota")) {
		cpu.quota = strtoll(value, NULL, 10);
		cpu.period = 100000;
		resources.cpu = &cpu;
	} else {
		return false;
	}
	return true;
}

static bool process_option(struct spec *s, const char *name, char *value)
{
	if (!strcmp(name, "--cwd"))
		s->process.cwd = value;
	else if (!strcmp(name, "--env"))
		append(&s->process.env, &s->process.n_env, value);
	else if (!strcmp(name, "--user"))
		set_user(value);
	else if (!strcmp(name, "--caps"))
		set_caps(value);
	else if (!strcmp(name, "--rlimit"))
		add_rlimit(s, value);
	else if (!strcmp(name, "--oom-score"))
		s->process.oomscoreadj = strtoll(value, NULL, 10);
	else if (!strcmp(name, "--size")) {
		box.height = (uint32_t)strtoul(value, &value, 10);
		box.width = (uint32_t)strtoul(value + 1, NULL, 10);
	} else if (!strcmp(name, "--user-name")) {
		s->string_user.uid = value;
		s->has_string_user = true;
	} else if (!strcmp(name, "--group-name")) {
		s->string_user.gid = value;
		s->has_string_user = true;
	} else
		return false;
	return true;
}

static bool spec_option(struct spec *s, const char *name, char *value)
{
	if (!strcmp(name, "--rootfs"))
		root.path = value;
	else if (!strcmp(name, "--hook-path"))
		s->hook_path = value;
	else if (!strcmp(name, "--hostname"))
		s->spec.hostname = value;
	else if (!strcmp(name, "--mount"))
		add_mount(s, value);
	else if (!strcmp(name, "--storage"))
		add_storage(s, value);
	else if (!strcmp(name, "--set") && s->n_sets < ARRAY_SIZE(s->sets))
		s->sets[s->n_sets++] = value;
	else if (!strcmp(name, "--cgroup"))
		lin.cgroupspath = value;
	else if (!strcmp(name, "--namespace"))
		add_namespace(value);
	else if (!strcmp(name, "--mask"))
		append(&lin.maskedpaths, &lin.n_maskedpaths, value);
	else if (!strcmp(name, "--read-only-path"))
		append(&lin.readonlypaths, &lin.n_readonlypaths, value);
	else if (!strcmp(name, "--propagation"))
		lin.rootfspropagation = value;
	else if (!strcmp(name, "--device"))
		add_device(value);
	else if (!strcmp(name, "--sysctl"))
		add_sysctl(value);
	else if (!strcmp(name, "--map"))
		add_map(value);
	else
		return false;
	return true;
}

static void fail(const struct err *err)
{
	fprintf(stderr, "agent-call: %s\n", err_msg(err));
	exit(124);
}

/* A specification in JSON takes the place of the usual one; what is set after it stays. */
static void read_config(struct spec *s, const char *path)
{
	struct str text = STR_INIT;
	struct err err = ERR_INIT;
	Grpc__Spec *spec = NULL;

	if (file_read(path, OCI_CONFIG_MAX, &text, &err) < 0 ||
	    oci_spec_parse(str_text(&text), text.len, path, &spec, &err) < 0)
		fail(&err);
	s->spec = *spec;
	if (spec->process)
		s->process = *spec->process;
	s->spec.process = &s->process;
	if (spec->root)
		root = *spec->root;
	s->spec.root = &root;
	if (spec->linux)
		lin = *spec->linux;
	s->spec.linux = &lin;
	s->has_args = s->process.n_args > 0;
	if (spec->process && spec->process->user)
		user = *spec->process->user;
	s->process.user = &user;
}

static void read_process(struct spec *s, const char *path)
{
	struct str text = STR_INIT;
	struct err err = ERR_INIT;
	Grpc__Process *process = NULL;

	if (file_read(path, OCI_CONFIG_MAX, &text, &err) < 0 ||
	    oci_process_parse(str_text(&text), text.len, path, &process, &err) < 0)
		fail(&err);
	s->process = *process;
	s->has_args = process->n_args > 0;
}

static void read_resources(const char *path)
{
	struct str text = STR_INIT;
	struct err err = ERR_INIT;
	auto_free char *json = NULL;
	Grpc__Spec *spec = NULL;

	if (file_read(path, OCI_CONFIG_MAX, &text, &err) < 0)
		fail(&err);
	json = xasprintf("{\"linux\":{\"resources\":%s}}", str_text(&text));
	if (oci_spec_parse(json, strlen(json), path, &spec, &err) < 0)
		fail(&err);
	resources = *spec->linux->resources;
}

static bool file_option(struct spec *s, const char *name, const char *path)
{
	if (!strcmp(name, "--config"))
		read_config(s, path);
	else if (!strcmp(name, "--process"))
		read_process(s, path);
	else if (!strcmp(name, "--resources"))
		read_resources(path);
	else
		return false;
	return true;
}

static bool flag_option(struct spec *s, const char *name)
{
	if (!strcmp(name, "--tty"))
		s->process.terminal = 1;
	else if (!strcmp(name, "--read-only"))
		root.readonly = 1;
	else if (!strcmp(name, "--no-new-privs"))
		s->process.nonewprivileges = 1;
	else if (!strcmp(name, "--sandbox-pidns"))
		s->sandbox_pidns = true;
	else if (!strcmp(name, "--bare")) { /* without the usual mounts */
		s->spec.n_mounts = 0;
	} else
		return false;
	return true;
}

int spec_parse(struct spec *s, int argc, char **argv)
{
	int i = 0;

	*s = (struct spec){ .n_storages = 0 };
	grpc__spec__init(&s->spec);
	grpc__process__init(&s->process);
	grpc__string_user__init(&s->string_user);
	s->process.user = &user;
	s->process.capabilities = &caps;
	s->process.consolesize = &box;
	s->process.cwd = (char *)"/";
	s->spec.process = &s->process;
	s->spec.root = &root;
	s->spec.linux = &lin;
	lin.resources = &resources;
	add_default_namespaces();
	add_default_mounts(s);
	while (i < argc && !strncmp(argv[i], "--", 2) && argv[i][2]) {
		if (flag_option(s, argv[i])) {
			i++;
		} else if (i + 1 < argc && (spec_option(s, argv[i], argv[i + 1]) ||
					    process_option(s, argv[i], argv[i + 1]) ||
					    resource_option(argv[i], argv[i + 1]) ||
					    file_option(s, argv[i], argv[i + 1]))) {
			i += 2;
		} else {
			fprintf(stderr, "agent-call: bad option %s\n", argv[i]);
			exit(124);
		}
	}
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (i == argc && s->has_args)
		return i;
	s->process.args = i < argc ? argv + i : default_args;
	s->process.n_args = i < argc ? (size_t)(argc - i) : 1;
	return i;
}
