/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define FILE_MAX 65536

void config_init(struct agent_config *c)
{
	*c = (struct agent_config){ .log_level = LOG_LEVEL_INFO };
}

void config_done(struct agent_config *c)
{
	free(c->server_addr);
	c->server_addr = NULL;
}

static int set_level(struct agent_config *c, const char *value, struct err *err)
{
	/* The original's names for what is above an error and below debug. */
	if (!strcmp(value, "critical") || !strcmp(value, "fatal") || !strcmp(value, "panic"))
		value = "error";
	if (log_level_parse(value, &c->log_level) < 0)
		return err_set(err, EINVAL, "agent.log: unknown level \"%s\"", value);
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

static int set_option(struct agent_config *c, const char *key, const char *value, struct err *err)
{
	long long v;
	int r = 0;

	if (!strcmp(key, "log") || !strcmp(key, "log_level"))
		return set_level(c, value, err);
	if (!strcmp(key, "devmode") && (!*value || !strcmp(value, "true")))
		c->log_level = LOG_LEVEL_DEBUG;
	if (!strcmp(key, "server_addr")) {
		free(c->server_addr);
		c->server_addr = *value ? xstrdup(value) : NULL;
	}
	if (!strcmp(key, "log_vport")) {
		r = set_number(key, value, UINT_MAX - 1, &v, err);
		if (r == 0)
			c->log_vport = (unsigned)v;
	}
	if (!strcmp(key, "container_pipe_size")) {
		r = set_number(key, value, INT_MAX, &v, err);
		if (r == 0)
			c->pipe_size = (int)v;
	}
	return r;
}

int config_word(struct agent_config *c, const char *word, struct err *err)
{
	auto_free char *key = NULL;
	const char *eq = strchr(word, '=');

	if (str_starts(word, "reboot="))
		c->restart_ends = true;
	if (!str_starts(word, "agent."))
		return 0;
	word += strlen("agent.");
	key = eq ? xstrndup(word, (size_t)(eq - word)) : xstrdup(word);
	return set_option(c, key, eq ? eq + 1 : "", err);
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

/* Without the blanks around it; changes @s. */
static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]))
		s[--n] = '\0';
	return s;
}

/* "text" → text; a comment behind a bare value is cut. */
static char *value_of(char *s)
{
	char *end;

	s = trim(s);
	if (*s != '"' && *s != '\'') {
		s[strcspn(s, "#")] = '\0';
		return trim(s);
	}
	end = strchr(s + 1, *s);
	if (end)
		*end = '\0';
	return s + 1;
}

int config_file(struct agent_config *c, const char *path, struct err *err)
{
	auto_str struct str text = STR_INIT;
	int r = file_read(path, FILE_MAX, &text, err);
	char *save = NULL;

	if (r < 0)
		return r;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *eq = strchr(l, '=');

		l = trim(l);
		if (*l == '[')
			break; /* tables come last in this language, and none is ours */
		if (*l == '#' || !eq)
			continue;
		*eq = '\0';
		r = set_option(c, trim(l), value_of(eq + 1), err);
		if (r < 0)
			return err_wrap(err, "%s", path);
	}
	return 0;
}

int config_environment(struct agent_config *c, struct err *err)
{
	const char *addr = getenv("KATA_AGENT_SERVER_ADDR");
	const char *level = getenv("KATA_AGENT_LOG_LEVEL");

	if (addr)
		(void)set_option(c, "server_addr", addr, NULL); /* cannot fail */
	return level ? set_option(c, "log", level, err) : 0;
}
