/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hypervisor/keys_fixture.h"

#include <unistd.h>

#include "base/fd.h"

struct config *config_of(const char *lines, struct err *err)
{
	char path[] = "/tmp/hypervisor-test-XXXXXX.toml";
	auto_close int fd = mkstemps(path, 5);
	struct config *c;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_full(fd, lines, strlen(lines)), 0);
	c = config_load(path, err);
	unlink(path);
	return c;
}

char *key_error(const struct err *err)
{
	return xasprintf("error %d: %s", err->code, err_msg(err));
}

bool lines_set(const char *lines, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = lines; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, key, n) && p[n] == ' ')
			return true;
	return false;
}

struct vm_size size_for(const struct config *config, bool cpu_plug, bool memory_plug)
{
	static const struct size_host host = { .cpus = 4, .memory = 8000 };
	static const struct size_load none = { .vcpus = 0 };

	return size_boot(config, &host, &none, cpu_plug, memory_plug);
}

static bool is_meant(const struct config_key *key, unsigned bit, bool foreign)
{
	return key->section == SECTION_HYPERVISOR && !key->alias &&
	       !(key->hypervisors & bit) == foreign;
}

void keys_are_complete(const struct key_row *rows, size_t n, unsigned bit, bool foreign)
{
	for (size_t i = 0; i < config_key_count; i++) {
		bool found = false;

		for (size_t j = 0; j < n; j++)
			found = found || !strcmp(rows[j].key, config_keys[i].name);
		if (is_meant(&config_keys[i], bit, foreign) && !found)
			fail_msg("the key %s is in no row", config_keys[i].name);
	}
	for (size_t j = 0; j < n; j++) {
		const struct config_key *key = config_key_find(SECTION_HYPERVISOR, rows[j].key);

		if (!key || !is_meant(key, bit, foreign))
			fail_msg("%s is no such key", rows[j].key);
	}
}

static bool is_refusal(const char *line, const char *driver, const char *key)
{
	auto_free char *start = xasprintf("error -95: hypervisor.%s.%s: ", driver, key);

	return !strncmp(line, start, strlen(start));
}

static void check_row(const struct key_row *row, const char *driver, key_outcome outcome)
{
	const char *more = row->with ? row->with : "", *what = row->what;
	auto_free char *set = xasprintf("%s = %s", row->key, row->value);
	auto_free char *line = outcome(set, more);
	/* What goes with an image is its initrd's absence. */
	auto_free char *plain = outcome("", strcmp(row->key, "image") ? more : "");
	bool ok = false;

	switch (row->effect) {
	case CHANGES:
		ok = strstr(line, what) && !strstr(plain, what) && !strstr(line, "error ");
		break;
	case REMOVES:
		ok = strstr(plain, what) && !strstr(line, what) && !strstr(line, "error ");
		break;
	case REFUSED:
		ok = is_refusal(line, driver, row->key) && strstr(line, what);
		break;
	case ABOVE:
	case MOOT:
		ok = !strcmp(line, plain);
		break;
	}
	if (!ok || !strncmp(plain, "error ", 6))
		fail_msg("%s: wanted %s\n%s\nwithout it: %s", set, what, line, plain);
}

void keys_have_effect(const struct key_row *rows, size_t n, const char *driver, key_outcome outcome)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i], driver, outcome);
}

void lines_are_refused(const char *const *lines, size_t n, const char *driver, const char *more,
		       key_outcome outcome)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *line = outcome(lines[i], more);
		auto_free char *key = xstrndup(lines[i], strcspn(lines[i], " "));

		if (!is_refusal(line, driver, key))
			fail_msg("%s: %s", lines[i], line);
	}
}

void bad_lines_are_named(const struct bad_lines *cases, size_t n, key_outcome outcome)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *line = outcome(cases[i].lines, "");

		if (strncmp(line, "error ", 6) != 0 || !strstr(line, cases[i].what))
			fail_msg("%s: %s", cases[i].lines, line);
	}
}
