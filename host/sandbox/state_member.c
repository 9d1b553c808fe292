/* SPDX-License-Identifier: Apache-2.0 */
/* Containers in the sandbox of another: each is found under its own ID. See state.h. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/state.h"
#include "host/sandbox/state_json.h"

static char *place_of(const char *root, const char *id)
{
	return path_join(root ? root : SANDBOX_ROOT, id);
}

char *state_sandbox_of(const char *root, const char *id)
{
	auto_free char *link = place_of(root, id);
	char target[NAME_MAX + 1];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return state_check_id(target, NULL) == 0 ? xstrdup(target) : NULL;
}

/* A link to a sandbox that is no more: whoever left it was killed. */
bool state_drop_dangling(const char *root, const char *id)
{
	auto_free char *sandbox = state_sandbox_of(root, id), *link = NULL, *dir = NULL;

	if (!sandbox)
		return false;
	dir = place_of(root, sandbox);
	link = place_of(root, id);
	return access(dir, F_OK) < 0 && errno == ENOENT && unlink(link) == 0;
}

int state_add_member(const struct sandbox_state *st, const char *id, struct err *err)
{
	auto_free char *link = place_of(st->root, id);

	if (!strcmp(id, st->id) || symlink(st->id, link) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, errno, "%s", link);
	if (state_drop_dangling(st->root, id) && symlink(st->id, link) == 0)
		return 0;
	return err_set(err, EEXIST, "container %s already exists", id);
}

void state_remove_member(const struct sandbox_state *st, const char *id)
{
	auto_free char *sandbox = state_sandbox_of(st->root, id);
	auto_free char *link = place_of(st->root, id);

	/* That of another sandbox is not ours. */
	if (sandbox && !strcmp(sandbox, st->id))
		(void)unlink(link);
}

void state_remove_members(const struct sandbox_state *st)
{
	for (size_t i = 0; i < st->n_containers; i++)
		state_remove_member(st, st->containers[i].id);
}

int state_load_container(const char *root, const char *id, struct sandbox_state **out,
			 struct err *err)
{
	struct sandbox_state *st = NULL;
	int r = state_load(root, id, &st, err);

	if (r < 0)
		return r;
	/* While it boots, a sandbox has none; it is its first container. */
	if (!state_find_container(st, id) && (st->n_containers > 0 || strcmp(st->id, id))) {
		state_free(st);
		return err_set(err, ENOENT, "container %s does not exist", id);
	}
	*out = st;
	return 0;
}

int state_clear_container(struct sandbox_state *st, const char *id, struct err *err)
{
	if (st->n_containers == 0 || (st->n_containers == 1 && state_find_container(st, id)))
		return state_clear(st, false, err);
	state_remove_member(st, id);
	state_remove_container(st, id);
	return state_save(st, err);
}
