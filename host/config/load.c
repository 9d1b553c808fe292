/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the files, and laying each over what came before. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/config/keys.h"

#define FILE_MAX (1 << 20)

/* One file on its way into the configuration. */
struct loading {
	struct config *config;
	const char *file;
	struct err *err;
};

static int fail_at(struct loading *ld, const struct toml_node *node, const char *path,
		   const char *what)
{
	return err_set(ld->err, EINVAL, "%s:%u:%u: %s: %s", ld->file, node->line, node->col, path,
		       what);
}

/* A key of another hypervisor. */
static void warn_foreign(struct loading *ld, const struct toml_node *node, const char *path)
{
	strv_addf(&ld->config->warnings,
		  "%s:%u:%u: %s: hypervisor %s has no such key, it is ignored", ld->file,
		  node->line, node->key_col, path, ld->config->hypervisor.name);
}

/* @path is "" for the top of the file. */
static void warn_unknown(struct loading *ld, const struct toml_node *node, const char *path,
			 const struct config_key *nearest)
{
	auto_str struct str name = STR_INIT;

	toml_quote(&name, node->key, node->key_len);
	strv_addf(&ld->config->warnings, "%s:%u:%u: %s%s%s is not known and ignored%s%s%s",
		  ld->file, node->line, node->key_col, path, *path ? ": " : "", str_text(&name),
		  nearest ? "; did you mean " : "", nearest ? nearest->name : "",
		  nearest ? "?" : "");
}

static int check_table(struct loading *ld, const struct toml_node *node, const char *path)
{
	auto_free char *what = NULL;

	if (node->type == TOML_TABLE)
		return 0;
	what = xasprintf("must be a table, not %s", toml_type_name(node->type));
	return fail_at(ld, node, path, what);
}

/* Take over the table @node, which messages call @path. */
static int load_section(struct loading *ld, const struct toml_node *node, const char *path,
			enum config_section section)
{
	const struct toml_node *it;
	int ret = check_table(ld, node, path);

	for (it = node->first; !ret && it; it = it->next) {
		/* A name that holds a NUL is none of ours, whatever it begins with. */
		bool whole = strlen(it->key) == it->key_len;
		const struct config_key *key = whole ? config_key_find(section, it->key) : NULL;
		auto_free char *name = xasprintf("%s.%s", path, it->key);
		struct err why = ERR_INIT;

		if (key) {
			if (!(key->hypervisors &
			      config_hypervisor_bit(ld->config->hypervisor.name)))
				warn_foreign(ld, it, name);
			if (config_set(ld->config, key, it, &why))
				ret = fail_at(ld, it, name, err_msg(&why));
		} else if (section == SECTION_HYPERVISOR && !strcmp(it->key, "factory")) {
			ret = load_section(ld, it, name, SECTION_FACTORY);
		} else if (section == SECTION_AGENT && !strcmp(it->key, "mem_agent")) {
			ret = load_section(ld, it, name, SECTION_MEM_AGENT);
		} else if (section == SECTION_HYPERVISOR &&
			   !strcmp(it->key, "guest_extension_images")) {
			if (it->type != TOML_ARRAY || it->first)
				ret = fail_at(ld, it, name,
					      "images that extend the guest are not supported");
		} else {
			warn_unknown(ld, it, path, config_key_nearest(section, it->key));
		}
	}
	return ret;
}

/* The first file that has a table [hypervisor.X] settles X; no other may follow. */
static int choose_hypervisor(struct loading *ld, const struct toml_node *node, const char *path)
{
	struct config_hypervisor *h = &ld->config->hypervisor;
	unsigned bit = config_hypervisor_bit(node->key);
	auto_free char *what = NULL;

	if (!bit || strlen(node->key) != node->key_len) {
		what = xasprintf("no such hypervisor; there are %s", config_hypervisor_names());
		return fail_at(ld, node, path, what);
	}
	if (!h->name) {
		h->name = xstrdup(node->key);
		config_set_defaults(ld->config, bit);
	} else if (strcmp(h->name, node->key) != 0) {
		what = xasprintf("this configuration is one of hypervisor.%s, and there can be "
				 "one only",
				 h->name);
		return fail_at(ld, node, path, what);
	}
	return 0;
}

static int load_hypervisor(struct loading *ld, const struct toml_node *node)
{
	const struct toml_node *it;
	int ret = check_table(ld, node, "hypervisor");

	for (it = node->first; !ret && it; it = it->next) {
		auto_free char *path = xasprintf("hypervisor.%s", it->key);

		ret = choose_hypervisor(ld, it, path);
		if (!ret)
			ret = load_section(ld, it, path, SECTION_HYPERVISOR);
	}
	return ret;
}

static int load_agent(struct loading *ld, const struct toml_node *node)
{
	const struct toml_node *it;
	int ret = check_table(ld, node, "agent");

	for (it = node->first; !ret && it; it = it->next) {
		if (!strcmp(it->key, "kata"))
			ret = load_section(ld, it, "agent.kata", SECTION_AGENT);
		else
			warn_unknown(ld, it, "agent", NULL);
	}
	return ret;
}

static int load_root(struct loading *ld, const struct toml_node *root)
{
	const struct toml_node *it;
	int ret = 0;

	/* First of all, because the hypervisor decides the defaults of all sections. */
	it = toml_get(root, "hypervisor");
	if (it)
		ret = load_hypervisor(ld, it);
	if (!ret && !ld->config->hypervisor.name)
		return err_set(ld->err, EINVAL,
			       "%s: there is no table [hypervisor.NAME]; NAME is one of %s",
			       ld->file, config_hypervisor_names());
	for (it = root->first; !ret && it; it = it->next) {
		if (!strcmp(it->key, "agent"))
			ret = load_agent(ld, it);
		else if (!strcmp(it->key, "runtime"))
			ret = load_section(ld, it, "runtime", SECTION_RUNTIME);
		else if (!strcmp(it->key, "factory"))
			ret = load_section(ld, it, "factory", SECTION_FACTORY);
		else if (strcmp(it->key, "hypervisor") != 0)
			warn_unknown(ld, it, "", NULL);
	}
	return ret;
}

static int load_file(struct config *config, const char *path, struct err *err)
{
	struct loading ld = { config, path, err };
	struct toml_node *root = toml_parse_file(path, FILE_MAX, err);
	int ret;

	if (!root)
		return -EINVAL;
	ret = load_root(&ld, root);
	toml_free(root);
	return ret;
}

static int is_drop_in(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && str_ends(entry->d_name, ".toml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_drop_ins(struct config *config, struct err *err)
{
	auto_free char *dir = xasprintf(
		"%.*sconfig.d", (int)(strrchr(config->path, '/') + 1 - config->path), config->path);
	struct dirent **entries;
	int n, i, ret = 0;

	n = scandir(dir, &entries, is_drop_in, by_name);
	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(err, errno, "%s", dir);
	for (i = 0; i < n; i++) {
		auto_free char *path = path_join(dir, entries[i]->d_name);

		if (!ret)
			ret = load_file(config, path, err);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

#define DEFAULTS "/share/defaults/kata-containers/configuration.toml"

/*
 * What was installed elsewhere than in /usr has its defaults there: a program
 * PREFIX/bin/NAME whose PREFIX holds some does not look in /usr.
 */
static const char *installed_defaults(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size);
	char *bin = NULL;

	if (n > 0 && (size_t)n < size - sizeof(DEFAULTS)) {
		path[n] = '\0';
		*strrchr(path, '/') = '\0';
		bin = strrchr(path, '/');
	}
	if (!bin || strcmp(bin, "/bin") != 0)
		return "/usr" DEFAULTS;
	memcpy(bin, DEFAULTS, sizeof(DEFAULTS));
	return access(path, F_OK) == 0 ? path : "/usr" DEFAULTS;
}

const char *const *config_default_paths(void)
{
	static char path[PATH_MAX];
	static const char *paths[] = { "/etc/kata-containers/configuration.toml", NULL, NULL };

	paths[1] = installed_defaults(path, sizeof(path));
	return paths;
}

char *config_variant_path(const char *variant)
{
	const char *const *paths = config_default_paths();
	char *first = NULL;

	for (; *paths; paths++) {
		int dir = (int)(strrchr(*paths, '/') - *paths);
		char *path = xasprintf("%.*s/configuration-%s.toml", dir, *paths, variant);

		if (access(path, F_OK) == 0) {
			free(first);
			return path;
		}
		if (first)
			free(path);
		else
			first = path;
	}
	return first;
}

/* The resolved path of the configuration file; NULL and @err. */
static char *find_file(const char *explicit_path, struct err *err)
{
	auto_str struct str tried = STR_INIT;
	const char *const *path;
	struct stat st;

	if (!explicit_path || !*explicit_path)
		explicit_path = getenv("KATA_CONF_FILE");
	if (explicit_path && *explicit_path)
		return path_real(explicit_path, err);
	for (path = config_default_paths(); *path; path++) {
		/* lstat(), so that a dangling link is told and not passed over. */
		if (!lstat(*path, &st) || errno != ENOENT)
			return path_real(*path, err);
		str_printf(&tried, "%s%s", tried.len ? ", " : "", *path);
	}
	err_set(err, ENOENT, "there is none: looked for %s", str_text(&tried));
	return NULL;
}

struct config *config_load(const char *explicit_path, struct err *err)
{
	struct config *config = xcalloc(1, sizeof(*config));
	int ret;

	config->path = find_file(explicit_path, err);
	if (!config->path) {
		err_wrap(err, "configuration file");
		goto fail;
	}
	ret = load_file(config, config->path, err);
	if (!ret)
		ret = load_drop_ins(config, err);
	if (ret)
		goto fail;
	config_settle(config);
	config_note(config);
	if (config_validate(config, err)) {
		err_wrap(err, "%s", config->path);
		goto fail;
	}
	return config;
fail:
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	config_release(config);
	strv_free(&config->warnings);
	free(config->agent.policy);
	free(config->hypervisor.name);
	free(config->path);
	free(config);
}
