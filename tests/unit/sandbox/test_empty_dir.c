/* SPDX-License-Identifier: Apache-2.0 */
/* Which mounts are emptyDirs of the guest's, and what the agent is to make for them. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/sandbox/empty_dir.h"

#define VOLUMES "pod/volumes/kubernetes.io~empty-dir/"
#define PARTS	"pod/volume-subpaths/"
#define GUEST	"/run/kata-containers/sandbox/"

static char base[] = "/tmp/test-empty-dir-XXXXXX";
static bool mounted, huge;
static const struct source_place here = SOURCE_HERE;

static int setup(void **state)
{
	static const char *const dirs[] = {
		VOLUMES "disk/a/b",    VOLUMES "memory",
		VOLUMES "huge",	       PARTS "disk/one/0",
		PARTS "disk/one/1",    PARTS "memory/one/0",
		PARTS "nowhere/one/0", "pod/volumes/kubernetes.io~csi/other",
	};

	(void)state;
	if (!mkdtemp(base) || chdir(base) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (dir_make(dirs[i], 0755, NULL) < 0)
			return -1;
	if (chmod(VOLUMES "disk", 02770) < 0)
		return -1;
	/* In a mount namespace of its own nothing is left of these. */
	mounted = unshare(CLONE_NEWNS) == 0 &&
		  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		  mount("tmpfs", VOLUMES "memory", "tmpfs", 0, "size=4m,mode=1777") == 0 &&
		  mkdir(VOLUMES "memory/part", 0755) == 0 &&
		  mount(VOLUMES "memory/part", PARTS "memory/one/0", NULL, MS_BIND, NULL) == 0 &&
		  mount(VOLUMES "disk/a/b", PARTS "disk/one/0", NULL, MS_BIND, NULL) == 0;
	huge = mounted &&
	       mount("hugetlbfs", VOLUMES "huge", "hugetlbfs", 0, "pagesize=2M,mode=770") == 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)umount2(PARTS "disk/one/0", MNT_DETACH);
	(void)umount2(PARTS "memory/one/0", MNT_DETACH);
	(void)umount2(VOLUMES "memory", MNT_DETACH);
	(void)umount2(VOLUMES "huge", MNT_DETACH);
	return chdir("/") < 0 ? -1 : tree_remove(base, NULL);
}

struct look {
	const char *path;
	enum empty_dir_kind kind;
	const char *name, *below;
};

static void look_at(const struct look *l)
{
	auto_free char *path = path_join(base, l->path);
	struct empty_dir dir;

	empty_dir_look(&here, path, &dir);
	assert_int_equal(dir.kind, l->kind);
	if (l->kind != EMPTY_DIR_NONE) {
		assert_string_equal(dir.name, l->name);
		assert_string_equal(dir.below, l->below);
	}
	empty_dir_free(&dir);
}

static void test_look(void **state)
{
	static const struct look cases[] = {
		{ VOLUMES "disk", EMPTY_DIR_DISK, "disk", "" },
		/* Only the volume itself is what its name says. */
		{ VOLUMES "disk/a", EMPTY_DIR_NONE, NULL, NULL },
		{ VOLUMES "nowhere", EMPTY_DIR_NONE, NULL, NULL },
		{ "pod/volumes/kubernetes.io~csi/other", EMPTY_DIR_NONE, NULL, NULL },
		/* Nothing is mounted there. */
		{ PARTS "disk/one/1", EMPTY_DIR_NONE, NULL, NULL },
		{ PARTS "nowhere/one/0", EMPTY_DIR_NONE, NULL, NULL },
		{ "pod", EMPTY_DIR_NONE, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		look_at(&cases[i]);
}

static void test_look_mounted(void **state)
{
	static const struct look cases[] = {
		{ VOLUMES "memory", EMPTY_DIR_MEMORY, "memory", "" },
		{ PARTS "memory/one/0", EMPTY_DIR_MEMORY, "memory", "part" },
		{ PARTS "disk/one/0", EMPTY_DIR_DISK, "disk", "a/b" },
	};

	(void)state;
	if (!mounted)
		return; /* nothing can be mounted here */
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		look_at(&cases[i]);
}

/* The mounts of @sources, which are the caller's to free with free_spec(). */
static void make_spec(Grpc__Spec *spec, const char *const *sources, size_t n)
{
	grpc__spec__init(spec);
	spec->mounts = xcalloc(n, sizeof(*spec->mounts));
	for (size_t i = 0; i < n; i++) {
		Grpc__Mount *m = xcalloc(1, sizeof(*m));

		grpc__mount__init(m);
		m->source = path_join(base, sources[i]);
		m->destination = xstrdup("/in/it");
		m->type = xstrdup("bind");
		spec->mounts[spec->n_mounts++] = m;
	}
}

static void free_spec(Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		grpc__mount__free_unpacked(spec->mounts[i], NULL);
	free(spec->mounts);
}

static void check_storage(const Grpc__Storage *s, const char *driver, const char *place,
			  const char *options)
{
	auto_free char *got = NULL;

	for (size_t i = 0; i < s->n_options; i++) {
		char *more = xasprintf("%s%s%s", got ? got : "", got ? "," : "", s->options[i]);

		free(got);
		got = more;
	}
	assert_string_equal(s->driver, driver);
	assert_string_equal(s->mount_point, place);
	assert_string_equal(got, options);
	assert_true(s->shared);
}

static void test_take_disk(void **state)
{
	static const char *const sources[] = { "pod", VOLUMES "disk" };
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	struct empty_dirs dirs = { NULL, 0 };
	auto_free char *group =
		getgid() ? xasprintf("fsgid=%u,mode=2770", getgid()) : xstrdup("mode=2770");
	Grpc__Spec spec;

	(void)state;
	make_spec(&spec, sources, ARRAY_SIZE(sources));
	empty_dirs_take(&here, &spec, false, 1 << 30, &dirs);
	assert_int_equal(dirs.n, 0);
	empty_dirs_take(&here, &spec, true, 1 << 30, &dirs);
	assert_int_equal(dirs.n, 1);
	assert_string_not_equal(spec.mounts[0]->source, GUEST "storage/disk");
	assert_string_equal(spec.mounts[1]->source, GUEST "storage/disk");
	empty_dirs_request(&dirs, &req);
	assert_int_equal(dirs.n, 0);
	assert_int_equal(req.n_storages, 1);
	check_storage(req.storages[0], "local", GUEST "storage/disk", group);
	/* They are the guest's now. */
	empty_dirs_take(&here, &spec, true, 1 << 30, &dirs);
	assert_int_equal(dirs.n, 0);
	grpc__storage__free_unpacked(req.storages[0], NULL);
	free(req.storages);
	free_spec(&spec);
}

static void test_take_memory(void **state)
{
	static const char *const sources[] = { VOLUMES "memory", PARTS "memory/one/0" };
	struct empty_dirs dirs = { NULL, 0 };
	Grpc__Spec spec;

	(void)state;
	if (!mounted)
		return; /* nothing can be mounted here */
	make_spec(&spec, sources, ARRAY_SIZE(sources));
	empty_dirs_take(&here, &spec, false, 1 << 30, &dirs);
	assert_int_equal(dirs.n, 3);
	assert_string_equal(spec.mounts[1]->source, GUEST "ephemeral/memory/part");
	check_storage(dirs.v[0], "ephemeral", GUEST "ephemeral/memory", "mode=1777,size=4194304");
	check_storage(dirs.v[1], "ephemeral", GUEST "ephemeral/memory", "mode=1777,size=4194304");
	check_storage(dirs.v[2], "local", GUEST "ephemeral/memory/part", "mode=1777");
	empty_dirs_free(&dirs);
	free_spec(&spec);
	/* A machine that has no more is the limit itself. */
	make_spec(&spec, sources, 1);
	empty_dirs_take(&here, &spec, false, 4 << 20, &dirs);
	check_storage(dirs.v[0], "ephemeral", GUEST "ephemeral/memory", "mode=1777");
	empty_dirs_free(&dirs);
	free_spec(&spec);
}

static void test_take_huge(void **state)
{
	static const char *const sources[] = { VOLUMES "huge" };
	Grpc__LinuxHugepageLimit small = GRPC__LINUX_HUGEPAGE_LIMIT__INIT, large = small;
	Grpc__LinuxHugepageLimit *limits[] = { &large, &small };
	Grpc__LinuxResources res = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Linux linux_ = GRPC__LINUX__INIT;
	struct empty_dirs dirs = { NULL, 0 };
	Grpc__Spec spec;

	(void)state;
	if (!huge)
		return; /* no such file system here */
	small.pagesize = (char *)"2MB";
	small.limit = (8 << 20) + 4096;
	large.pagesize = (char *)"1GB";
	large.limit = 1 << 30;
	res.hugepagelimits = limits;
	res.n_hugepagelimits = ARRAY_SIZE(limits);
	linux_.resources = &res;
	for (int i = 0; i < 2; i++) {
		make_spec(&spec, sources, ARRAY_SIZE(sources));
		spec.linux = i == 0 ? &linux_ : NULL;
		empty_dirs_take(&here, &spec, false, 1 << 30, &dirs);
		assert_int_equal(dirs.n, 1);
		assert_string_equal(spec.mounts[0]->source, GUEST "ephemeral/huge");
		assert_string_equal(dirs.v[0]->fstype, "hugetlbfs");
		check_storage(dirs.v[0], "ephemeral", GUEST "ephemeral/huge",
			      i == 0 ? "pagesize=2097152,size=8388608,mode=770" :
				       "pagesize=2097152,size=2097152,mode=770");
		empty_dirs_free(&dirs);
		free_spec(&spec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_look),	  cmocka_unit_test(test_look_mounted),
		cmocka_unit_test(test_take_disk), cmocka_unit_test(test_take_memory),
		cmocka_unit_test(test_take_huge),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
