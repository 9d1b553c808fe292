/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/table.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define COLUMNS	  6
#define WIDTH_MIN 12
#define GAP	  3

static const char *cell(const struct view *v, size_t column, const char *pid)
{
	switch (column) {
	case 0:
		return v->id;
	case 1:
		return pid;
	case 2:
		return v->status;
	case 3:
		return v->bundle;
	case 4:
		return v->created;
	default:
		return v->owner;
	}
}

void table_print(const struct view *views, size_t n, FILE *out)
{
	static const char *const names[COLUMNS] = { "ID",     "PID",	 "STATUS",
						    "BUNDLE", "CREATED", "OWNER" };
	size_t width[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++) {
		width[c] = strlen(names[c]) + GAP;
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(cell(&views[i], c, "4194304")) + GAP;

			width[c] = len > width[c] ? len : width[c];
		}
		width[c] = width[c] < WIDTH_MIN ? WIDTH_MIN : width[c];
	}
	for (size_t c = 0; c < COLUMNS; c++)
		fprintf(out, "%-*s", c + 1 < COLUMNS ? (int)width[c] : 0, names[c]);
	fputc('\n', out);
	for (size_t i = 0; i < n; i++) {
		auto_free char *pid = xasprintf("%d", (int)views[i].pid);

		for (size_t c = 0; c < COLUMNS; c++)
			fprintf(out, "%-*s", c + 1 < COLUMNS ? (int)width[c] : 0,
				cell(&views[i], c, pid));
		fputc('\n', out);
	}
}

void table_print_json(const struct view *views, size_t n, FILE *out)
{
	json_object *list = n > 0 ? json_object_new_array() : NULL;

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, view_json(&views[i]));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
}
