/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/choice.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/version.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/version.h"

#define FILE_PREFIX "configuration-"
#define FILE_SUFFIX ".toml"

#define VERSION_TIMEOUT_MS 2000
#define VERSION_MAX	   4096

/* ---- places ------------------------------------------------------------------ */

/* The directory of the path @file. The caller frees. */
static char *dir_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash == file ? xstrdup("/") : xstrndup(file, (size_t)(slash - file));
}

static void add_dir(struct choice_place *place, char *dir)
{
	for (size_t i = 0; i < place->dirs.n; i++)
		if (!strcmp(place->dirs.v[i], dir)) {
			free(dir);
			return;
		}
	strv_take(&place->dirs, dir);
}

static char *absolute(const char *path)
{
	auto_free char *cwd = *path == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? path_join(cwd, path) : xstrdup(path);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* The configuration that is there, or whose directory is. NULL and @err. */
static char *default_link(struct err *err)
{
	const char *const *defaults = config_default_paths();
	auto_str struct str tried = STR_INIT;

	for (size_t i = 0; defaults[i]; i++)
		if (exists(defaults[i]))
			return xstrdup(defaults[i]);
	for (size_t i = 0; defaults[i]; i++) {
		auto_free char *dir = dir_of(defaults[i]);

		if (exists(dir))
			return xstrdup(defaults[i]);
		str_printf(&tried, "%s%s", i ? " nor " : "", dir);
	}
	err_set(err, ENOENT, "there is no directory of configurations: neither %s",
		str_text(&tried));
	return NULL;
}

int choice_place(const struct cli *cli, const char *dir, struct choice_place *place,
		 struct err *err)
{
	const char *const *defaults = config_default_paths();
	const char *given = cli->config && *cli->config ? cli->config : getenv("KATA_CONF_FILE");

	*place = (struct choice_place){ 0 };
	if (dir) {
		auto_free char *real = path_real(dir, err);

		if (!real)
			return err->code;
		place->link = path_join(real, CHOICE_LINK);
	} else {
		place->link = given && *given ? absolute(given) : default_link(err);
	}
	if (!place->link)
		return err->code;
	place->in_use = path_real(place->link, NULL);
	add_dir(place, dir_of(place->link));
	if (dir)
		return 0;
	if (place->in_use)
		add_dir(place, dir_of(place->in_use));
	for (size_t i = 0; defaults[i]; i++)
		add_dir(place, dir_of(defaults[i]));
	return 0;
}

void choice_place_free(struct choice_place *place)
{
	free(place->link);
	free(place->in_use);
	strv_free(&place->dirs);
	*place = (struct choice_place){ 0 };
}

char *choice_file(const struct choice_place *place, const char *name)
{
	auto_free char *file = xasprintf(FILE_PREFIX "%s" FILE_SUFFIX, name);

	for (size_t i = 0; i < place->dirs.n; i++) {
		auto_free char *path = path_join(place->dirs.v[i], file);
		struct stat st;

		if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
			return take_ptr(path);
	}
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_names(const char *dir, struct strv *names)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t len = strlen(e->d_name), around = strlen(FILE_PREFIX) + strlen(FILE_SUFFIX);

		if (len > around && str_starts(e->d_name, FILE_PREFIX) &&
		    str_ends(e->d_name, FILE_SUFFIX))
			strv_take(names, xstrndup(e->d_name + strlen(FILE_PREFIX), len - around));
	}
	if (d)
		closedir(d);
}

void choice_names(const struct choice_place *place, struct strv *names)
{
	struct strv all = { 0 };

	for (size_t i = 0; i < place->dirs.n; i++)
		add_names(place->dirs.v[i], &all);
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_text);
	for (size_t i = 0; i < all.n; i++)
		if (i == 0 || strcmp(all.v[i - 1], all.v[i]) != 0)
			strv_add(names, all.v[i]);
	strv_free(&all);
}

/* ---- a row ------------------------------------------------------------------- */

static char *ask_version(const struct hypervisor_facts *facts, const char *program)
{
	const char *const argv[] = { program, facts->version_option, NULL };
	auto_str struct str text = STR_INIT;
	struct err why = ERR_INIT;

	if (!facts->version_option)
		return xstrdup(kata_version);
	if (access(program, X_OK) < 0 ||
	    proc_run(argv, VERSION_TIMEOUT_MS, VERSION_MAX, &text, &why) < 0)
		return NULL;
	return version_word(str_text(&text));
}

static int check(const struct config *config, struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor_for(config, err);

	if (!ops)
		return err->code;
	return hypervisor_check_host(ops, config, err);
}

int choice_check(const char *file, struct err *err)
{
	struct config *config = config_load(file, err);
	int r = config ? check(config, err) : err->code;

	config_free(config);
	return r;
}

/* What its configuration says; 0 or why nothing can be done with it. */
static int look_inside(struct choice *c, struct err *err)
{
	struct config *config = config_load(c->file, err);
	int r;

	if (!config)
		return err->code;
	if (strcmp(config->hypervisor.name, c->row->name) != 0) {
		r = err_set(err, EINVAL, "%s is a configuration of %s", c->file,
			    config->hypervisor.name);
	} else {
		c->program = hypervisor_program(config);
		c->version = ask_version(c->row->facts, c->program);
		if (c->row->ops)
			c->caps = hypervisor_caps(c->row->ops, config);
		r = check(config, err);
	}
	config_free(config);
	return r;
}

void choice_look(const struct choice_place *place, const struct hypervisor_row *row,
		 struct choice *c)
{
	int r;

	*c = (struct choice){ .row = row,
			      .caps = row->ops ? row->ops->caps : 0,
			      .file = choice_file(place, row->facts->file) };
	if (c->file) {
		auto_free char *real = path_real(c->file, NULL);

		c->in_use = real && place->in_use && !strcmp(real, place->in_use);
		r = look_inside(c, &c->why);
	} else {
		r = err_set(&c->why, ENOENT, "there is no " FILE_PREFIX "%s" FILE_SUFFIX " in %s",
			    row->facts->file, place->dirs.v[0]);
	}
	if (!row->ops)
		r = err_set(&c->why, ENOTSUP, "this version has no driver for it");
	c->usable = r == 0;
}

void choice_free(struct choice *c)
{
	free(c->file);
	free(c->program);
	free(c->version);
	*c = (struct choice){ 0 };
}
