/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

char dir[] = "/tmp/config-test-XXXXXX";

int config_setup(void **state)
{
	(void)state;
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

int config_teardown(void **state)
{
	(void)state;
	return tree_remove(dir, NULL);
}

void put(const char *name, const char *text)
{
	auto_free char *path = path_join(dir, name);
	auto_free char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	struct err err = ERR_INIT;

	assert_int_equal(dir_make(parent, 0755, &err), 0);
	assert_int_equal(file_replace(path, text, strlen(text), 0644, &err), 0);
}

struct config *load(const char *name)
{
	auto_free char *path = path_join(dir, name);
	struct err err = ERR_INIT;
	struct config *config = config_load(path, &err);

	if (!config)
		fail_msg("%s", err_msg(&err));
	return config;
}

struct config *load_text(const char *text)
{
	put("c.toml", text);
	return load("c.toml");
}

void assert_refused(const char *msg)
{
	auto_free char *path = path_join(dir, "c.toml"), *prefix = xasprintf("%s/", dir);
	struct err err = ERR_INIT;
	const char *got;

	assert_null(config_load(path, &err));
	got = err_msg(&err);
	if (str_starts(got, prefix))
		got += strlen(prefix);
	assert_string_equal(got, msg);
	assert_true(err.code < 0);
}
