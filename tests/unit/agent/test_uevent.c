/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/uevent.h"

static void test_parse(void **state)
{
	static const char msg[] =
		"add@/devices/x/block/vdb\0ACTION=add\0DEVPATH=/devices/x/block/vdb\0"
		"SUBSYSTEM=block\0MAJOR=254\0DEVNAME=vdb\0NOVALUE\0=\0SEQNUM=1";
	struct uevent e;

	(void)state;
	assert_true(uevent_parse(msg, sizeof(msg), &e));
	assert_string_equal(e.action, "add");
	assert_string_equal(e.devpath, "/devices/x/block/vdb");
	assert_string_equal(e.subsystem, "block");
	assert_string_equal(e.devname, "vdb");
}

static void test_others(void **state)
{
	static const struct {
		const char *msg;
		size_t len;
	} bad[] = {
		{ "", 0 },
		{ "", 1 },
		{ "libudev\0\xfe\xed", 10 },
		{ "add@/x\0ACTION=add\0DEVPATH=/x", 27 }, /* no end */
		{ "add@/x\0ACTION=add\0", 18 },
		{ "add@/x\0DEVPATH=/x\0", 18 },
		{ "add@/x\0ACTION=\0DEVPATH=\0", 24 },
	};
	struct uevent e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(uevent_parse(bad[i].msg, bad[i].len, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
