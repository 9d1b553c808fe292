/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define HELP_COLUMN 32

static bool is_named(const char *name, const char *text, size_t len)
{
	return name && strlen(name) == len && strncmp(name, text, len) == 0;
}

static const struct flag *find(const struct flag *flags, const char *text, size_t len)
{
	for (; flags->name; flags++)
		if (is_named(flags->name, text, len) || is_named(flags->alias, text, len))
			return flags;
	return NULL;
}

static int set_bool(const struct flag *f, const char *value, struct err *err)
{
	if (!value || strcmp(value, "true") == 0)
		*(bool *)f->value = true;
	else if (strcmp(value, "false") == 0)
		*(bool *)f->value = false;
	else
		return err_set(err, EINVAL, "flag --%s takes true or false, not \"%s\"", f->name,
			       value);
	return 0;
}

static void set_text(const struct flag *f, char *value)
{
	if (f->kind == FLAG_LIST)
		strv_add(f->value, value);
	else
		*(const char **)f->value = value;
}

/* The flag at the start of @argv. Returns how many arguments it takes. */
static int parse_one(const struct flag *flags, int argc, char **argv, bool *help, struct err *err)
{
	char *name = argv[0] + (argv[0][1] == '-' ? 2 : 1), *value;
	size_t len = strcspn(name, "=");
	const struct flag *f = find(flags, name, len);
	int r;

	value = name[len] ? name + len + 1 : NULL;
	if (!f && (is_named("help", name, len) || is_named("h", name, len))) {
		*help = true;
		return 1;
	}
	if (!f)
		return err_set(err, EINVAL, "flag provided but not defined: %.*s",
			       (int)(name - argv[0] + (ptrdiff_t)len), argv[0]);
	if (f->kind == FLAG_BOOL) {
		r = set_bool(f, value, err);
		return r < 0 ? r : 1;
	}
	if (!value && argc == 1)
		return err_set(err, EINVAL, "flag needs an argument: --%s %s", f->name, f->arg);
	set_text(f, value ? value : argv[1]);
	return value ? 1 : 2;
}

static bool is_flag(const char *arg)
{
	return arg[0] == '-' && arg[1];
}

int flags_parse(const struct flag *flags, int argc, char **argv, bool *help, struct err *err)
{
	int i = 0;

	while (i < argc && is_flag(argv[i]) && !*help) {
		int r = 1;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		r = parse_one(flags, argc - i, argv + i, help, err);
		if (r < 0)
			return r;
		i += r;
	}
	return i;
}

int flags_parse_all(const struct flag *flags, int argc, char **argv, bool *help, struct err *err)
{
	char **words = xcalloc((size_t)argc + 1, sizeof(*words));
	int n = 0, i = 0, r = 0;

	while (i < argc && !*help && r >= 0) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (!is_flag(argv[i])) {
			words[n++] = argv[i++];
			continue;
		}
		r = parse_one(flags, argc - i, argv + i, help, err);
		i += r < 0 ? 0 : r;
	}
	/* What is left is no flag, and comes last. */
	if (r >= 0 && n > 0)
		memcpy(argv + i - n, words, (size_t)n * sizeof(*words));
	if (r >= 0)
		r = i - n;
	free(words);
	return r;
}

int flags_parse_mixed(const struct flag *flags, int argc, char **argv, char **word, struct err *err)
{
	bool help = false;

	for (;;) {
		int r = flags_parse(flags, argc, argv, &help, err);

		if (r < 0)
			return r;
		if (help)
			return err_set(err, EINVAL, "--help stands before the action");
		argc -= r;
		argv += r;
		if (argc == 0)
			return 0;
		if (*word)
			return err_set(err, EINVAL, "too many arguments: \"%s\"", argv[0]);
		*word = *argv++;
		argc--;
	}
}

static void print_one(const char *name, const char *alias, const char *arg, const char *help,
		      FILE *out)
{
	auto_str struct str left = STR_INIT;

	str_printf(&left, "--%s", name);
	if (alias)
		str_printf(&left, ", %s%s", alias[1] ? "--" : "-", alias);
	if (arg)
		str_printf(&left, " %s", arg);
	/* A long one has a line to itself. */
	if (left.len > HELP_COLUMN)
		str_printf(&left, "\n   %*s", HELP_COLUMN, "");
	fprintf(out, "   %-*s  %s\n", HELP_COLUMN, str_text(&left), help);
}

void flags_print(const struct flag *flags, FILE *out)
{
	for (; flags && flags->name; flags++)
		print_one(flags->name, flags->alias, flags->arg, flags->help, out);
	print_one("help", "h", NULL, "show this text", out);
}
