/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/storage_layers.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "guest/agent/module_load.h"
#include "guest/agent/storage_block.h"
#include "guest/agent/storage_mount.h"

#define X	  "X-kata."
#define PARTITION X "partition-number="
#define MKDIR	  X "mkdir.path="
#define UPPER_OF  "{{ mount 0 }}"
#define DATA_MAX  4095 /* of mount(2) */

static bool has(const Grpc__Storage *s, const char *option)
{
	for (size_t i = 0; i < s->n_options; i++)
		if (!strcmp(s->options[i], option))
			return true;
	return false;
}

static const char *value_of(const Grpc__Storage *s, const char *key)
{
	for (size_t i = 0; i < s->n_options; i++)
		if (str_starts(s->options[i], key))
			return s->options[i] + strlen(key);
	return NULL;
}

bool layers_member(const Grpc__Storage *s)
{
	return !strcmp(s->driver, "erofs.multi-layer") || has(s, X "multi-layer=true");
}

/* Its place in a partition table; 0: it has the whole disk. */
static long long partition(const Grpc__Storage *s)
{
	const char *text = value_of(s, PARTITION);
	long long n = 0;

	return text && str_to_ll(text, 1, 128, &n) == 0 ? n : 0;
}

static int add_member(const Grpc__Storage *s, struct layers *l, struct err *err)
{
	bool upper = !strcmp(s->fstype, "ext4");
	size_t at = l->n;

	if (has(s, X "dmverity-enabled=true"))
		return err_set(err, EOPNOTSUPP, "layer %s: dm-verity is not supported", s->source);
	if (value_of(s, PARTITION) && !partition(s))
		return err_set(err, EINVAL, "layer %s: bad %s%s", s->source, PARTITION,
			       value_of(s, PARTITION));
	if (has(s, X "overlay-upper") && !upper)
		return err_set(err, EINVAL, "layer %s: the upper one has to be ext4, not \"%s\"",
			       s->source, s->fstype);
	l->shared |= s->shared;
	if (upper && !has(s, X "overlay-lower")) {
		if (l->upper)
			return err_set(err, EINVAL, "layer %s: a second upper one", s->source);
		l->upper = s;
		return 0;
	}
	if (l->n == LAYERS_MAX)
		return err_set(err, E2BIG, "more than %d layers", LAYERS_MAX);
	/* Those of a partition table go by its numbers, the others as they come. */
	while (at > 0 && partition(s) && partition(l->lower[at - 1]) > partition(s)) {
		l->lower[at] = l->lower[at - 1];
		at--;
	}
	l->lower[at] = s;
	l->n++;
	return 0;
}

int layers_plan(Grpc__Storage *const *list, size_t n, const char *cid, struct layers *l,
		struct err *err)
{
	int r = 0;

	*l = (struct layers){ .n = 0 };
	for (size_t i = 0; r == 0 && i < n; i++)
		if (layers_member(list[i]))
			r = add_member(list[i], l, err);
	if (r == 0 && l->n == 0)
		r = err_set(err, EINVAL, "layers: none with erofs");
	if (r < 0)
		return r;
	l->target = xstrdup(l->upper ? l->upper->mount_point : l->lower[0]->mount_point);
	l->base = xasprintf("/run/kata-containers/%s/multi-layer", cid);
	if (l->target[0] == '/' && !strstr(l->target, ".."))
		return 0;
	r = err_set(err, EINVAL, "layers: \"%s\" is no place for a mount", l->target);
	layers_done(l);
	return r;
}

void layers_done(struct layers *l)
{
	free(l->target);
	free(l->base);
	l->target = l->base = NULL;
}

void layers_mounts(const struct layers *l, struct strv *mounts)
{
	for (size_t i = 0; i < l->n; i++)
		strv_addf(mounts, "%s/lower-%zu", l->base, i);
	if (l->upper)
		strv_addf(mounts, "%s/upper", l->base);
}

/* "/dev/vda" and 2 → "/dev/vda2"; behind a digit stands a p. */
static char *partition_node(const char *disk, long long n)
{
	return xasprintf(isdigit((unsigned char)disk[strlen(disk) - 1]) ? "%sp%lld" : "%s%lld",
			 disk, n);
}

static int mount_layer(const Grpc__Storage *s, const char *place, struct err *err)
{
	const char *driver = !strcmp(s->driver, "erofs.multi-layer") ? "blk" : s->driver;
	auto_free char *node = NULL;
	Grpc__Storage layer = *s;
	auto_strv struct strv options = { NULL, 0 };
	int r = block_node(driver, s->source, &node, err);

	if (r == 0 && partition(s)) {
		char *part = partition_node(node, partition(s));

		free(node);
		node = part;
		r = block_node("mmioblk", node, NULL, err);
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n_options; i++)
		if (!str_starts(s->options[i], X))
			strv_add(&options, s->options[i]);
	if (!strcmp(s->fstype, "erofs"))
		strv_add(&options, "ro");
	layer.driver = (char *)"mmioblk";
	layer.source = node;
	layer.mount_point = (char *)place;
	layer.options = options.v;
	layer.n_options = options.n;
	layer.fs_group = NULL;
	layer.n_driver_options = 0;
	return storage_mount(&layer, NULL, err);
}

/* Directories that the writable layer is to have; the only form that is in use. */
static int make_wanted(const struct layers *l, const Grpc__Storage *s, struct err *err)
{
	for (size_t i = 0; i < s->n_options; i++) {
		auto_free char *spec = NULL;
		auto_free char *path = NULL;

		if (!str_starts(s->options[i], MKDIR))
			continue;
		spec = xstrdup(s->options[i] + strlen(MKDIR));
		spec[strcspn(spec, ":")] = '\0';
		if (!str_starts(spec, UPPER_OF "/") || strstr(spec, ".."))
			return err_set(err, EINVAL, "layers: cannot make \"%s\"", spec);
		path = xasprintf("%s/upper%s", l->base, spec + strlen(UPPER_OF));
		if (dir_make(path, 0755, err) < 0)
			return err->code;
	}
	return 0;
}

static int mount_overlay(const struct layers *l, struct err *err)
{
	auto_free char *upper = xasprintf("%s/upper/upper", l->base);
	auto_free char *work = xasprintf("%s/upper/work", l->base);
	auto_str struct str data = STR_INIT;

	if (dir_make(upper, 0755, err) < 0 || dir_make(work, 0755, err) < 0 ||
	    dir_make(l->target, 0755, err) < 0)
		return err->code;
	str_printf(&data, "upperdir=%s,workdir=%s,lowerdir=", upper, work);
	for (size_t i = 0; i < l->n; i++)
		str_printf(&data, "%s%s/lower-%zu", i ? ":" : "", l->base, i);
	if (data.len > DATA_MAX)
		return err_set(err, E2BIG, "overlay %s: %zu layers are too many for this id",
			       l->target, l->n);
	module_load_fs("overlay");
	if (mount("overlay", l->target, "overlay", 0, data.data) < 0)
		return err_sys(err, errno, "overlay %s", l->target);
	return 0;
}

int layers_mount(const struct layers *l, struct err *err)
{
	auto_free char *upper = xasprintf("%s/upper", l->base);
	auto_strv struct strv mounts = { NULL, 0 };
	int r = dir_make(upper, 0755, err);

	if (r == 0 && l->upper)
		r = mount_layer(l->upper, upper, err);
	for (size_t i = 0; r == 0 && i < l->n; i++) {
		auto_free char *place = xasprintf("%s/lower-%zu", l->base, i);

		r = make_wanted(l, l->lower[i], err);
		if (r == 0)
			r = mount_layer(l->lower[i], place, err);
	}
	if (r == 0 && l->upper)
		r = make_wanted(l, l->upper, err);
	if (r == 0)
		r = mount_overlay(l, err);
	if (r == 0)
		return 0;
	layers_mounts(l, &mounts);
	for (size_t i = mounts.n; i-- > 0;)
		(void)storage_unmount(mounts.v[i], NULL);
	(void)tree_remove(l->base, NULL);
	return r;
}
