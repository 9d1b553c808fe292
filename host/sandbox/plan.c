/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/storage/share.h"
#include "oci/spec.h"

#define HOSTNAME_MAX_LEN 64 /* the kernel's */

/* The type that a label of the host gets in the guest, where no machine is confined. */
#define SELINUX_CONTAINER_TYPE "container_t"

void plan_set(char **field, const char *value)
{
	if (*field != (char *)protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(value);
}

Grpc__Spec *plan_copy(const Grpc__Spec *spec)
{
	size_t size = grpc__spec__get_packed_size(spec);
	auto_free uint8_t *packed = xmalloc(size + 1);
	Grpc__Spec *copy;

	grpc__spec__pack(spec, packed);
	copy = grpc__spec__unpack(NULL, size, packed);
	if (!copy)
		abort(); /* there is no memory left */
	return copy;
}

static bool is_at(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (path[n] == '\0' || path[n] == '/');
}

/* ---- the sandbox ------------------------------------------------------------ */

static const Grpc__Mount *find_shm(const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, "/dev/shm"))
			return spec->mounts[i];
	return NULL;
}

/* tmpfs's option size=NUMBER[kmg], in bytes; 0 when there is none that is understood. */
static uint64_t size_option(const Grpc__Mount *m)
{
	static const char units[] = "kmg";

	for (size_t i = 0; i < m->n_options; i++) {
		const char *value = m->options[i] + strlen("size="), *unit;
		unsigned long long n;
		char *end;

		if (!str_starts(m->options[i], "size=") || *value < '0' || *value > '9')
			continue;
		n = strtoull(value, &end, 10);
		unit = *end ? strchr(units, *end | 0x20) : NULL;
		if (*end && (!unit || end[1]))
			continue;
		for (long shift = unit ? unit - units + 1 : 0; shift > 0; shift--)
			n = n > UINT64_MAX >> 10 ? UINT64_MAX : n << 10;
		return n;
	}
	return 0;
}

uint64_t plan_shm_size(const Grpc__Spec *spec, const char **source)
{
	const Grpc__Mount *m = find_shm(spec);
	uint64_t size;

	*source = NULL;
	if (!m)
		return 0;
	if (oci_mount_is_bind(m)) {
		/* The host's own is no measure. */
		if (strcmp(m->source, "/dev/shm"))
			*source = m->source;
		return PLAN_SHM_DEFAULT;
	}
	size = size_option(m);
	return size ? size : PLAN_SHM_DEFAULT;
}

static Grpc__Storage *new_storage(const char *driver, const char *source, const char *fstype,
				  const char *mount_point)
{
	Grpc__Storage *s = xmalloc(sizeof(*s));

	grpc__storage__init(s);
	plan_set(&s->driver, driver);
	plan_set(&s->source, source);
	plan_set(&s->fstype, fstype);
	plan_set(&s->mount_point, mount_point);
	return s;
}

static void set_options(size_t *n, char ***options, const char *const *values)
{
	struct strv sv = { NULL, 0 };

	for (; *values; values++)
		strv_add(&sv, *values);
	*n = sv.n;
	*options = sv.v;
}

/* DAX maps the host's page cache, which only these cache modes allow. */
static bool wants_dax(const struct config_hypervisor *h)
{
	return h->virtio_fs_cache_size > 0 &&
	       (!strcmp(h->virtio_fs_cache, "auto") || !strcmp(h->virtio_fs_cache, "always"));
}

static Grpc__Storage *plan_share(const struct plan_guest *g)
{
	static const char *const dax[] = { "dax", NULL };
	static const char *const recursive[] = { "rbind", NULL };
	Grpc__Storage *s;

	if (g->local) {
		/* The original's agent has no driver "bind"; this one mounts whatever it is told. */
		s = new_storage("virtio-fs", g->share_dir, "bind", SHARE_GUEST_DIR);
		set_options(&s->n_options, &s->options, recursive);
		return s;
	}
	s = new_storage("virtio-fs", SHARE_TAG, "virtiofs", SHARE_GUEST_DIR);
	if (wants_dax(&g->config->hypervisor))
		set_options(&s->n_options, &s->options, dax);
	return s;
}

static Grpc__Storage *plan_shm(uint64_t size)
{
	auto_free char *bytes = xasprintf("size=%llu", (unsigned long long)size);
	const char *const options[] = { "noexec", "nosuid", "nodev", "mode=1777", bytes, NULL };
	Grpc__Storage *s = new_storage("ephemeral", "shm", "tmpfs", PLAN_GUEST_SHM);

	set_options(&s->n_options, &s->options, options);
	return s;
}

/* "name parameter parameter…"; NULL for a blank one. */
static Grpc__KernelModule *plan_module(const char *text)
{
	auto_free char *words = xstrdup(text);
	struct strv parameters = { NULL, 0 };
	char *save = NULL, *name = strtok_r(words, " \t", &save);
	Grpc__KernelModule *m;

	if (!name)
		return NULL;
	m = xmalloc(sizeof(*m));
	grpc__kernel_module__init(m);
	plan_set(&m->name, name);
	for (char *w = strtok_r(NULL, " \t", &save); w; w = strtok_r(NULL, " \t", &save))
		strv_add(&parameters, w);
	m->n_parameters = parameters.n;
	m->parameters = parameters.v;
	return m;
}

static void plan_modules(const struct strv *modules, Grpc__CreateSandboxRequest *req)
{
	req->kernel_modules = xcalloc(modules->n + 1, sizeof(*req->kernel_modules));
	for (size_t i = 0; i < modules->n; i++) {
		Grpc__KernelModule *m = plan_module(modules->v[i]);

		if (m)
			req->kernel_modules[req->n_kernel_modules++] = m;
	}
}

static const Grpc__LinuxNamespace *find_namespace(const Grpc__Spec *spec, const char *type)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++)
		if (!strcmp(spec->linux->namespaces[i]->type, type))
			return spec->linux->namespaces[i];
	return NULL;
}

/* A pid namespace with a path is that of another container of the pod. */
static bool shares_pids(const Grpc__Spec *spec)
{
	const Grpc__LinuxNamespace *ns = find_namespace(spec, "pid");

	return ns && *ns->path;
}

Grpc__CreateSandboxRequest *plan_sandbox(const struct plan_guest *g, const Grpc__Spec *spec)
{
	auto_free char *hostname = xstrndup(spec->hostname, HOSTNAME_MAX_LEN);
	Grpc__CreateSandboxRequest *req = xmalloc(sizeof(*req));

	grpc__create_sandbox_request__init(req);
	plan_set(&req->hostname, hostname);
	plan_set(&req->sandbox_id, g->sandbox_id);
	plan_set(&req->guest_hook_path, g->config->hypervisor.guest_hook_path);
	req->sandbox_pidns = shares_pids(spec);
	req->storages = xcalloc(2, sizeof(*req->storages));
	if (g->share_dir)
		req->storages[req->n_storages++] = plan_share(g);
	if (g->shm_size > 0)
		req->storages[req->n_storages++] = plan_shm(g->shm_size);
	plan_modules(&g->config->agent.kernel_modules, req);
	return req;
}

/* ---- a container ------------------------------------------------------------ */

enum plan_mount plan_mount(const Grpc__Mount *m)
{
	/* A direct volume that has its place in the guest already (disk.h). */
	if (str_starts(m->source, "/run/kata-containers/sandbox/storage/"))
		return PLAN_MOUNT_GUEST;
	/* Of these trees the guest has its own; the host's would say nothing true there. */
	if (is_at(m->source, "/proc") || is_at(m->source, "/sys"))
		return PLAN_MOUNT_GUEST;
	if (is_at(m->source, PLAN_GUEST_SANDBOX))
		return PLAN_MOUNT_GUEST;
	if (!oci_mount_is_bind(m) || !strcmp(m->destination, "/dev/shm") ||
	    !strcmp(m->source, "/dev"))
		return PLAN_MOUNT_GUEST;
	return is_at(m->source, "/dev") ? PLAN_MOUNT_SHARE_IF_FILE : PLAN_MOUNT_SHARE;
}

bool plan_mount_read_only(const Grpc__Mount *m)
{
	bool ro = false;

	for (size_t i = 0; i < m->n_options; i++) {
		if (!strcmp(m->options[i], "ro"))
			ro = true;
		else if (!strcmp(m->options[i], "rw"))
			ro = false;
	}
	return ro;
}

/* The sandbox's shared memory; without one, some of the container's own. */
static void replace_shm(const struct plan_guest *g, Grpc__Mount *m)
{
	static const char *const rbind[] = { "rbind", NULL };
	auto_free char *bytes = xasprintf("size=%llu", (unsigned long long)PLAN_SHM_DEFAULT);
	const char *const own[] = { "noexec", "nosuid", "nodev", "mode=1777", bytes, NULL };

	for (size_t i = 0; i < m->n_options; i++)
		free(m->options[i]);
	free(m->options);
	plan_set(&m->type, g->shm_size ? "bind" : "tmpfs");
	plan_set(&m->source, g->shm_size ? PLAN_GUEST_SHM : "shm");
	set_options(&m->n_options, &m->options, g->shm_size ? rbind : own);
}

/* "user:role:type[:level]" with the type of a container. The caller frees. */
static char *guest_label(const char *label)
{
	const char *role = strchr(label, ':'), *type = role ? strchr(role + 1, ':') : NULL;
	const char *level = type ? strchr(type + 1, ':') : NULL;

	if (!type)
		return NULL;
	return xasprintf("%.*s" SELINUX_CONTAINER_TYPE "%s", (int)(type + 1 - label), label,
			 level ? level : "");
}

int plan_process(const struct config *config, Grpc__Process *p, struct err *err)
{
	auto_free char *label = NULL;

	/* No profile of the host is loaded in the guest. */
	plan_set(&p->apparmorprofile, "");
	if (config->hypervisor.disable_guest_selinux)
		plan_set(&p->selinuxlabel, "");
	if (!*p->selinuxlabel)
		return 0;
	label = *config->runtime.guest_selinux_label ?
			xstrdup(config->runtime.guest_selinux_label) :
			guest_label(p->selinuxlabel);
	if (!label)
		return err_set(err, EINVAL, "process.selinuxLabel: \"%s\" is no label",
			       p->selinuxlabel);
	plan_set(&p->selinuxlabel, label);
	return 0;
}

/*
 * That a container may use all devices says something in the guest too, where it
 * gets those of the guest. If the rules end so, such a rule is made their first and
 * 1 returned, else 0.
 */
static size_t keep_allow_all(Grpc__LinuxResources *res)
{
	size_t found = res->n_devices;

	for (size_t i = 0; i < res->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *d = res->devices[i];

		if ((*d->type && strcmp(d->type, "a")) || d->major > 0 || d->minor > 0 ||
		    (*d->access && strcmp(d->access, "rwm")))
			continue;
		found = d->allow ? i : res->n_devices;
	}
	if (found == res->n_devices)
		return 0;
	if (found > 0) {
		Grpc__LinuxDeviceCgroup *first = res->devices[0];

		res->devices[0] = res->devices[found];
		res->devices[found] = first;
	}
	return 1;
}

/*
 * Limits of the host's devices, its processors' numbers and its network say
 * nothing in the guest; the machine as a whole is held by the host's.
 */
static void reduce_resources(Grpc__LinuxResources *res)
{
	size_t kept = keep_allow_all(res);

	for (size_t i = kept; i < res->n_devices; i++)
		grpc__linux_device_cgroup__free_unpacked(res->devices[i], NULL);
	res->n_devices = kept;
	if (kept == 0)
		free(take_ptr(res->devices));
	grpc__linux_block_io__free_unpacked(take_ptr(res->blockio), NULL);
	grpc__linux_network__free_unpacked(take_ptr(res->network), NULL);
	if (res->cpu) {
		plan_set(&res->cpu->cpus, "");
		plan_set(&res->cpu->mems, "");
	}
}

/* Without one of its own a container is called as its sandbox is, not as the guest by itself. */
static void add_uts(Grpc__Linux *l)
{
	Grpc__LinuxNamespace *ns;

	for (size_t i = 0; i < l->n_namespaces; i++)
		if (!strcmp(l->namespaces[i]->type, "uts"))
			return;
	ns = xmalloc(sizeof(*ns));
	grpc__linux_namespace__init(ns);
	plan_set(&ns->type, "uts");
	l->namespaces = xrealloc(l->namespaces, (l->n_namespaces + 1) * sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces++] = ns;
}

/*
 * The network is the sandbox's, the cgroup namespace and the pid namespace are made
 * by the agent as it sees fit, and a path of the host leads nowhere in the guest. A
 * time namespace means something only with offsets, and not all agents have it: the
 * guest's clocks are no others than the container's.
 */
static int reduce_namespaces(Grpc__Linux *l, struct err *err)
{
	static const char *const dropped[] = { "cgroup", "network", "pid" };
	bool offsets = l->n_timeoffsets > 0, own = false;
	size_t kept = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		Grpc__LinuxNamespace *ns = l->namespaces[i];
		bool drop = false;

		for (size_t j = 0; j < ARRAY_SIZE(dropped); j++)
			drop = drop || !strcmp(ns->type, dropped[j]);
		if (!strcmp(ns->type, "time")) {
			drop = !offsets || *ns->path;
			own = own || !drop;
		}
		if (drop) {
			grpc__linux_namespace__free_unpacked(ns, NULL);
			continue;
		}
		plan_set(&ns->path, "");
		l->namespaces[kept++] = ns;
	}
	l->n_namespaces = kept;
	add_uts(l);
	return !offsets || own ?
		       0 :
		       err_set(err, EINVAL,
			       "linux.timeOffsets: want a time namespace of the container's own");
}

Grpc__Hooks *plan_take_hooks(Grpc__Spec *spec)
{
	Grpc__Hooks *host = take_ptr(spec->hooks);

	if (!host || host->n_startcontainer == 0)
		return host;
	spec->hooks = xmalloc(sizeof(*spec->hooks));
	grpc__hooks__init(spec->hooks);
	spec->hooks->n_startcontainer = host->n_startcontainer;
	spec->hooks->startcontainer = take_ptr(host->startcontainer);
	host->n_startcontainer = 0;
	return host;
}

int plan_container(const struct plan_guest *g, const char *rootfs, Grpc__Spec *spec,
		   bool *sandbox_pidns, struct err *err)
{
	int r;

	if (!spec->process)
		return err_set(err, EINVAL, "the specification has no process");
	if (!spec->root)
		return err_set(err, EINVAL, "the specification has no root");
	r = plan_process(g->config, spec->process, err);
	if (r < 0)
		return r;
	*sandbox_pidns = shares_pids(spec);
	plan_set(&spec->root->path, rootfs);
	grpc__hooks__free_unpacked(plan_take_hooks(spec), NULL);
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, "/dev/shm") &&
		    strcmp(spec->mounts[i]->type, "ephemeral"))
			replace_shm(g, spec->mounts[i]);
	if (!spec->linux)
		return 0;
	if (g->config->hypervisor.disable_guest_selinux)
		plan_set(&spec->linux->mountlabel, "");
	if (g->config->runtime.disable_guest_seccomp)
		grpc__linux_seccomp__free_unpacked(take_ptr(spec->linux->seccomp), NULL);
	grpc__linux_intel_rdt__free_unpacked(take_ptr(spec->linux->intelrdt), NULL);
	if (spec->linux->resources)
		reduce_resources(spec->linux->resources);
	return reduce_namespaces(spec->linux, err);
}
