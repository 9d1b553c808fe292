/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration files that are shipped, against the table of keys: each file
 * has every key of its hypervisor once, with a comment that says what it does and
 * what its default is, and that default is the one of the code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/config/keys.h"

#define DEFAULT "# Default: "

static const struct {
	const char *file, *hypervisor;
} files[] = {
	{ "qemu", "qemu" },
	{ "clh", "clh" },
	{ "fc", "firecracker" },
	{ "dragonball", "dragonball" },
	{ "stratovirt", "stratovirt" },
	{ "acrn", "acrn" },
};

/* What the files set to something else than the default, each for a reason of its own. */
static const char *const different[] = {
	"valid_hypervisor_paths", /* what is shipped may be chosen */
	"valid_ctlpaths",	  /* the same, here and below */
	"valid_jailer_paths",
	"valid_virtio_fs_daemon_paths",
	"valid_vhost_user_store_paths",
	"valid_entropy_sources",
	"jailer_path",		/* a jail is a choice; Kata's file makes it */
	"enable_annotations",	/* Kata's */
	"kernel_params",	/* Kata's: control groups of version 2 */
	"rootfs_type",		/* that of the image which is installed */
	"image",		/* one of the two must be there */
	"initrd",		/* the other */
	"cpu_features",		/* a faster start */
	"virtio_fs_extra_args", /* Kata's: one thread, mounts below the shared directory */
	"overhead_vcpus",	/* what the monitor was measured to take */
	"overhead_memory",	/* the same */
	"cdh_api_timeout",	/* Kata's */
};

static bool may_differ(const char *name, bool used[])
{
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		if (!strcmp(different[i], name)) {
			used[i] = true;
			return true;
		}
	return false;
}

static const char *section_name(enum config_section section)
{
	static const char *const names[] = {
		[SECTION_HYPERVISOR] = "hypervisor",
		[SECTION_AGENT] = "agent.kata",
		[SECTION_MEM_AGENT] = "agent.kata.mem_agent",
		[SECTION_RUNTIME] = "runtime",
		[SECTION_FACTORY] = "factory",
	};

	return names[section];
}

/* A configuration of @hypervisor that has @key set to the TOML value @value. */
static struct config *with(const char *hypervisor, const struct config_key *key, const char *value)
{
	char path[] = "/tmp/files-test-XXXXXX";
	auto_free char *text = NULL;
	struct err err = ERR_INIT;
	struct config *c;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	if (key->section == SECTION_HYPERVISOR)
		text = xasprintf("[hypervisor.%s]\n%s = %s\n", hypervisor, key->name, value);
	else
		text = xasprintf("[hypervisor.%s]\n[%s]\n%s = %s\n", hypervisor,
				 section_name(key->section), key->name, value);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	c = config_load(path, &err);
	unlink(path);
	if (!c)
		fail_msg("%s", err_msg(&err));
	return c;
}

static bool same(const struct config *a, const struct config *b, const struct config_key *key)
{
	const char *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
	const struct strv *v = (const void *)x, *w = (const void *)y;

	switch (key->type) {
	case CONFIG_STRING:
		return !strcmp(*(char *const *)x, *(char *const *)y);
	case CONFIG_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case CONFIG_INTEGER:
		return *(const int64_t *)x == *(const int64_t *)y;
	case CONFIG_FLOAT:
		return *(const double *)x == *(const double *)y;
	case CONFIG_LIST:
		break;
	}
	for (size_t i = 0; v->n == w->n && i < v->n; i++)
		if (strcmp(v->v[i], w->v[i]) != 0)
			return false;
	return v->n == w->n;
}

/* The start of the line before @line, which is not the first. */
static const char *line_before(const char *text, const char *line)
{
	const char *p = line - 1;

	while (p > text && p[-1] != '\n')
		p--;
	return p;
}

/* The line that gives @key its value, in the section that starts at @section. */
static const char *find_line(const char *section, const struct config_key *key)
{
	auto_free char *start = xasprintf("%s =", key->name);
	const char *line = section, *found = NULL;

	while (line && *line && *line != '[') {
		if (str_starts(line, start)) {
			assert_null(found);
			found = line;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return found;
}

static const char *find_section(const char *text, const char *hypervisor,
				enum config_section section)
{
	auto_free char *header = section == SECTION_HYPERVISOR ?
					 xasprintf("\n[hypervisor.%s]\n", hypervisor) :
					 xasprintf("\n[%s]\n", section_name(section));
	const char *p = strstr(text, header);

	if (!p)
		fail_msg("no %s", header);
	return p + strlen(header);
}

/* The comment above @line ends with the default, behind at least a line that explains. */
static char *default_of(const char *text, const char *line, const char *name)
{
	const char *last = line_before(text, line), *before = line_before(text, last);

	if (!str_starts(last, DEFAULT) || !str_starts(before, "# ") || strlen(before) < 20)
		fail_msg("%s: no comment with a default", name);
	last += strlen(DEFAULT);
	return xstrndup(last, strcspn(last, "\n"));
}

static void check_file(const char *file, const char *hypervisor, bool used[])
{
	auto_free char *path = xasprintf("%s/configuration-%s.toml", CONFIG_DIR, file);
	unsigned bit = config_hypervisor_bit(hypervisor);
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	struct config *shipped = config_load(path, &err), *bare;
	const struct config_key *key;

	if (!shipped || file_read(path, 1 << 20, &text, &err))
		fail_msg("%s", err_msg(&err));
	if (shipped->warnings.n)
		fail_msg("%s", shipped->warnings.v[0]);
	bare = with(hypervisor, config_key_find(SECTION_AGENT, "enable_debug"), "false");
	for (key = config_keys; key < config_keys + config_key_count; key++) {
		auto_free char *value = NULL;
		struct config *c;
		const char *section, *line;

		if (key->alias || !(key->hypervisors & bit))
			continue;
		section = find_section(str_text(&text), hypervisor, key->section);
		line = find_line(section, key);
		if (!line)
			fail_msg("%s: [%s] has no %s", path, section_name(key->section), key->name);
		value = default_of(str_text(&text), line, key->name);
		c = with(hypervisor, key, value);
		if (!same(c, bare, key))
			fail_msg("%s: %s: the default is not %s", path, key->name, value);
		if (!same(shipped, bare, key) && !may_differ(key->name, used))
			fail_msg("%s: %s: is not its default", path, key->name);
		config_free(c);
	}
	config_free(bare);
	config_free(shipped);
}

static void test_files(void **state)
{
	bool used[ARRAY_SIZE(different)] = { false };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		check_file(files[i].file, files[i].hypervisor, used);
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		if (!used[i])
			fail_msg("%s is its default in every file", different[i]);
}

/* The files name no key of which the table says that the hypervisor has it not. */
static void test_no_other_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *path =
			xasprintf("%s/configuration-%s.toml", CONFIG_DIR, files[i].file);
		unsigned bit = config_hypervisor_bit(files[i].hypervisor);
		struct err err = ERR_INIT;
		struct toml_node *root = toml_parse_file(path, 1 << 20, &err);
		const struct toml_node *it =
			toml_get(toml_get(root, "hypervisor"), files[i].hypervisor);

		assert_non_null(it);
		for (it = it->first; it; it = it->next) {
			const struct config_key *key = config_key_find(SECTION_HYPERVISOR, it->key);

			if (!key || key->alias || !(key->hypervisors & bit))
				fail_msg("%s: %s", path, it->key);
		}
		toml_free(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_other_keys),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
