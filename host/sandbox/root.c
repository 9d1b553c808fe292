/* SPDX-License-Identifier: Apache-2.0 */
/* Roots for a machine that shares no files: as disks (host/storage/image). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"
#include "host/storage/image/cache.h"
#include "host/storage/image/prepare.h"
#include "host/storage/image/writable.h"

struct rooting {
	struct list link; /* sb->rootings */
	struct sandbox *sb;
	struct preparation *preparation;
	char *id; /* NULL: of the machine's start */
	char *rootfs;
	sandbox_done done;
	void *arg;
};

struct source_place root_place(const struct sandbox *sb)
{
	if (sb->runtime.n_ns == 0)
		return (struct source_place)SOURCE_HERE;
	return (struct source_place){ sb->runtime.ns[0], sb->runtime.root };
}

bool root_is_image(const struct sandbox *sb, const struct sandbox_disk *disk)
{
	return !(sb->caps & (HV_CAP_FS_SHARE | HV_CAP_LOCAL)) && !(disk && disk->source);
}

bool root_is_due_at_boot(const struct sandbox *sb)
{
	return root_is_image(sb, &sb->root_disk) && sb->boot_rootfs && sb->caps & HV_CAP_BLOCK &&
	       !(sb->caps & HV_CAP_BLOCK_HOTPLUG);
}

static void end(struct rooting *r, const struct err *err)
{
	sandbox_done done = r->done;
	void *arg = r->arg;

	list_del(&r->link);
	free(r->id);
	free(r->rootfs);
	free(r);
	done(err, arg);
}

static void on_made(const struct err *err, const struct image_root *root, void *arg)
{
	struct rooting *r = arg;
	struct container *c = r->id ? container_find(r->sb, r->id) : NULL;
	struct image_root unwanted;
	struct err gone = ERR_INIT;

	r->preparation = NULL;
	if (root && root->mounts)
		log_warn("%s: what is mounted in it is not in the container: the machine shares no "
			 "files",
			 r->rootfs);
	if (root && r->id && !c) {
		unwanted = *root;
		image_root_release(&unwanted);
		err_set(&gone, ECANCELED, "container %s is being removed", r->id);
		err = &gone;
	} else if (root) {
		*(c ? &c->image : &r->sb->boot_image) = *root;
	}
	end(r, err);
}

void root_prepare(struct sandbox *sb, const char *id, const char *rootfs, bool own, bool keep,
		  sandbox_done done, void *arg)
{
	const struct config_runtime *config = &sb->config->runtime;
	const struct source_place there = root_place(sb);
	struct image_ask ask = {
		.place = own || source_is_here(&there, rootfs) ? (struct source_place)SOURCE_HERE :
								 there,
		.rootfs = rootfs,
		.cache = CACHE_DIR,
		.writables = WRITABLE_DIR,
		.cache_max = (uint64_t)config->image_cache_mib << 20,
		.size = (uint64_t)config->rootfs_writable_mib << 20,
		.memory = !keep || !strcmp(config->rootfs_writable, "memory"),
	};
	struct rooting *r = xcalloc(1, sizeof(*r));
	struct err err = ERR_INIT;

	r->preparation = image_prepare(sb->loop, &ask, config->create_container_timeout * 1000,
				       on_made, r, &err);
	if (!r->preparation) {
		free(r);
		call_done(sb, &err, done, arg);
		return;
	}
	r->sb = sb;
	r->id = xstrdup(id);
	r->rootfs = xstrdup(rootfs);
	r->done = done;
	r->arg = arg;
	list_add_tail(&sb->rootings, &r->link);
}

void root_cancel_all(struct sandbox *sb)
{
	struct list *it;

	list_for_each(it, &sb->rootings)
		image_cancel(container_of(it, struct rooting, link)->preparation, &sb->why);
}

void root_flush(struct sandbox *sb)
{
	while (!list_empty(&sb->rootings)) {
		struct rooting *r = container_of(sb->rootings.next, struct rooting, link);

		image_drop(take_ptr(r->preparation));
		end(r, &sb->why);
	}
}
