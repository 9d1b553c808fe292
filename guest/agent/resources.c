/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/resources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/devices.h"

/* ---- devices ------------------------------------------------------------- */

static int parse_access(const char *text, unsigned *access)
{
	*access = 0;
	for (const char *p = text; *p; p++) {
		if (*p == 'r')
			*access |= CGROUP_DEVICE_READ;
		else if (*p == 'w')
			*access |= CGROUP_DEVICE_WRITE;
		else if (*p == 'm')
			*access |= CGROUP_DEVICE_MKNOD;
		else
			return -EINVAL;
	}
	/* As the specification's readers: none named are all. */
	if (!*access)
		*access = CGROUP_DEVICE_ALL;
	return 0;
}

static int parse_type(const char *type, char *out)
{
	if (!*type || !strcmp(type, "a"))
		*out = 'a';
	else if (!strcmp(type, "c") || !strcmp(type, "u"))
		*out = 'c';
	else if (!strcmp(type, "b"))
		*out = 'b';
	else
		return -EINVAL;
	return 0;
}

static int parse_rule(const Grpc__LinuxDeviceCgroup *d, size_t i, struct cgroup_device_rule *rule,
		      struct err *err)
{
	*rule = (struct cgroup_device_rule){
		.allow = d->allow,
		.major = d->major,
		.minor = d->minor,
	};
	if (parse_type(d->type, &rule->type) < 0)
		return err_set(err, EINVAL, "device rule %zu: unknown type \"%s\"", i, d->type);
	if (parse_access(d->access, &rule->access) < 0)
		return err_set(err, EINVAL, "device rule %zu: access \"%s\" is not of r, w and m",
			       i, d->access);
	if (d->major < -1 || d->minor < -1 || d->major > UINT32_MAX || d->minor > UINT32_MAX)
		return err_set(err, EINVAL, "device rule %zu: no device %" PRId64 ":%" PRId64, i,
			       d->major, d->minor);
	/* A number that is not given comes as 0, and no device has the major 0. */
	if (rule->major == 0)
		rule->major = -1;
	if (rule->major == -1 && rule->minor == 0)
		rule->minor = -1;
	return 0;
}

static void add_spec_nodes(const Grpc__Linux *spec, struct cgroup_device_rule *rules, size_t *n)
{
	for (size_t i = 0; spec && i < spec->n_devices; i++) {
		const Grpc__LinuxDevice *d = spec->devices[i];
		dev_t number;
		char type;

		/* What cannot be fails where its node is made, and says so. */
		if (strcmp(d->type, "p") && parse_type(d->type, &type) == 0 && type != 'a' &&
		    device_number(d, &number, NULL) == 0)
			rules[(*n)++] = (struct cgroup_device_rule){ true, type, d->major, d->minor,
								     CGROUP_DEVICE_ALL };
	}
}

int resources_device_rules(const Grpc__Linux *spec, struct cgroup_device_rule **rules,
			   struct err *err)
{
	static const struct cgroup_device_rule always[] = {
		/* To make a node is not to use it. */
		{ true, 'c', -1, -1, CGROUP_DEVICE_MKNOD },
		{ true, 'b', -1, -1, CGROUP_DEVICE_MKNOD },
		{ true, 'c', 1, 3, CGROUP_DEVICE_ALL },	   /* null */
		{ true, 'c', 1, 5, CGROUP_DEVICE_ALL },	   /* zero */
		{ true, 'c', 1, 7, CGROUP_DEVICE_ALL },	   /* full */
		{ true, 'c', 1, 8, CGROUP_DEVICE_ALL },	   /* random */
		{ true, 'c', 1, 9, CGROUP_DEVICE_ALL },	   /* urandom */
		{ true, 'c', 5, 0, CGROUP_DEVICE_ALL },	   /* tty */
		{ true, 'c', 5, 2, CGROUP_DEVICE_ALL },	   /* ptmx */
		{ true, 'c', 136, -1, CGROUP_DEVICE_ALL }, /* pts */
	};
	const Grpc__LinuxResources *res = spec ? spec->resources : NULL;
	size_t own = res ? res->n_devices : 0, n = 0;
	struct cgroup_device_rule *list =
		xcalloc(own + (spec ? spec->n_devices : 0) + ARRAY_SIZE(always), sizeof(*list));

	for (; n < own; n++) {
		if (parse_rule(res->devices[n], n, &list[n], err) < 0) {
			free(list);
			return err->code;
		}
	}
	if (own == 0)
		add_spec_nodes(spec, list, &n);
	memcpy(list + n, always, sizeof(always));
	*rules = list;
	return (int)(n + ARRAY_SIZE(always));
}

int resources_devices(struct cgroup *cg, const Grpc__Linux *spec, struct err *err)
{
	bool wanted = spec && spec->resources && spec->resources->n_devices > 0;
	struct cgroup_device_rule *rules;
	int n = resources_device_rules(spec, &rules, err), r;

	if (n < 0)
		return n;
	r = cgroup_devices(cg, rules, (size_t)n, err);
	free(rules);
	if (r == 0 || wanted)
		return r;
	log_warn("no rules for devices: %s, ignoring", err_msg(err));
	err_clear(err);
	return 0;
}

/* ---- limits -------------------------------------------------------------- */

/* What the lists of struct cgroup_limits borrow, until all is set. */
struct lists {
	struct cgroup_io_limit *io[6];
	struct cgroup_named *named[4];
	struct strv texts;
};

static void lists_done(struct lists *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->io); i++)
		free(a->io[i]);
	for (size_t i = 0; i < ARRAY_SIZE(a->named); i++)
		free(a->named[i]);
	strv_free(&a->texts);
}

static struct cgroup_io_limits throttles(struct cgroup_io_limit **keep,
					 Grpc__LinuxThrottleDevice *const *v, size_t n)
{
	*keep = xcalloc(n + 1, sizeof(**keep));
	for (size_t i = 0; i < n; i++)
		(*keep)[i] = (struct cgroup_io_limit){ v[i]->major, v[i]->minor, v[i]->rate };
	return (struct cgroup_io_limits){ *keep, n };
}

static struct cgroup_io_limits weights(struct cgroup_io_limit **keep,
				       Grpc__LinuxWeightDevice *const *v, size_t n, bool leaf)
{
	size_t k = 0;

	*keep = xcalloc(n + 1, sizeof(**keep));
	for (size_t i = 0; i < n; i++) {
		uint32_t w = leaf ? v[i]->leafweight : v[i]->weight;

		if (w)
			(*keep)[k++] = (struct cgroup_io_limit){ v[i]->major, v[i]->minor, w };
	}
	return (struct cgroup_io_limits){ *keep, k };
}

static void block_io(const Grpc__LinuxBlockIO *io, struct lists *a, struct cgroup_limits *l)
{
	l->io_weight = io->weight;
	l->io_leaf_weight = io->leafweight;
	l->io_weights = weights(&a->io[0], io->weightdevice, io->n_weightdevice, false);
	l->io_leaf_weights = weights(&a->io[1], io->weightdevice, io->n_weightdevice, true);
	l->io_read_bps =
		throttles(&a->io[2], io->throttlereadbpsdevice, io->n_throttlereadbpsdevice);
	l->io_write_bps =
		throttles(&a->io[3], io->throttlewritebpsdevice, io->n_throttlewritebpsdevice);
	l->io_read_iops =
		throttles(&a->io[4], io->throttlereadiopsdevice, io->n_throttlereadiopsdevice);
	l->io_write_iops =
		throttles(&a->io[5], io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice);
}

/* @text becomes part of @a. */
static const char *keep(struct lists *a, char *text)
{
	strv_take(&a->texts, text);
	return text;
}

static struct cgroup_nameds hugetlb(const Grpc__LinuxResources *res, struct lists *a)
{
	struct cgroup_named *v = a->named[0] = xcalloc(res->n_hugepagelimits + 1, sizeof(*v));

	for (size_t i = 0; i < res->n_hugepagelimits; i++) {
		v[i].name = res->hugepagelimits[i]->pagesize;
		v[i].value = keep(a, xasprintf("%" PRIu64, res->hugepagelimits[i]->limit));
	}
	return (struct cgroup_nameds){ v, res->n_hugepagelimits };
}

static struct cgroup_nameds rdma(const Grpc__LinuxResources *res, struct lists *a)
{
	struct cgroup_named *v = a->named[1] = xcalloc(res->n_rdma + 1, sizeof(*v));

	for (size_t i = 0; i < res->n_rdma; i++) {
		const Grpc__LinuxRdma *d = res->rdma[i]->value;
		struct str text = STR_INIT;

		if (d && d->handles_of_case)
			str_printf(&text, "hca_handle=%" PRIu32, d->hcahandles);
		if (d && d->objects_of_case)
			str_printf(&text, "%shca_object=%" PRIu32, text.len ? " " : "",
				   d->hcaobjects);
		v[i].name = res->rdma[i]->key;
		v[i].value = keep(a, str_take(&text));
	}
	return (struct cgroup_nameds){ v, res->n_rdma };
}

static struct cgroup_nameds priorities(const Grpc__LinuxNetwork *net, struct lists *a)
{
	struct cgroup_named *v = a->named[2] = xcalloc(net->n_priorities + 1, sizeof(*v));

	for (size_t i = 0; i < net->n_priorities; i++) {
		v[i].name = net->priorities[i]->name;
		v[i].value = keep(a, xasprintf("%" PRIu32, net->priorities[i]->priority));
	}
	return (struct cgroup_nameds){ v, net->n_priorities };
}

static struct cgroup_nameds unified(const Grpc__LinuxResources *res, struct lists *a)
{
	struct cgroup_named *v = a->named[3] = xcalloc(res->n_unified + 1, sizeof(*v));

	for (size_t i = 0; i < res->n_unified; i++)
		v[i] = (struct cgroup_named){ res->unified[i]->key, res->unified[i]->value };
	return (struct cgroup_nameds){ v, res->n_unified };
}

static void cpu_and_memory(const Grpc__LinuxResources *res, struct cgroup_limits *l)
{
	if (res->cpu) {
		l->cpu_shares = res->cpu->shares;
		l->cpu_quota = res->cpu->quota;
		l->cpu_period = res->cpu->period;
		l->cpu_burst = res->cpu->burst;
		l->cpu_rt_runtime = res->cpu->realtimeruntime;
		l->cpu_rt_period = res->cpu->realtimeperiod;
		l->has_cpu_idle = res->cpu->idle_of_case != GRPC__LINUX_CPU__IDLE_OF__NOT_SET;
		l->cpu_idle = res->cpu->idle;
		l->cpus = res->cpu->cpus;
		l->mems = res->cpu->mems;
	}
	if (res->memory) {
		l->memory = res->memory->limit;
		l->memory_reservation = res->memory->reservation;
		l->memory_swap = res->memory->swap;
		l->memory_tcp = res->memory->kerneltcp;
		l->memory_check = res->memory->checkbeforeupdate;
		l->swappiness = res->memory->swappiness;
		l->oom_killer_off = res->memory->disableoomkiller;
	}
}

int resources_limit(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *err)
{
	struct cgroup_limits l = { .pids = res->pids ? res->pids->limit : 0 };
	struct lists a = { .texts.n = 0 };
	int r;

	cpu_and_memory(res, &l);
	if (res->blockio)
		block_io(res->blockio, &a, &l);
	l.hugetlb = hugetlb(res, &a);
	l.rdma = rdma(res, &a);
	if (res->network) {
		l.net_class = res->network->classid;
		l.net_priorities = priorities(res->network, &a);
	}
	l.unified = unified(res, &a);
	r = cgroup_limit(cg, &l, err);
	lists_done(&a);
	return r;
}

int resources_update(struct cgroup *cg, const Grpc__LinuxResources *res, struct err *err)
{
	Grpc__Linux lin = GRPC__LINUX__INIT;
	int r = 0;

	lin.resources = (Grpc__LinuxResources *)res;
	if (res->n_devices > 0)
		r = resources_devices(cg, &lin, err);
	return r < 0 ? r : resources_limit(cg, res, err);
}
