/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table of hypervisors, and what is made of a program's version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/hypervisor/version.h"

static void rows(void **state)
{
	static const char *const names[] = { "qemu",	   "clh",  "firecracker", "dragonball",
					     "stratovirt", "acrn", NULL };
	size_t n = 0;

	(void)state;
	for (const struct hypervisor_row *r = hypervisor_rows(); r->name; r++, n++) {
		assert_non_null(r->facts->title);
		assert_non_null(r->facts->written_in);
		assert_non_null(r->facts->architectures);
		assert_non_null(r->facts->good_for);
		assert_true(r->facts->type == 1 || r->facts->type == 2);
		if (r->ops)
			assert_ptr_equal(r->ops, hypervisor_find(r->name, NULL));
		else
			assert_null(hypervisor_find(r->name, NULL));
	}
	assert_int_equal(n, 6);
	for (size_t i = 0; names[i]; i++) {
		const struct hypervisor_row *r = hypervisor_row_find(names[i]);

		assert_non_null(r);
		assert_string_equal(r->name, names[i]);
		assert_ptr_equal(hypervisor_row_find(r->facts->file), r);
	}
	assert_string_equal(hypervisor_row_find("fc")->name, "firecracker");
	assert_string_equal(hypervisor_row_find("cloud-hypervisor")->name, "clh");
	assert_string_equal(hypervisor_row_find("built-in")->name, "dragonball");
	/* For tests alone. */
	assert_null(hypervisor_row_find("fake"));
	assert_null(hypervisor_row_find(""));
}

static void parsing(void **state)
{
	static const struct {
		const char *text;
		unsigned major, minor;
		const char *word; /* NULL: no version */
	} cases[] = {
		{ "QEMU emulator version 7.2.22 (Debian 1:7.2)", 7, 2, "7.2.22" },
		{ "Firecracker v1.12.1\n\n2026-01-01", 1, 12, "1.12.1" },
		{ "cloud-hypervisor v51.1.0", 51, 1, "51.1.0" },
		{ "StratoVirt 2.4.0.", 2, 4, "2.4.0" },
		{ "DM version is: 3.3-unstable-1234567 (daily tag: x)", 3, 3,
		  "3.3-unstable-1234567" },
		{ "of 123456789.1, 4.5", 4, 5, "4.5" },
		{ "version 7", 0, 0, NULL },
		{ "7.", 0, 0, NULL },
		{ "", 0, 0, NULL },
		{ "99999999999999999999", 0, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *word = version_word(cases[i].text);
		struct hypervisor_version v;

		assert_int_equal(version_parse(cases[i].text, &v), cases[i].word != NULL);
		assert_int_equal(word != NULL, cases[i].word != NULL);
		if (word) {
			assert_string_equal(word, cases[i].word);
			assert_int_equal(v.major, cases[i].major);
			assert_int_equal(v.minor, cases[i].minor);
		}
	}
}

static char *judge(const struct hypervisor_facts *facts, const char *text)
{
	struct str out = STR_INIT;

	version_judge(facts, "/x", text, &out);
	return str_take(&out);
}

static void judging(void **state)
{
	struct hypervisor_facts facts = {
		.title = "X", .version_option = "-v", .tried_from = { 1, 9 }, .tried_to = { 2, 3 }
	};
	static const char *const good[] = { "1.9", "1.10", "2.0", "2.3.9" };
	static const char *const bad[] = { "1.8", "0.99", "2.4", "3.0", "garbage", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		auto_free char *text = judge(&facts, good[i]);

		assert_true(!text || !*text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_free char *text = judge(&facts, bad[i]);

		assert_non_null(strstr(text, "X (/x)"));
	}
	{
		auto_free char *text = judge(&facts, "2.4-rc1");

		assert_string_equal(text, "X (/x) has the version 2.4; this driver was tried with "
					  "1.9 to 2.3");
	}
	facts.tried_from = facts.tried_to;
	{
		auto_free char *text = judge(&facts, "2.2");

		assert_string_equal(text, "X (/x) has the version 2.2; this driver was tried with "
					  "2.3");
	}
	facts.tried_from = facts.tried_to = (struct hypervisor_version){ 0, 0 };
	{
		auto_free char *text = judge(&facts, "1.9");

		assert_string_equal(text, "X (/x) has the version 1.9; this driver has run no "
					  "machine with any version yet");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(parsing),
		cmocka_unit_test(judging),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
