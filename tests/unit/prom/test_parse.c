/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of metrics that others wrote. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "prom/parse.h"

/* "KIND name [labels] rest" */
static char *describe(const char *text)
{
	static const char *const kinds[] = { "blank", "help", "type", "sample" };
	struct str s = STR_INIT;
	struct prom_line l;

	if (prom_parse(text, strlen(text), &l) < 0) {
		str_puts(&s, "refused");
		return str_take(&s);
	}
	str_printf(&s, "%s %.*s [%.*s] %.*s", kinds[l.kind], (int)l.name_len, l.name,
		   (int)l.labels_len, l.labels, (int)l.rest_len, l.rest);
	return str_take(&s);
}

static void lines(void **state)
{
	static const char *const cases[][2] = {
		{ "", "blank  [] " },
		{ "  \t", "blank  [] " },
		{ "# a comment", "blank  [] " },
		{ "#HELP a_b What  it is.", "help a_b [] What  it is." },
		{ "# HELP a_b", "help a_b [] " },
		{ "# TYPE a:b gauge", "type a:b [] gauge" },
		{ "# TYPE a nonsense", "refused" },
		{ "# TYPE a", "refused" },
		{ "# TYPE 9 gauge", "refused" },
		{ "# TYPE a{} gauge", "refused" },
		{ "# HELP a caf\xc3\xa9", "refused" },
		{ "a 1", "sample a [] 1" },
		{ "a\t-1.5e+09 ", "sample a [] -1.5e+09" },
		{ "a NaN", "sample a [] NaN" },
		{ "a +Inf 1395066363000", "sample a [] +Inf" },
		{ "a{} 1", "sample a [] 1" },
		{ "a {x=\"1\"} 1\r", "sample a [x=\"1\"] 1" },
		{ "a{x=\"1\",y_2=\"a}\\\"b\\\\\",} 1", "sample a [x=\"1\",y_2=\"a}\\\"b\\\\\"] 1" },
		{ "a", "refused" },
		{ "a 1 2 3", "refused" },
		{ "a b", "refused" },
		{ "a 0x10", "refused" },
		{ "a nan(1)", "refused" },
		{ "9a 1", "refused" },
		{ "a{x=1} 1", "refused" },
		{ "a{x=\"1\" 1", "refused" },
		{ "a{x=\"1} 1", "refused" },
		{ "a{x=\"\\q\"} 1", "refused" },
		{ "a{x=\"1\"y=\"2\"} 1", "refused" },
		{ "a{,} 1", "refused" },
		{ "a{x=\"1\",x=\"2\"} 1", "refused" },
		{ "a{x:y=\"1\"} 1", "refused" },
		{ "a{x=\"\xff\"} 1", "refused" },
		{ "a{x=\"\x01\"} 1", "refused" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *got = describe(cases[i][0]);

		if (strcmp(got, cases[i][1]) != 0)
			fail_msg("\"%s\": %s, not %s", cases[i][0], got, cases[i][1]);
	}
}

static void many_labels(void **state)
{
	auto_str struct str s = STR_INIT;
	struct prom_line l;

	(void)state;
	str_puts(&s, "a{");
	for (int i = 0; i < PROM_LABELS_MAX; i++)
		str_printf(&s, "l%d=\"\",", i);
	str_puts(&s, "} 1");
	assert_int_equal(prom_parse(s.data, s.len, &l), 0);
	assert_true(prom_has_label(&l, "l0"));
	assert_true(prom_has_label(&l, "l15"));
	assert_false(prom_has_label(&l, "l"));
	str_drop(&s, 2);
	assert_int_equal(prom_parse(s.data, s.len, &l), -EINVAL);
	str_free(&s);
	str_puts(&s, "a{more=\"\"");
	for (int i = 0; i < PROM_LABELS_MAX; i++)
		str_printf(&s, ",l%d=\"\"", i);
	str_puts(&s, "} 1");
	assert_int_equal(prom_parse(s.data, s.len, &l), -EINVAL);
}

static void what_an_agent_may_tell(void **state)
{
	static const char text[] = "# HELP kata_guest_load Guest system load.\n"
				   "# TYPE kata_guest_load gauge\n"
				   "kata_guest_load{item=\"load1\"} 0.5 1700000000000\n"
				   "kata_guest_load{item=\"load1\",sandbox_id=\"other\"} 9\n"
				   "kata_guest_load{cri_name=\"other\"} 9\n"
				   "kata_shim_fds 3\n"
				   "# TYPE kata_monitor_scrape_count counter\n"
				   "kata_agentx 1\nkata_agent_ 1\n"
				   "kata_guest_broken{ 1\n"
				   "go_threads 3\n"
				   "# TYPE process_open_fds gauge\n"
				   "process_open_fds 7\n"
				   "\n# nothing\n"
				   "kata_agent_threads 2";
	static const char want[] = "# HELP kata_guest_load Guest system load.\n"
				   "# TYPE kata_guest_load gauge\n"
				   "kata_guest_load{item=\"load1\"} 0.5\n"
				   "# TYPE kata_agent_process_open_fds gauge\n"
				   "kata_agent_process_open_fds 7\n"
				   "kata_agent_threads 2\n";
	auto_str struct str out = STR_INIT;

	(void)state;
	str_puts(&out, "x\n");
	prom_take_agents(text, 4096, &out);
	assert_string_equal(out.data + 2, want);
	/* Cut between lines. */
	str_free(&out);
	prom_take_agents(text, strlen(want) - 1, &out);
	assert_string_equal(out.data + out.len - strlen("kata_agent_process_open_fds 7\n"),
			    "kata_agent_process_open_fds 7\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(many_labels),
		cmocka_unit_test(what_an_agent_may_tell),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
