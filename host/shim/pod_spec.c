/* SPDX-License-Identifier: Apache-2.0 */
#include "host/shim/pod_spec.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "oci/spec.h"
#include "proto/cri.pb-c.h"

typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest Request;
typedef Runtime__V1__PodSandboxConfig Config;

/* containerd's own names for what it tells of a pod. */
#define CRI "io.kubernetes.cri."

/* What the pod's owner may say to Kata, beside what containerd was told to pass on. */
#define KATA "io.katacontainers."

#define SHM_OPTIONS "nosuid,noexec,nodev,mode=1777,size=65536k"

/* ---- the kubelet's words --------------------------------------------------------- */

static int unpack(const Google__Protobuf__Any *any, Config **config, struct err *err)
{
	const char *name;

	*config = NULL;
	if (!any || any->value.len == 0)
		return 0;
	name = strrchr(any->type_url, '/');
	name = name ? name + 1 : any->type_url;
	/* Whose options these are otherwise, nobody here can say. */
	if (strcmp(name, "runtime.v1.PodSandboxConfig") != 0)
		return 0;
	*config = runtime__v1__pod_sandbox_config__unpack(NULL, any->value.len, any->value.data);
	return *config ? 0 : err_set(err, EINVAL, "the options are no PodSandboxConfig");
}

static void put_words(struct str *out, const char *name, char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_printf(out, "%s%s", i ? " " : name, words[i]);
	if (n > 0)
		str_putc(out, '\n');
}

/* resolv.conf(5). */
static void put_dns(struct str *out, const Runtime__V1__DNSConfig *dns)
{
	put_words(out, "search ", dns->searches, dns->n_searches);
	for (size_t i = 0; i < dns->n_servers; i++)
		str_printf(out, "nameserver %s\n", dns->servers[i]);
	put_words(out, "options ", dns->options, dns->n_options);
}

/* ---- the specification ------------------------------------------------------------- */

static void put(struct json_object *o, const char *name, const char *value)
{
	json_object_object_add(o, name, json_object_new_string(value));
}

static void put_some(struct json_object *o, const char *name, const char *value)
{
	if (*value)
		put(o, name, value);
}

static void put_number(struct json_object *o, const char *name, int64_t value)
{
	auto_free char *text = xasprintf("%lld", (long long)value);

	if (value > 0)
		put(o, name, text);
}

static struct json_object *annotations(const Request *req, const Config *config)
{
	struct json_object *o = json_object_new_object();
	const Runtime__V1__LinuxContainerResources *res =
		config && config->linux ? config->linux->resources : NULL;

	for (size_t i = 0; config && i < config->n_annotations; i++)
		if (str_starts(config->annotations[i]->key, KATA))
			put(o, config->annotations[i]->key, config->annotations[i]->value);
	for (size_t i = 0; i < req->n_annotations; i++)
		put(o, req->annotations[i]->key, req->annotations[i]->value);
	put(o, CRI "container-type", "sandbox");
	put(o, CRI "sandbox-id", req->sandbox_id);
	if (config && config->metadata) {
		put_some(o, CRI "sandbox-name", config->metadata->name);
		put_some(o, CRI "sandbox-namespace", config->metadata->namespace_);
		put_some(o, CRI "sandbox-uid", config->metadata->uid);
	}
	if (res) {
		put_number(o, CRI "sandbox-cpu-period", res->cpu_period);
		put_number(o, CRI "sandbox-cpu-quota", res->cpu_quota);
		put_number(o, CRI "sandbox-cpu-shares", res->cpu_shares);
		put_number(o, CRI "sandbox-memory", res->memory_limit_in_bytes);
	}
	return o;
}

/* As containerd names the group of a pod's own container: SLICE:cri-containerd:ID for systemd. */
static char *cgroup_path(const char *parent, const char *id)
{
	const char *slash = strrchr(parent, '/');

	if (!*parent)
		return xstrdup("");
	if (str_ends(parent, ".slice"))
		return xasprintf("%s:cri-containerd:%s", slash ? slash + 1 : parent, id);
	return xasprintf("%s/%s", parent, id);
}

static struct json_object *linux_part(const Request *req, const Config *config)
{
	const char *parent = config && config->linux ? config->linux->cgroup_parent : "";
	auto_free char *group = cgroup_path(parent, req->sandbox_id);
	struct json_object *o = json_object_new_object(), *list = json_object_new_array(),
			   *sysctl = json_object_new_object(), *ns;

	if (*req->netns_path) {
		ns = json_object_new_object();
		put(ns, "type", "network");
		put(ns, "path", req->netns_path);
		json_object_array_add(list, ns);
	}
	for (size_t i = 0; config && config->linux && i < config->linux->n_sysctls; i++)
		put(sysctl, config->linux->sysctls[i]->key, config->linux->sysctls[i]->value);
	put_some(o, "cgroupsPath", group);
	json_object_object_add(o, "namespaces", list);
	json_object_object_add(o, "sysctl", sysctl);
	return o;
}

/* Unless something is mounted there already. @options are separated by commas. */
static void add_mount(Grpc__Spec *spec, const char *destination, const char *type,
		      const char *source, const char *options)
{
	auto_free char *copy = xstrdup(options);
	char *rest = copy, *word;
	Grpc__Mount *m;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i]->destination, destination))
			return;
	m = xmalloc(sizeof(*m));
	grpc__mount__init(m);
	m->destination = xstrdup(destination);
	m->source = xstrdup(source);
	m->type = xstrdup(type);
	while ((word = strsep(&rest, ","))) {
		m->options = xrealloc(m->options, (m->n_options + 1) * sizeof(char *));
		m->options[m->n_options++] = xstrdup(word);
	}
	spec->mounts = xrealloc(spec->mounts, (spec->n_mounts + 1) * sizeof(Grpc__Mount *));
	spec->mounts[spec->n_mounts++] = m;
}

static void add_resolv_conf(const struct pod_plan *plan, const char *path, Grpc__Spec *spec)
{
	if (plan->resolv_conf.len > 0)
		add_mount(spec, "/etc/resolv.conf", "bind", path, "rbind");
}

static int compose(const Request *req, const Config *config, const char *resolv_conf,
		   struct pod_plan *plan, struct err *err)
{
	struct json_object *o = json_object_new_object();
	const char *text;
	int r;

	put(o, "ociVersion", "1.0.2");
	put_some(o, "hostname", config ? config->hostname : "");
	json_object_object_add(o, "annotations", annotations(req, config));
	json_object_object_add(o, "linux", linux_part(req, config));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	r = oci_spec_parse(text, strlen(text), "the pod", &plan->spec, err);
	json_object_put(o);
	if (r < 0)
		return r;
	add_mount(plan->spec, "/dev/shm", "tmpfs", "shm", SHM_OPTIONS);
	add_resolv_conf(plan, resolv_conf, plan->spec);
	return 0;
}

int pod_plan(const Request *req, const char *resolv_conf, struct pod_plan *plan, struct err *err)
{
	Config *config;
	int r = unpack(req->options, &config, err);

	*plan = (struct pod_plan){ .resolv_conf = STR_INIT };
	if (r < 0)
		return r;
	if (config && config->dns_config)
		put_dns(&plan->resolv_conf, config->dns_config);
	r = compose(req, config, resolv_conf, plan, err);
	if (config)
		runtime__v1__pod_sandbox_config__free_unpacked(config, NULL);
	if (r < 0)
		pod_plan_free(plan);
	return r;
}

void pod_plan_free(struct pod_plan *plan)
{
	if (plan->spec)
		grpc__spec__free_unpacked(plan->spec, NULL);
	str_free(&plan->resolv_conf);
	*plan = (struct pod_plan){ .resolv_conf = STR_INIT };
}

/* ---- members --------------------------------------------------------------------------- */

static void add_sysctl(Grpc__Linux *l, const Grpc__Linux__SysctlEntry *from)
{
	Grpc__Linux__SysctlEntry *e;

	for (size_t i = 0; i < l->n_sysctl; i++)
		if (!strcmp(l->sysctl[i]->key, from->key))
			return;
	e = xmalloc(sizeof(*e));
	grpc__linux__sysctl_entry__init(e);
	e->key = xstrdup(from->key);
	e->value = xstrdup(from->value);
	l->sysctl =
		xrealloc(l->sysctl, (l->n_sysctl + 1) * sizeof(struct Grpc__Linux__SysctlEntry *));
	l->sysctl[l->n_sysctl++] = e;
}

void pod_complete(const struct pod_plan *plan, const char *resolv_conf, Grpc__Spec *member)
{
	const Grpc__Linux *pod = plan->spec->linux;

	for (size_t i = 0; member->linux && pod && i < pod->n_sysctl; i++)
		add_sysctl(member->linux, pod->sysctl[i]);
	add_resolv_conf(plan, resolv_conf, member);
}
