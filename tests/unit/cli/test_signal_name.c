/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "host/cli/signal_name.h"

static void knows_names_and_numbers(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = {
		{ "TERM", SIGTERM },
		{ "SIGTERM", SIGTERM },
		{ "sigterm", SIGTERM },
		{ "kill", SIGKILL },
		{ "9", 9 },
		{ "0", 0 },
		{ "1", 1 },
		{ "64", 64 },
		{ "WINCH", SIGWINCH },
		{ "SYS", SIGSYS },
		{ "CLD", SIGCHLD },
		{ "IOT", SIGABRT },
		{ "POLL", SIGIO },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "RTMAX-1", 63 },
		{ "rtmax", 64 },
		{ "RTMIN+30", 64 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		int r = signal_parse(cases[i].text, &err);

		if (r != cases[i].number)
			fail_msg("%s: %d %s", cases[i].text, r, err.msg);
	}
}

static void refuses_the_rest(void **state)
{
	static const char *const cases[] = { "",	   "SIG",      "00x",
					     "65",	   "-1",       "9x",
					     "TERMX",	   "RTMIN-1",  "RTMIN+31",
					     "RTMAX+1",	   "RTMAX-31", "RTMIN+",
					     "SIGSIGTERM", " 9",       "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;

		if (signal_parse(cases[i], &err) != -EINVAL)
			fail_msg("%s: accepted", cases[i]);
		assert_true(err.msg[0] == '"');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_names_and_numbers),
		cmocka_unit_test(refuses_the_rest),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
