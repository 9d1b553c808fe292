/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "host/cli/rights.h"

static void wants_root_of_the_host(void **state)
{
	static const struct {
		unsigned uid;
		const char *map, *says; /* NULL: fine */
	} cases[] = {
		{ 0, "         0          0 4294967295\n", NULL },
		{ 0, "         0          0     131072\n", NULL },
		{ 0, "", NULL },
		{ 1000, "         0          0 4294967295\n", "user 1000 has no rights" },
		{ 0, "         0       1000          1\n         1     100000      65536\n",
		  "root of a user namespace" },
		{ 0, "         0          0          1\n", "root of a user namespace" },
		{ 0, "         0     100000      65536\n", "root of a user namespace" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		int r = rights_judge(cases[i].uid, cases[i].map, &err);

		assert_int_equal(r, cases[i].says ? -EPERM : 0);
		if (cases[i].says)
			assert_non_null(strstr(err_msg(&err), cases[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(wants_root_of_the_host) };

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
