/* SPDX-License-Identifier: Apache-2.0 */
/* Which bind mounts reach a machine that shares no files, and how. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/volume.h"

static char base[] = "/tmp/test-volume-XXXXXX";

static int setup(void **state)
{
	static const char *const dirs[] = {
		"dir/sub",
		"pipes",
		"big",
		"k/kubernetes.io~secret/s",
		"k/kubernetes.io~configmap/c",
		"k/kubernetes.io~projected/p",
		"k/kubernetes.io~downward-api/d",
		"k/kubernetes.io~empty-dir/e/below",
		"k/kubernetes.io~csi/v",
	};
	int fd;

	(void)state;
	if (!mkdtemp(base) || chdir(base) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (dir_make(dirs[i], 0755, NULL) < 0)
			return -1;
	fd = open("file", O_CREAT | O_WRONLY, 0644);
	close(fd);
	fd = open("big/one", O_CREAT | O_WRONLY, 0644);
	if (fd < 0 || ftruncate(fd, VOLUME_BYTES_MAX + 1) < 0)
		return -1;
	close(fd);
	return mkfifo("pipe", 0600) < 0 || mkfifo("pipes/fifo", 0600) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return chdir("/") < 0 ? -1 : tree_remove(base, NULL);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *source;
		bool read_only;
		int r;
		enum volume_kind kind;
		const char *why;
	} cases[] = {
		{ "file", false, 0, VOLUME_COPY, NULL },
		{ "file", true, 0, VOLUME_COPY, NULL },
		{ "dir", true, 0, VOLUME_COPY, NULL },
		{ "dir", false, -EOPNOTSUPP, 0, "/dir would not reach the host" },
		{ "k/kubernetes.io~secret/s", false, 0, VOLUME_WATCH, NULL },
		{ "k/kubernetes.io~configmap/c", true, 0, VOLUME_WATCH, NULL },
		{ "k/kubernetes.io~projected/p", false, 0, VOLUME_WATCH, NULL },
		{ "k/kubernetes.io~downward-api/d", false, 0, VOLUME_WATCH, NULL },
		{ "k/kubernetes.io~empty-dir/e", false, 0, VOLUME_LOCAL, NULL },
		/* Only the volume itself is what its name says. */
		{ "k/kubernetes.io~empty-dir/e/below", false, -EOPNOTSUPP, 0, "would not reach" },
		{ "k/kubernetes.io~csi/v", false, -EOPNOTSUPP, 0, "would not reach" },
		{ "pipe", false, -EOPNOTSUPP, 0, "/pipe is a pipe" },
		{ "pipes", true, -EOPNOTSUPP, 0, "holds the pipe fifo" },
		{ "big", true, -E2BIG, 0, "too large" },
		{ "big/one", true, -E2BIG, 0, "too large" },
		{ "nowhere", true, -ENOENT, 0, "No such file" },
	};
	const struct source_place here = SOURCE_HERE;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_free char *source = path_join(base, cases[i].source);
		char *options[] = { (char *)"rbind", (char *)(cases[i].read_only ? "ro" : "rw") };
		Grpc__Mount m = GRPC__MOUNT__INIT;
		enum volume_kind kind;
		struct err err = ERR_INIT;

		m.source = source;
		m.destination = (char *)"/in/it";
		m.type = (char *)"bind";
		m.options = options;
		m.n_options = ARRAY_SIZE(options);
		assert_int_equal(volume_kind(&here, &m, &kind, &err), cases[i].r);
		if (cases[i].r == 0) {
			assert_int_equal(kind, cases[i].kind);
			continue;
		}
		assert_non_null(strstr(err_msg(&err), "mount /in/it: "));
		assert_non_null(strstr(err_msg(&err), cases[i].why));
	}
}

/* What the guest has itself is nobody's concern. */
static void test_not_ours(void **state)
{
	Grpc__Mount tmp = GRPC__MOUNT__INIT, shm = GRPC__MOUNT__INIT, *mounts[] = { &tmp, &shm };
	const struct source_place here = SOURCE_HERE;
	Grpc__Spec spec = GRPC__SPEC__INIT;

	(void)state;
	tmp.source = tmp.type = (char *)"tmpfs";
	tmp.destination = (char *)"/tmp";
	shm.source = (char *)"/nowhere/shm";
	shm.type = (char *)"bind";
	shm.destination = (char *)"/dev/shm";
	spec.mounts = mounts;
	spec.n_mounts = 2;
	assert_int_equal(volumes_check(&here, &spec, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_not_ours),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
