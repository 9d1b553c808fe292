/* SPDX-License-Identifier: Apache-2.0 */
/* use: which hypervisor the containers to come get. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "host/cli/choice.h"
#include "host/cli/cli.h"

/* How many names for the new link are tried. */
#define TRIES 100

static struct {
	const char *dir;
} opt;

static const struct flag flags[] = {
	{ "dir", NULL, FLAG_STRING, &opt.dir, "DIR",
	  "where the link and the configurations are (default: where they are looked for)" },
	{ 0 },
};

static int unknown(const struct choice_place *place, const char *name, struct err *err)
{
	auto_strv struct strv names = { 0 };
	auto_str struct str list = STR_INIT;
	const struct hypervisor_row *row = strchr(name, '/') ? NULL : hypervisor_row_find(name);

	choice_names(place, &names);
	for (size_t i = 0; i < names.n; i++)
		str_printf(&list, "%s%s", i ? ", " : "", names.v[i]);
	return err_set(err, ENOENT, "%s \"%s\": there is no configuration-%s.toml in %s (%s%s)",
		       row ? "hypervisor" : "no such hypervisor", name,
		       row ? row->facts->file : "NAME", place->dirs.v[0],
		       names.n ? "there are " : "there are none", str_text(&list));
}

/* A file in the link's place is somebody's work. */
static int check_link(const struct choice_place *place, struct err *err)
{
	struct stat st;

	if (lstat(place->link, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", place->link);
	if (S_ISLNK(st.st_mode))
		return 0;
	return err_set(err, EEXIST,
		       "%s is no symbolic link, so it is not replaced: put what it changes into a "
		       "file of config.d beside it, or rename it to configuration-NAME.toml and "
		       "`use NAME`",
		       place->link);
}

/* What the link is to say: in its own directory a name, so that the tree can be moved. */
static char *target_for(const struct choice_place *place, const char *file)
{
	size_t dir = (size_t)(strrchr(place->link, '/') + 1 - place->link);

	if (!strncmp(place->link, file, dir) && !strchr(file + dir, '/'))
		return xstrdup(file + dir);
	return xstrdup(file);
}

static void sync_dir(const char *link)
{
	auto_free char *dir = xstrndup(link, (size_t)(strrchr(link, '/') + 1 - link));
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && fsync(fd) < 0)
		log_debug("%s: fsync failed", dir);
}

/* There is a link at all times: the old one, or the new one. */
static int switch_link(const char *link, const char *target, struct err *err)
{
	for (int i = 0; i < TRIES; i++) {
		auto_free char *fresh = xasprintf("%s.%d.%d", link, (int)getpid(), i);

		if (symlink(target, fresh) < 0) {
			if (errno == EEXIST)
				continue;
			return err_sys(err, errno, "cannot make a link beside %s", link);
		}
		if (rename(fresh, link) < 0) {
			int code = errno;

			unlink(fresh);
			return err_sys(err, code, "cannot replace %s", link);
		}
		sync_dir(link);
		return 0;
	}
	return err_set(err, EEXIST, "no name is free for a new link beside %s", link);
}

static char *read_link(const char *link)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target));

	return n > 0 ? xstrndup(target, (size_t)n) : NULL;
}

static void tell(const struct choice_place *place, const char *name, const char *from,
		 const char *to, const char *file)
{
	struct err why = ERR_INIT;

	if (from && !strcmp(from, to))
		printf("%s leads to %s already\n", place->link, to);
	else
		printf("%s: from %s to %s\n", place->link, from ? from : "nothing", to);
	/* By the link, whose drop-ins lie beside what it leads to. */
	if (choice_check(place->link, &why) == 0)
		printf("%s is usable on this host\n", name);
	else
		cli_warn("%s is not usable on this host: %s", name, err_msg(&why));
	log_info("use %s: %s", name, file);
}

static int use(const struct choice_place *place, const char *name, struct err *err)
{
	bool plain = *name && !strchr(name, '/');
	const struct hypervisor_row *row = plain ? hypervisor_row_find(name) : NULL;
	auto_free char *file = plain ? choice_file(place, row ? row->facts->file : name) : NULL;
	auto_free char *from = NULL, *to = NULL;
	int r;

	if (!file)
		return unknown(place, name, err);
	r = check_link(place, err);
	if (r < 0)
		return r;
	from = read_link(place->link);
	to = target_for(place, file);
	if (!from || strcmp(from, to) != 0)
		r = switch_link(place->link, to, err);
	if (r == 0)
		tell(place, row ? row->name : name, from, to, file);
	return r;
}

static int run(const struct cli *cli, int argc, char **argv, struct err *err)
{
	struct choice_place place;
	int r = choice_place(cli, opt.dir, &place, err);

	(void)argc;
	if (r == 0)
		r = use(&place, argv[0], err);
	choice_place_free(&place);
	return r;
}

const struct command cmd_use = {
	.name = "use",
	.args = "[options] NAME",
	.help = "choose the hypervisor for the containers to come",
	.more = "NAME is one of `kata-runtime hypervisors`, or that of a file configuration-NAME.toml.\n"
		"The symbolic link configuration.toml is replaced in one step; containers that run\n"
		"stay as they are.",
	.flags = flags,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
