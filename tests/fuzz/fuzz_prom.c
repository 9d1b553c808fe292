/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest's agent tells as its metrics: what is taken of it is well-formed, has none of
 * the labels and names that are not its own, and is taken the same a second time.
 */
#include <string.h>

#include "fuzz.h"
#include "prom/parse.h"

#define MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = STR_INIT, out = STR_INIT, again = STR_INIT;

	str_add(&in, data, size);
	prom_take_agents(str_text(&in), MAX, &out);
	must(out.len <= MAX);
	for (const char *p = str_text(&out); *p; p = strchr(p, '\n') + 1) {
		struct prom_line l;

		must(prom_parse(p, strcspn(p, "\n"), &l) == 0 && l.kind != PROM_BLANK);
		must(!strncmp(l.name, "kata_agent_", 11) || !strncmp(l.name, "kata_guest_", 11));
		must(!prom_is_marked(&l));
	}
	prom_take_agents(str_text(&out), MAX, &again);
	must(out.len == again.len && (out.len == 0 || !memcmp(out.data, again.data, out.len)));
	str_free(&in);
	str_free(&out);
	str_free(&again);
	return 0;
}
