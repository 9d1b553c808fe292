/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "broken\n:::\nu:x:1000:1001:U,,,:/home/u:/bin/sh\n"
			     "neg:x:-1:5:::\nbig:x:4294967295:5::/:\n"
			     "nohome:x:7:8:::\nlast:x:9:10:x:/last:/bin/sh";
static const char group[] = "root:x:0:\nu:x:1001:\nextra:x:2000:a,u,b\nuu:x:2001:uu\n"
			    "broken:x\nmore:x:2002:u";

static void test_home(void **state)
{
	auto_free char *home = user_home(passwd, 1000), *last = user_home(passwd, 9);

	(void)state;
	assert_string_equal(home, "/home/u");
	assert_string_equal(last, "/last");
	assert_null(user_home(passwd, 7));
	assert_null(user_home(passwd, 12345));
	assert_null(user_home("", 0));
}

static void test_find(void **state)
{
	struct user u = { .uid = 77, .gid = 78 };

	(void)state;
	assert_int_equal(user_find(passwd, group, "u", &u, NULL), 0);
	assert_int_equal(u.uid, 1000);
	assert_int_equal(u.gid, 1001);
	assert_int_equal(u.ngroups, 2);
	assert_int_equal(u.groups[0], 2000);
	assert_int_equal(u.groups[1], 2002);
	user_done(&u);
	assert_int_equal(user_find(passwd, group, "1000", &u, NULL), 0);
	assert_int_equal(u.ngroups, 2);
	user_done(&u);
	u.gid = 5;
	assert_int_equal(user_find(passwd, group, "4242", &u, NULL), 0);
	assert_int_equal(u.uid, 4242);
	assert_int_equal(u.gid, 5);
}

static void test_unknown(void **state)
{
	struct err err = ERR_INIT;
	struct user u = { .uid = 77 };
	gid_t gid = 5;

	(void)state;
	assert_int_equal(user_find(passwd, group, "nobody", &u, &err), -ENOENT);
	assert_non_null(strstr(err_msg(&err), "nobody"));
	/* (uid_t)-1 is nobody at all. */
	assert_int_equal(user_find(passwd, group, "big", &u, NULL), -ENOENT);
	assert_int_equal(user_find(passwd, group, "4294967295", &u, NULL), -ENOENT);
	assert_int_equal(user_find(passwd, group, "-1", &u, NULL), -ENOENT);
	assert_int_equal(u.uid, 77);
	assert_int_equal(group_find(group, "nobody", &gid, NULL), -ENOENT);
	assert_int_equal(gid, 5);
	assert_int_equal(group_find(group, "extra", &gid, NULL), 0);
	assert_int_equal(gid, 2000);
	assert_int_equal(group_find("", "123", &gid, NULL), 0);
	assert_int_equal(gid, 123);
}

static void test_groups(void **state)
{
	struct user u = { .uid = 0 };

	(void)state;
	for (gid_t g = 0; g < 2 * USER_GROUPS_MAX; g++) {
		user_add_group(&u, g);
		user_add_group(&u, g);
	}
	assert_int_equal(u.ngroups, USER_GROUPS_MAX);
	user_done(&u);
	user_done(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_groups),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
