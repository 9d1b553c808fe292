/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guest/agent/storage_mount.h"

static char dir[] = "/tmp/storage-mount-XXXXXX";

/* A tmpfs gets another size and keeps what it was mounted with. */
static void test_remount(void **state)
{
	char *first[] = { (char *)"noexec", (char *)"size=65536" };
	char *then[] = { (char *)"remount", (char *)"size=131072" };
	char *bad[] = { (char *)"size=nonsense" };
	Grpc__Storage s = GRPC__STORAGE__INIT;
	struct err err = ERR_INIT;
	struct statvfs v;

	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip();
	s.driver = (char *)"ephemeral";
	s.fstype = s.source = (char *)"tmpfs";
	s.mount_point = dir;
	s.options = first;
	s.n_options = ARRAY_SIZE(first);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(storage_mount(&s, NULL, &err), 0);
	s.options = then;
	assert_int_equal(storage_remount(&s, &err), 0);
	assert_int_equal(statvfs(dir, &v), 0);
	assert_int_equal(v.f_blocks * v.f_frsize, 131072);
	assert_true(v.f_flag & ST_NOEXEC);
	s.options = bad;
	s.n_options = 1;
	assert_int_equal(storage_remount(&s, &err), -EINVAL);
	assert_int_equal(storage_unmount(dir, &err), 0);
	assert_int_equal(storage_remount(&s, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remount),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
