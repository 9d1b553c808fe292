/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/version.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host/hypervisor/child.h"
#include "host/hypervisor/memo.h"

/* No version's number is that large; a date or a hash may be. */
#define NUMBER_MAX 99999

struct version_ask {
	struct vm *vm;
	char *path;
	struct memo memo;
	struct child *child;
	struct loop_source *limit;
	bool slow;
};

/* The number at @p, at most NUMBER_MAX; its end, or NULL. */
static const char *number(const char *p, unsigned *value)
{
	*value = 0;
	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		*value = *value * 10 + (unsigned)(*p - '0');
		if (*value > NUMBER_MAX)
			return NULL;
	}
	return p;
}

/* Where the first "N.N" begins, or NULL. */
static const char *find(const char *text, struct hypervisor_version *version)
{
	for (const char *p = text; *p; p++) {
		const char *end;

		if (!isdigit((unsigned char)*p) || (p > text && isdigit((unsigned char)p[-1])))
			continue;
		end = number(p, &version->major);
		if (end && *end == '.' && number(end + 1, &version->minor))
			return p;
	}
	return NULL;
}

bool version_parse(const char *text, struct hypervisor_version *version)
{
	return find(text, version) != NULL;
}

char *version_word(const char *text)
{
	struct hypervisor_version version;
	const char *word = find(text, &version);
	size_t n = 0;

	if (!word)
		return NULL;
	while (n < VERSION_WORD_MAX && (isalnum((unsigned char)word[n]) || word[n] == '.' ||
					word[n] == '-' || word[n] == '+' || word[n] == '_'))
		n++;
	while (n > 0 && word[n - 1] == '.')
		n--;
	return xstrndup(word, n);
}

static bool is_before(const struct hypervisor_version *a, const struct hypervisor_version *b)
{
	return a->major != b->major ? a->major < b->major : a->minor < b->minor;
}

void version_judge(const struct hypervisor_facts *facts, const char *path, const char *text,
		   struct str *warning)
{
	const struct hypervisor_version *from = &facts->tried_from, *to = &facts->tried_to;
	bool any = to->major != 0 || to->minor != 0;
	struct hypervisor_version v;

	if (!version_parse(text, &v)) {
		str_printf(warning, "%s (%s): cannot tell its version from what %s prints: %.100s",
			   facts->title, path, facts->version_option, *text ? text : "nothing");
		return;
	}
	if (any && !is_before(&v, from) && !is_before(to, &v))
		return;
	str_printf(warning, "%s (%s) has the version %u.%u; this driver ", facts->title, path,
		   v.major, v.minor);
	if (!any)
		str_printf(warning, "has run no machine with any version yet");
	else if (!is_before(from, to))
		str_printf(warning, "was tried with %u.%u", to->major, to->minor);
	else
		str_printf(warning, "was tried with %u.%u to %u.%u", from->major, from->minor,
			   to->major, to->minor);
}

void version_note(const struct hypervisor_facts *facts, const char *path, const char *text)
{
	auto_str struct str warning = STR_INIT;

	version_judge(facts, path, text, &warning);
	if (warning.len)
		log_warn("%s", str_text(&warning));
	else
		log_debug("%s (%s): %s", facts->title, path, text);
}

static void on_answer(struct child *child, void *arg)
{
	struct version_ask *ask = arg;
	const struct hypervisor_facts *facts = ask->vm->ops->facts;
	auto_str struct str text = STR_INIT;

	loop_remove(&ask->limit);
	if (ask->slow) {
		log_warn("%s (%s): no answer to %s within %d ms", facts->title, ask->path,
			 facts->version_option, VERSION_LIMIT_MS);
		return;
	}
	child_output(child, &text);
	version_note(facts, ask->path, str_text(&text));
	if (child_succeeded(child))
		memo_write(&ask->memo, str_text(&text));
}

static void on_limit(void *arg)
{
	struct version_ask *ask = arg;

	ask->limit = NULL;
	ask->slow = true;
	child_kill(ask->child);
}

static int begin(struct version_ask *ask, struct err *err)
{
	const struct hypervisor_facts *facts = ask->vm->ops->facts;
	struct proc_spec spec = { 0 };

	spec.argv = (const char *const[]){ ask->path, facts->version_option, NULL };
	ask->child = child_start(ask->vm, ask->vm->ops->name, &spec, false, on_answer, ask, err);
	if (!ask->child)
		return err->code;
	ask->limit = loop_add_timer(ask->vm->loop, VERSION_LIMIT_MS, on_limit, ask);
	return 0;
}

struct version_ask *version_ask(struct vm *vm, const char *path)
{
	const struct hypervisor_facts *facts = vm->ops->facts;
	struct version_ask *ask;
	auto_free char *known = NULL;
	struct err err = ERR_INIT;

	if (!facts || !facts->version_option || facts->version_on_the_way)
		return NULL;
	ask = xcalloc(1, sizeof(*ask));
	ask->vm = vm;
	ask->path = xstrdup(path);
	memo_init(&ask->memo, memo_dir(), path, facts->version_option);
	known = memo_read(&ask->memo);
	if (known)
		version_note(facts, path, known);
	else if (begin(ask, &err) == 0)
		return ask;
	/* The start of the machine itself, which says the same, is about to fail. */
	if (err.code)
		log_debug("%s", err_msg(&err));
	version_ask_free(ask);
	return NULL;
}

void version_ask_free(struct version_ask *ask)
{
	if (!ask)
		return;
	loop_remove(&ask->limit);
	child_free(ask->child);
	memo_free(&ask->memo);
	free(ask->path);
	free(ask);
}
