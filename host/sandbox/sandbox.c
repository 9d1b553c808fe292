/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sandbox/sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/sandbox/core.h"
#include "host/sandbox/loopback.h"
#include "host/sandbox/names.h"
#include "host/sandbox/network.h"

int sandbox_new(struct loop *loop, const struct sandbox_options *opt, sandbox_died_cb died,
		void *arg, struct sandbox **out, struct err *err)
{
	struct sandbox_state *st;
	struct sandbox *sb;
	int r = state_check_id(opt->id, err);

	if (r < 0)
		return r;
	st = state_new(opt->root, opt->id);
	st->namespace = xstrdup(opt->namespace ? opt->namespace : "default");
	st->bundle = xstrdup(opt->bundle);
	st->address = xstrdup(opt->address);
	state_add_process(st, "shim", getpid());
	r = state_create(st, err);
	if (r < 0) {
		state_free(st);
		return r;
	}
	sb = xcalloc(1, sizeof(*sb));
	sb->loop = loop;
	sb->st = st;
	sb->standin = opt->pid;
	sb->died = died;
	sb->died_arg = arg;
	list_init(&sb->calls);
	list_init(&sb->containers);
	list_init(&sb->enders);
	list_init(&sb->resizers);
	list_init(&sb->disks);
	list_init(&sb->hookings);
	list_init(&sb->rootings);
	sb->boot_rootfs = xstrdup(opt->rootfs);
	sb->own_boot_rootfs = opt->own_rootfs;
	if (opt->disk)
		sandbox_disk_copy(&sb->root_disk, opt->disk);
	sb->runtime = opt->runtime ? *opt->runtime : (struct hook_place){ .root = -1 };
	*out = sb;
	return 0;
}

const struct config *sandbox_config(const struct sandbox *sb)
{
	return sb->config;
}

pid_t sandbox_pid(const struct sandbox *sb)
{
	return sb->vm ? vm_pid(sb->vm) : 0;
}

int sandbox_note_process(struct sandbox *sb, const char *name, pid_t pid, struct err *err)
{
	state_add_process(sb->st, name, pid);
	group_add(sb->group, pid);
	return state_save(sb->st, err);
}

int sandbox_forget_process(struct sandbox *sb, pid_t pid, struct err *err)
{
	state_remove_process(sb->st, pid);
	return state_save(sb->st, err);
}

int sandbox_set_status(struct sandbox *sb, const char *id, const char *status, struct err *err)
{
	struct state_container *c = state_find_container(sb->st, id);

	if (!c)
		return err_set(err, ENOENT, "container %s does not exist", id);
	free(c->status);
	c->status = xstrdup(status);
	return state_save(sb->st, err);
}

void sandbox_rest(struct sandbox *sb)
{
	if (sb->phase != PHASE_RUNNING || !sb->vm)
		return;
	err_set(&sb->link_why, ECANCELED, "all its containers have");
	link_down(sb);
	vm_stop(sb->vm);
}

/*
 * With a journal that is not empty, `delete` can still clear up what could not be undone. The
 * sockets beside it are the shim's, which after a boot that failed is there to be asked again.
 */
static void remove_state(const struct sandbox *sb)
{
	auto_free char *dir = path_join(sb->st->root, sb->st->id);
	auto_free char *file = path_join(dir, "state.json");

	if (sb->st->dirs.n > 0 || sb->st->mounts.n > 0 || sb->st->cgroups.n > 0 ||
	    sb->st->network.n > 0)
		return;
	state_remove_members(sb->st);
	if (unlink(file) < 0 && errno != ENOENT)
		log_error("sandbox %s: %s: %s", sb->st->id, file, strerror(errno));
	(void)rmdir(dir);
}

void sandbox_destroy(struct sandbox *sb)
{
	if (!sb)
		return;
	link_down(sb);
	vm_free(take_ptr(sb->vm));
	sb->phase = PHASE_ENDED;
	disks_end(sb);
	root_flush(sb);
	hooking_flush(sb);
	while (!list_empty(&sb->containers))
		container_free(container_of(sb->containers.next, struct container, link));
	names_end(sb);
	loopback_end(sb);
	network_end(sb);
	network_undo_stop(sb);
	call_flush(sb);
	network_free(take_ptr(sb->net));
	loop_remove(&sb->boot_limit);
	loop_remove(&sb->end_limit);
	loop_remove(&sb->end_step);
	loop_remove(&sb->oom_retry);
	if (sb->create)
		grpc__create_sandbox_request__free_unpacked(sb->create, NULL);
	remove_state(sb);
	share_free(sb->share);
	sandbox_disk_free(&sb->root_disk);
	image_root_release(&sb->boot_image);
	free(sb->boot_rootfs);
	free(sb->boot_disks);
	free(sb->run_dir);
	free(sb->own_dir);
	free(sb->first);
	group_free(sb->group);
	prom_histogram_free(&sb->rpcs);
	config_free(sb->config);
	state_free(sb->st);
	free(sb);
}
