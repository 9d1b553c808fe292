/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hypervisor/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

#define GOLDEN_MAX 65536

void golden_check(const char *name, const char *text)
{
	auto_free char *path = path_join(GOLDEN_DIR, name);
	auto_str struct str want = STR_INIT;
	struct err err = ERR_INIT;

	if (getenv("GOLDEN_WRITE"))
		assert_int_equal(file_replace(path, text, strlen(text), 0644, NULL), 0);
	if (file_read(path, GOLDEN_MAX, &want, &err) < 0)
		fail_msg("%s", err_msg(&err));
	if (strcmp(str_text(&want), text) != 0)
		fail_msg("not as in %s:\n%s", path, text);
}

void golden_json(const char *name, struct json_object *json)
{
	auto_free char *text =
		xasprintf("%s\n", json_object_to_json_string_ext(
					  json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
							JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(json);
	golden_check(name, text);
}

void golden_words(const char *name, const struct strv *words)
{
	auto_str struct str text = STR_INIT;

	for (size_t i = 0; i < words->n; i++)
		str_printf(&text, "%s\n", words->v[i]);
	golden_check(name, str_text(&text));
}
