/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "toml/toml.h"

#define FILE_MAX  65536
#define HOTPLUG_S 3
#define WAIT_MAX  3600 /* seconds */

void config_init(struct agent_config *c)
{
	*c = (struct agent_config){
		.log_level = LOG_LEVEL_INFO,
		.hotplug_ms = HOTPLUG_S * 1000,
	};
}

void config_done(struct agent_config *c)
{
	free(c->server_addr);
	free(c->policy_file);
	c->server_addr = c->policy_file = NULL;
}

const char *config_unix_path(const struct agent_config *c)
{
	static const char scheme[] = "unix://";

	return c->server_addr && str_starts(c->server_addr, scheme) ?
		       c->server_addr + strlen(scheme) :
		       NULL;
}

/* ---- kinds of values --------------------------------------------------------- */

/* All values come as text; @at is the field. */
typedef int (*set_fn)(const char *key, const char *value, void *at, struct err *err);

static int set_level(const char *key, const char *value, void *at, struct err *err)
{
	/* The original's names for what is above an error and below debug. */
	if (!strcmp(value, "critical") || !strcmp(value, "fatal") || !strcmp(value, "panic"))
		value = "error";
	if (log_level_parse(value, at) < 0)
		return err_set(err, EINVAL, "agent.%s: unknown level \"%s\"", key, value);
	return 0;
}

static int set_number(const char *key, const char *value, long long max, long long *v,
		      struct err *err)
{
	if (str_to_ll(value, 0, max, v) < 0)
		return err_set(err, EINVAL, "agent.%s: \"%s\" is no number up to %lld", key, value,
			       max);
	return 0;
}

static int set_port(const char *key, const char *value, void *at, struct err *err)
{
	long long v;
	int r = set_number(key, value, UINT_MAX - 1, &v, err);

	if (r == 0)
		*(unsigned *)at = (unsigned)v;
	return r;
}

static int set_size(const char *key, const char *value, void *at, struct err *err)
{
	long long v;
	int r = set_number(key, value, INT_MAX, &v, err);

	if (r == 0)
		*(int *)at = (int)v;
	return r;
}

/* 0 is no time to wait; the original keeps its default then. */
static int set_seconds(const char *key, const char *value, void *at, struct err *err)
{
	long long v;
	int r = set_number(key, value, WAIT_MAX, &v, err);

	if (r == 0 && v > 0)
		*(int *)at = (int)v * 1000;
	return r;
}

static int parse_flag(const char *key, const char *value, bool *v, struct err *err)
{
	if (!*value || !strcmp(value, "true") || !strcmp(value, "1"))
		*v = true;
	else if (!strcmp(value, "false") || !strcmp(value, "0"))
		*v = false;
	else
		return err_set(err, EINVAL, "agent.%s: \"%s\" is neither true nor false", key,
			       value);
	return 0;
}

static int set_flag(const char *key, const char *value, void *at, struct err *err)
{
	return parse_flag(key, value, at, err);
}

static int set_text(const char *key, const char *value, void *at, struct err *err)
{
	char **text = at;

	(void)key;
	(void)err;
	free(*text);
	*text = *value ? xstrdup(value) : NULL;
	return 0;
}

/* For who works on the agent: all that it does is logged. */
static int set_devmode(const char *key, const char *value, void *at, struct err *err)
{
	bool on = false;
	int r = parse_flag(key, value, &on, err);

	if (r == 0 && on)
		*(enum log_level *)at = LOG_LEVEL_DEBUG;
	return r;
}

/* What this agent has not, asked for. */
static int set_unsupported(const char *key, const char *value, void *at, struct err *err)
{
	bool on = false;
	int r = parse_flag(key, value, &on, err);

	(void)at;
	if (r == 0 && on)
		log_warn("agent.%s: not supported, ignoring", key);
	return r;
}

static int set_nothing(const char *key, const char *value, void *at, struct err *err)
{
	(void)key;
	(void)value;
	(void)at;
	(void)err;
	return 0;
}

#define AT(field) offsetof(struct agent_config, field)

static const struct option {
	const char *word, *key; /* on the command line, in a file */
	set_fn set;
	size_t at;
} options[] = {
	{ "log", "log_level", set_level, AT(log_level) },
	{ "devmode", "dev_mode", set_devmode, AT(log_level) },
	{ "server_addr", "server_addr", set_text, AT(server_addr) },
	{ "policy_file", "policy_file", set_text, AT(policy_file) },
	{ "log_vport", "log_vport", set_port, AT(log_vport) },
	{ "debug_console", "debug_console", set_flag, AT(debug_console) },
	{ "debug_console_vport", "debug_console_vport", set_port, AT(debug_console_vport) },
	{ "passfd_listener_port", "passfd_listener_port", set_port, AT(passfd_vport) },
	{ "hotplug_timeout", "hotplug_timeout", set_seconds, AT(hotplug_ms) },
	{ "container_pipe_size", "container_pipe_size", set_size, AT(pipe_size) },
	{ "trace", "tracing", set_unsupported, 0 },
	{ "mem_agent_enable", "mem_agent_enable", set_unsupported, 0 },
	{ "visible_cdi_devices", "visible_cdi_devices", set_unsupported, 0 },
	/* They set up what this agent has not; without it they mean nothing. */
	{ "cdh_api_timeout", "cdh_api_timeout", set_nothing, 0 },
	{ "image_pull_timeout", "image_pull_timeout", set_nothing, 0 },
	{ "cdi_timeout", "cdi_timeout", set_nothing, 0 },
	{ "launch_process_timeout", "launch_process_timeout", set_nothing, 0 },
	{ "guest_components_rest_api", "guest_components_rest_api", set_nothing, 0 },
	{ "guest_components_procs", "guest_components_procs", set_nothing, 0 },
	{ "secure_storage_integrity", "secure_storage_integrity", set_nothing, 0 },
	{ "secure_image_storage_integrity", "secure_image_storage_integrity", set_nothing, 0 },
	{ "https_proxy", "https_proxy", set_nothing, 0 },
	{ "no_proxy", "no_proxy", set_nothing, 0 },
	{ NULL, "unified_cgroup_hierarchy", set_nothing, 0 }, /* it always is */
};

/* @file: by the name that it has in a file; each may be spelled as on the command line too. */
static const struct option *find_option(const char *name, bool file)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if ((options[i].word && !strcmp(options[i].word, name)) ||
		    (file && !strcmp(options[i].key, name)))
			return &options[i];
	return NULL;
}

static int set_option(struct agent_config *c, const struct option *o, const char *name,
		      const char *value, struct err *err)
{
	return o->set(name, value, (char *)c + o->at, err);
}

/* ---- the kernel's command line ------------------------------------------------- */

int config_word(struct agent_config *c, const char *word, struct err *err)
{
	auto_free char *name = NULL;
	const char *eq = strchr(word, '='), *value = eq ? eq + 1 : "";
	const struct option *o;

	if (str_starts(word, "reboot="))
		c->restart_ends = true;
	if (!str_starts(word, "agent."))
		return 0;
	word += strlen("agent.");
	name = eq ? xstrndup(word, (size_t)(eq - word)) : xstrdup(word);
	if (!strcmp(name, "config_file"))
		return config_file(c, value, err);
	o = find_option(name, false);
	return o ? set_option(c, o, name, value, err) : 0;
}

void config_cmdline(struct agent_config *c, const char *cmdline)
{
	auto_str struct str word = STR_INIT;
	bool quoted = false;

	for (const char *p = cmdline;; p++) {
		bool end = !*p || (!quoted && strchr(" \t\n", *p));

		if (!end) {
			if (*p == '"')
				quoted = !quoted;
			else
				str_putc(&word, *p);
			continue;
		}
		if (word.len > 0) {
			struct err err = ERR_INIT;

			if (config_word(c, word.data, &err) < 0)
				log_warn("kernel command line: %s, ignoring", err_msg(&err));
			str_free(&word);
		}
		if (!*p)
			return;
	}
}

/* ---- a file ------------------------------------------------------------------- */

/* The original writes a duration as a table { secs, nanos }. */
static int set_duration(struct agent_config *c, const struct option *o, const struct toml_node *n,
			struct err *err)
{
	const struct toml_node *secs = toml_get(n, "secs"), *nanos = toml_get(n, "nanos");
	int64_t ms;

	if (!secs || secs->type != TOML_INTEGER || (nanos && nanos->type != TOML_INTEGER) ||
	    secs->integer < 0 || secs->integer > WAIT_MAX ||
	    (nanos && (nanos->integer < 0 || nanos->integer > 999999999)))
		return err_set(err, EINVAL, "%s: not { secs, nanos }", n->key);
	ms = secs->integer * 1000 + (nanos ? nanos->integer / 1000000 : 0);
	if (o->set == set_seconds && ms > 0)
		*(int *)(void *)((char *)c + o->at) = (int)ms;
	return 0;
}

static int set_node(struct agent_config *c, const struct option *o, const struct toml_node *n,
		    struct err *err)
{
	bool text = o->set == set_text || o->set == set_level;
	bool flag = o->set == set_flag || o->set == set_devmode || o->set == set_unsupported;
	auto_free char *number = NULL;

	if (o->set == set_nothing)
		return 0;
	if (n->type == TOML_TABLE && o->set == set_seconds)
		return set_duration(c, o, n, err);
	if (n->type != (text ? TOML_STRING : flag ? TOML_BOOL : TOML_INTEGER))
		return err_set(err, EINVAL, "%s: %s is not what it takes", n->key,
			       toml_type_name(n->type));
	if (text)
		return set_option(c, o, n->key, n->string.data, err);
	if (flag)
		return set_option(c, o, n->key, n->boolean ? "true" : "false", err);
	number = xasprintf("%lld", (long long)n->integer);
	return set_option(c, o, n->key, number, err);
}

int config_file(struct agent_config *c, const char *path, struct err *err)
{
	struct err why = ERR_INIT;
	struct toml_node *root = toml_parse_file(path, FILE_MAX, &why);
	int r = 0;

	if (!root)
		return err_set(err, why.code, "%s", err_msg(&why));
	for (const struct toml_node *n = root->first; r == 0 && n; n = n->next) {
		const struct option *o = find_option(n->key, true);

		if (o)
			r = set_node(c, o, n, err);
		else if (!str_starts(n->key, "mem_agent_"))
			log_warn("%s:%u: unknown key %s, ignoring", path, n->line, n->key);
		if (r < 0)
			err_wrap(err, "%s:%u", path, n->line);
	}
	toml_free(root);
	return r;
}

/* ---- the environment ------------------------------------------------------------ */

int config_environment(struct agent_config *c, struct err *err)
{
	static const char *const names[][2] = { { "KATA_AGENT_SERVER_ADDR", "server_addr" },
						{ "KATA_AGENT_POLICY_FILE", "policy_file" },
						{ "KATA_AGENT_LOG_LEVEL", "log" },
						{ "KATA_AGENT_TRACING", "trace" } };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i][0]);

		if (value)
			r = set_option(c, find_option(names[i][1], false), names[i][1], value, err);
	}
	return r;
}
