/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics that are written: all of it can be read again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "prom/histogram.h"
#include "prom/parse.h"
#include "prom/process.h"
#include "prom/text.h"

/* Each sample lies below the TYPE of its family. Returns how many there are. */
static size_t check(const char *text)
{
	char family[128] = "";
	size_t samples = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		struct prom_line l;

		if (prom_parse(text, len, &l) < 0)
			fail_msg("%.*s", (int)len, text);
		assert_int_not_equal(l.kind, PROM_BLANK);
		if (l.kind == PROM_TYPE)
			snprintf(family, sizeof(family), "%.*s", (int)l.name_len, l.name);
		if (l.kind == PROM_SAMPLE) {
			samples++;
			if (!*family || strncmp(l.name, family, strlen(family)) != 0)
				fail_msg("below %s: %.*s", family, (int)len, text);
		}
		text += len;
		assert_int_equal(*text, '\n');
		text++;
	}
	return samples;
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in %s", line, text);
}

static void numbers(void **state)
{
	static const struct {
		double value;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ -0.5, "-0.5" },
		{ 0.1, "0.1" },
		{ 123456789012345, "123456789012345" },
		{ 1e300, "1e+300" },
		{ INFINITY, "+Inf" },
		{ -INFINITY, "-Inf" },
		{ NAN, "NaN" },
		{ 1.0 / 3, "0.33333333333333331" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_str struct str s = STR_INIT;

		prom_number(&s, cases[i].value);
		assert_string_equal(s.data, cases[i].want);
	}
}

static void escapes(void **state)
{
	auto_str struct str s = STR_INIT;

	(void)state;
	str_puts(&s, "# TYPE a gauge\na{b=\"");
	prom_escape(&s, "x\"y\\z\n\t\x80w");
	str_puts(&s, "\"} 1\n");
	assert_string_equal(s.data, "# TYPE a gauge\na{b=\"x\\\"y\\\\z\\nw\"} 1\n");
	assert_int_equal(check(s.data), 1);
}

static void histograms(void **state)
{
	static const int64_t times[] = { 0, 1, 2, 3, 512, 513, -1 };
	auto_str struct str s = STR_INIT;
	struct prom_histogram h = { 0 };

	(void)state;
	prom_histogram_write(&h, &s, "x_", "ms", "Help.", "action");
	assert_string_equal(s.data, "# HELP x_ms Help.\n# TYPE x_ms histogram\n");
	str_free(&s);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		prom_observe(&h, "create", times[i]);
	prom_observe(&h, "start", 100);
	prom_histogram_write(&h, &s, "x_", "ms", "Help.", "action");
	has(s.data, "\nx_ms_bucket{action=\"create\",le=\"1\"} 3\n"
		    "x_ms_bucket{action=\"create\",le=\"2\"} 4\n"
		    "x_ms_bucket{action=\"create\",le=\"4\"} 5\n");
	has(s.data, "\nx_ms_bucket{action=\"create\",le=\"512\"} 6\n"
		    "x_ms_bucket{action=\"create\",le=\"+Inf\"} 7\n"
		    "x_ms_sum{action=\"create\"} 1031\nx_ms_count{action=\"create\"} 7\n");
	has(s.data, "\nx_ms_bucket{action=\"start\",le=\"64\"} 0\n"
		    "x_ms_bucket{action=\"start\",le=\"128\"} 1\n");
	assert_int_equal(check(s.data), 2 * (PROM_BUCKETS + 3));
	for (int i = 0; i < PROM_ACTIONS_MAX + 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "a%d", i);
		prom_observe(&h, name, 1);
	}
	assert_int_equal(h.n, PROM_ACTIONS_MAX);
	prom_histogram_free(&h);
	str_free(&s);
	prom_histogram_write(&h, &s, "x_", "ms", "Help.", NULL);
	has(s.data, "\nx_ms_bucket{le=\"1\"} 0\n");
	has(s.data, "\nx_ms_sum 0\nx_ms_count 0\n");
	assert_int_equal(check(s.data), PROM_BUCKETS + 3);
}

static void processes(void **state)
{
	static const char *const wanted[] = {
		"\nx_threads 1\n",
		"\nx_proc_stat{item=\"utime\"} ",
		"\nx_proc_stat{item=\"cstime\"} ",
		"\nx_proc_status{item=\"vmrss\"} ",
		"\nx_proc_status{item=\"voluntary_ctxt_switches\"} ",
		"\nx_proc_status{item=\"hugetlbpages\"} 0\n",
		"\nx_io_stat{item=\"rchar\"} ",
		"\nx_io_stat{item=\"readbytes\"} ",
		"\nx_io_stat{item=\"cancelledwritebytes\"} ",
		"\nx_fds ",
		"\nx_netdev{interface=\"lo\",item=\"recv_bytes\"} ",
		"\nx_netdev{interface=\"lo\",item=\"sent_compressed\"} ",
	};
	auto_str struct str s = STR_INIT;

	(void)state;
	prom_process(&s, "x_", "Test", getpid(), true);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		has(s.data, wanted[i]);
	assert_true(check(s.data) > 40);
	str_free(&s);
	prom_process(&s, "x_", "Test", 0x7fffffff, true);
	assert_string_equal(str_text(&s), "");
}

static void itself(void **state)
{
	auto_str struct str s = STR_INIT;

	(void)state;
	prom_self(&s, "x_");
	has(s.data, "\nx_process_open_fds ");
	has(s.data, "\nx_process_start_time_seconds 1");
	assert_int_equal(check(s.data), 7);
}

static void what_is_held(void **state)
{
	struct prom_usage a = { 0 }, b = { 0 };

	(void)state;
	prom_usage_add(&a, getpid(), true);
	assert_true(a.memory > 100 * 1024);
	prom_usage_add(&b, 0x7fffffff, true);
	assert_int_equal(b.memory + b.cpu_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),    cmocka_unit_test(escapes),
		cmocka_unit_test(histograms), cmocka_unit_test(processes),
		cmocka_unit_test(itself),     cmocka_unit_test(what_is_held),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
