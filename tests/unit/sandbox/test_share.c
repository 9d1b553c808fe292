/* SPDX-License-Identifier: Apache-2.0 */
/* The shared directory, in a mount namespace of its own. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/storage/share.h"
#include "host/storage/unmount.h"

static char base[] = "/tmp/test-share-XXXXXX";
static char *user;
static struct share *share;

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("this test mounts: it needs root\n", stderr);
		return -1;
	}
	if (!mkdtemp(base) || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	/* As on a host with systemd: everything is shared. */
	if (mount(base, base, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, base, NULL, MS_SHARED, NULL) < 0)
		return -1;
	user = path_join(base, "user");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(user);
	if (unmount_below(base, NULL) < 0)
		return -1;
	return tree_remove(base, NULL);
}

static int begin(void **state)
{
	auto_free char *dir = path_join(base, "sb");

	(void)state;
	share = share_new(dir);
	return share_make(share, NULL);
}

static int end(void **state)
{
	int r = share_undo(share, NULL);

	(void)state;
	share_free(share);
	return r == 0 ? tree_remove(user, NULL) : r;
}

static void make_file(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	assert_int_equal(dir_make(dir, 0700, NULL), 0);
	assert_int_equal(file_replace(path, "x", 1, 0600, NULL), 0);
}

static bool exists(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);

	return access(path, F_OK) == 0;
}

/* Whether a file can be made there; 0 or -errno. */
static int try_write(const char *dir, const char *name)
{
	auto_free char *path = path_join(dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void shows_a_root(void **state)
{
	auto_free char *inner = path_join(user, "inner"), *guest = share_guest_rootfs("c1");

	(void)state;
	make_file(user, "hello");
	make_file(inner, "covered");
	assert_int_equal(mount("t", inner, "tmpfs", 0, NULL), 0);
	make_file(inner, "on-tmpfs");
	assert_int_equal(share_add_rootfs(share, "c1", user, NULL), 0);
	assert_string_equal(guest, "/run/kata-containers/shared/containers/c1/rootfs");
	assert_true(exists(share->shared, "c1/rootfs/hello"));
	assert_true(exists(share->shared, "c1/rootfs/inner/on-tmpfs"));
	assert_int_equal(try_write(share->shared, "c1/rootfs/new"), 0);
	assert_true(exists(user, "new"));
	/* The guest can put nothing beside the mounts. */
	assert_int_equal(try_write(share->shared, "new"), -EROFS);
	assert_int_equal(try_write(share->shared, "c1/new"), -EROFS);

	assert_int_equal(share_remove(share, "c1", NULL), 0);
	assert_false(exists(share->shared, "c1"));
	assert_true(exists(user, "hello"));
	/* What is mounted in the user's tree is not unmounted along. */
	assert_true(exists(inner, "on-tmpfs"));
	assert_int_equal(share_remove(share, "c1", NULL), 0);
	assert_int_equal(umount(inner), 0);
}

/* What the host unmounts in the source goes from the share too, not the other way. */
static void follows_the_host(void **state)
{
	auto_free char *inner = path_join(user, "inner");

	(void)state;
	make_file(inner, "covered");
	assert_int_equal(mount("t", inner, "tmpfs", 0, NULL), 0);
	make_file(inner, "on-tmpfs");
	assert_int_equal(share_add_rootfs(share, "c1", user, NULL), 0);
	assert_true(exists(share->shared, "c1/rootfs/inner/on-tmpfs"));
	assert_int_equal(umount(inner), 0);
	assert_true(exists(share->shared, "c1/rootfs/inner/covered"));
	assert_false(exists(share->shared, "c1/rootfs/inner/on-tmpfs"));
}

static int see_from_another_namespace(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return 10;
	if (share_add_rootfs(share, "c2", user, NULL) < 0)
		return 11;
	/* That one was made here, behind the peer group's back. */
	return exists(share->mounts, "c2/rootfs/hello") ? 0 : 12;
}

/* virtiofsd serves from a mount namespace that was split off before the container came. */
static void reaches_earlier_namespaces(void **state)
{
	int ready[2], go[2], status;
	char byte = 0;
	pid_t pid;

	(void)state;
	make_file(user, "hello");
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int r = unshare(CLONE_NEWNS) < 0 ||
					mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ?
				10 :
				0;

		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			r = 11;
		if (r == 0 && !exists(share->shared, "c1/rootfs/hello"))
			r = 12;
		_exit(r ? r : see_from_another_namespace());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(share_add_rootfs(share, "c1", user, NULL), 0);
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* What the other namespace made is not seen here. */
	assert_false(exists(share->mounts, "c2/rootfs/hello"));
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
}

static void shows_binds(void **state)
{
	auto_free char *file = path_join(user, "hosts"), *dir = path_join(user, "data");
	auto_free char *sub = path_join(dir, "sub"), *g1 = NULL, *g2 = NULL, *g3 = NULL;

	(void)state;
	make_file(user, "hosts");
	make_file(sub, "x");
	assert_int_equal(mount("t", sub, "tmpfs", 0, NULL), 0);
	assert_int_equal(share_add_bind(share, "c1", 3, file, "/etc/hosts", false, &g1, NULL), 0);
	assert_string_equal(g1, "/run/kata-containers/shared/containers/c1/3-hosts");
	assert_true(exists(share->shared, "c1/3-hosts"));
	assert_int_equal(share_add_bind(share, "c1", 4, dir, "/", true, &g2, NULL), 0);
	assert_string_equal(g2, "/run/kata-containers/shared/containers/c1/4-root");
	assert_true(exists(share->shared, "c1/4-root/sub"));
	assert_int_equal(try_write(share->shared, "c1/4-root/new"), -EROFS);
	assert_int_equal(try_write(share->shared, "c1/4-root/sub/new"), -EROFS);
	assert_int_equal(try_write(dir, "new"), 0);
	assert_int_equal(share_add_bind(share, "c1", 5, dir, "/a//b//", false, &g3, NULL), 0);
	assert_int_equal(try_write(share->shared, "c1/5-b/sub/new"), 0);
	assert_int_equal(share_remove(share, "c1", NULL), 0);
	assert_true(exists(user, "hosts"));
	assert_true(exists(dir, "sub/new"));
	assert_int_equal(umount(sub), 0);
}

static void shows_what_every_sandbox_gets(void **state)
{
	auto_free char *dir = path_join(share->shared, SHARE_SANDBOX_MOUNTS);
	auto_free char *file = path_join(user, "file"), *rw = xasprintf("%s:rw", user);
	auto_free char *ro = xasprintf("%s:ro", file), *none = path_join(user, "none");
	auto_free char *inside = path_join(dir, "user");
	struct err err = ERR_INIT;

	(void)state;
	make_file(user, "file");
	assert_int_equal(share_add_sandbox(share, rw, NULL), 0);
	assert_int_equal(share_add_sandbox(share, ro, NULL), 0);
	assert_true(exists(dir, "user/file"));
	assert_int_equal(try_write(inside, "new"), 0);
	assert_int_equal(try_write(dir, "file"), -EROFS);
	assert_int_equal(share_add_sandbox(share, file, &err), -EEXIST);
	assert_string_equal(err.msg, "two of them are called \"file\"");
	assert_int_equal(share_add_sandbox(share, none, &err), -ENOENT);
	assert_non_null(strstr(err.msg, none));
	assert_int_equal(share_add_sandbox(share, "etc", &err), -EINVAL);
	assert_int_equal(share_add_sandbox(share, "/etc/..", &err), -EINVAL);
	assert_int_equal(share_add_sandbox(share, "", &err), -EINVAL);
}

/* As Podman's containers are mounted: below a mount that propagates nothing. */
static void looks_where_it_is_told(void **state)
{
	auto_free char *inner = path_join(user, "inner");
	struct source_place place;
	char path[64], byte = 0;
	int ready[2];
	pid_t pid;

	(void)state;
	make_file(inner, "covered");
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("t", inner, "tmpfs", 0, NULL) < 0)
			_exit(10);
		make_file(inner, "on-tmpfs");
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(11);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	place.ns = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(place.ns >= 0);
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	place.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(place.root >= 0);
	share_look_from(share, &place);
	assert_int_equal(share_add_rootfs(share, "c1", inner, NULL), 0);
	assert_true(exists(share->shared, "c1/rootfs/on-tmpfs"));
	assert_int_equal(share_add_own_rootfs(share, "c2", inner, NULL), 0);
	assert_true(exists(share->shared, "c2/rootfs/covered"));
	/* This process is where it was. */
	assert_true(exists(inner, "covered"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(place.ns);
	close(place.root);
}

static void fails_clean(void **state)
{
	auto_free char *file = path_join(user, "file"), *none = path_join(user, "none");
	auto_free char *guest = NULL;
	struct err err = ERR_INIT;

	(void)state;
	make_file(user, "file");
	assert_int_equal(share_add_rootfs(share, "c1", file, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, file));
	assert_int_equal(share_add_rootfs(share, "c1", none, &err), -ENOENT);
	assert_non_null(strstr(err.msg, none));
	assert_false(exists(share->mounts, "c1"));
	assert_int_equal(share_add_bind(share, "c1", 0, none, "/data", false, &guest, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "mount /data"));
	assert_non_null(strstr(err.msg, none));
	assert_null(guest);
	assert_false(exists(share->mounts, "c1/0-data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shows_a_root, begin, end),
		cmocka_unit_test_setup_teardown(follows_the_host, begin, end),
		cmocka_unit_test_setup_teardown(reaches_earlier_namespaces, begin, end),
		cmocka_unit_test_setup_teardown(shows_binds, begin, end),
		cmocka_unit_test_setup_teardown(shows_what_every_sandbox_gets, begin, end),
		cmocka_unit_test_setup_teardown(looks_where_it_is_told, begin, end),
		cmocka_unit_test_setup_teardown(fails_clean, begin, end),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("share", tests, setup, teardown);
}
