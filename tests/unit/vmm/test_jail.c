/* SPDX-License-Identifier: Apache-2.0 */
/* A child goes to jail and is looked at from inside and from outside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "vmm/jail.h"

static const struct jail_config usual = { .descriptors = 4, .file_size = 1 << 20 };

/* In the child: 0 or the line of what is not so. */
#define CHECK(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static int check_root(void)
{
	struct stat root, cwd;
	DIR *d;
	int n = 0;

	CHECK(stat("/", &root) == 0 && fstatat(AT_FDCWD, "", &cwd, AT_EMPTY_PATH) == 0);
	CHECK(root.st_dev == cwd.st_dev && root.st_ino == cwd.st_ino);
	d = opendir("/");
	CHECK(d != NULL || errno == EACCES);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	CHECK(n <= 2);
	CHECK(access("/proc/self", F_OK) < 0 && access("../../../etc", F_OK) < 0);
	CHECK(open("/x", O_CREAT | O_WRONLY, 0600) < 0 && mkdir("/x", 0700) < 0);
	CHECK(chroot("/") < 0 && (errno == EPERM || errno == EACCES));
	return 0;
}

static int check_privileges(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	CHECK(syscall(SYS_capget, &h, d) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(d); i++)
		CHECK(d[i].effective == 0 && d[i].permitted == 0 && d[i].inheritable == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	CHECK(getuid() != 0 && geteuid() != 0 && getgid() != 0);
	CHECK(setresuid((uid_t)-1, 0, (uid_t)-1) < 0);
	return 0;
}

static int check_limits(const struct jail_config *config)
{
	struct rlimit r;
	unsigned n = 0;

	while (dup(STDERR_FILENO) >= 0)
		n++;
	/* visit() left three holes. */
	CHECK(errno == EMFILE && n == config->descriptors + 3);
	CHECK(getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_max == config->file_size);
	CHECK(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == 0);
	CHECK(getrlimit(RLIMIT_MEMLOCK, &r) == 0 && r.rlim_max == 0);
	return 0;
}

struct visit {
	int (*before)(void);		/* in the child, before it goes to jail; may be NULL */
	int (*outside)(pid_t prisoner); /* while it is in; may be NULL */
	bool keep_netns;
	struct str log;
};

static int prisoner(const struct visit *v, int ready, int go, int log)
{
	struct jail_config config = usual;
	struct err err = ERR_INIT;
	int keep[] = { ready, go, log };
	char c;
	int r;

	alarm(20);
	jail_close_others(keep, ARRAY_SIZE(keep));
	r = v->before ? v->before() : 0;
	if (r > 0)
		return r;
	config.keep_netns = v->keep_netns;
	if (jail_enter(&config, &err) < 0) {
		fprintf(stderr, "# %s\n", err_msg(&err));
		return 1;
	}
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 0)
		return 2;
	r = check_root();
	if (r == 0)
		r = check_privileges();
	/* Last: it takes all descriptors. */
	return r == 0 ? check_limits(&usual) : r;
}

/* Exit statuses have 8 bits, lines more: they come by the log's pipe. */
static void visit(struct visit *v)
{
	int ready[2], go[2], log[2], status;
	char buf[2048];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(log, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int r;

		close(ready[0]);
		close(go[1]);
		log_open(log[1], "test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
		r = prisoner(v, ready[1], go[0], log[1]);
		if (r > 0)
			dprintf(log[1], "wrong in line %d\n", r);
		_exit(r > 0);
	}
	close(ready[1]);
	close(go[0]);
	close(log[1]);
	n = read(ready[0], buf, 1);
	if (n == 1 && v->outside)
		assert_int_equal(v->outside(pid), 0);
	close(ready[0]);
	close(go[1]);
	while ((n = read(log[0], buf, sizeof(buf))) > 0)
		str_add(&v->log, buf, (size_t)n);
	close(log[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("status %#x: %s", status, str_text(&v->log));
}

static bool same_namespace(pid_t pid, const char *name)
{
	char path[64];
	struct stat ours, its;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	assert_int_equal(stat(path, &its), 0);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	assert_int_equal(stat(path, &ours), 0);
	return ours.st_ino == its.st_ino;
}

/* As root: the kernel tells of the child what it tells of nobody's. */
static int look_at(pid_t pid)
{
	static const char *const own[] = { "mnt", "net", "ipc", "uts", "cgroup" };
	char path[64], line[256];
	auto_fclose FILE *mounts = NULL;
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		CHECK(!same_namespace(pid, own[i]));
	/* No mount of the host's is kept busy: the empty root is all that is mounted. */
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	mounts = fopen(path, "re");
	CHECK(mounts != NULL);
	while (fgets(line, sizeof(line), mounts)) {
		CHECK(strstr(line, " / / ro,nosuid,nodev,noexec") != NULL);
		n++;
	}
	CHECK(n == 1);
	return 0;
}

/* The machine's network is found by its process. */
static int look_for_network(pid_t pid)
{
	CHECK(same_namespace(pid, "net"));
	CHECK(!same_namespace(pid, "mnt") && !same_namespace(pid, "ipc"));
	return 0;
}

static bool privileged(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &h, d) == 0 && d[0].effective & (1U << CAP_SYS_ADMIN) &&
	       d[0].effective & (1U << CAP_SETUID);
}

static void root_goes_to_jail(void **state)
{
	struct visit v = { .outside = look_at };

	(void)state;
	if (!privileged()) {
		print_message("# without privileges there is no root\n");
		return;
	}
	visit(&v);
	/* Only what its parent could have given is missing. */
	assert_non_null(strstr(str_text(&v.log), " info test["));
	assert_non_null(strstr(str_text(&v.log),
			       "jail without: namespace of processes (it was not started in one)"
			       "\n"));
	str_free(&v.log);
}

static void the_network_may_stay(void **state)
{
	struct visit v = { .outside = look_for_network, .keep_netns = true };

	(void)state;
	if (!privileged())
		return;
	visit(&v);
	str_free(&v.log);
}

static int become_a_user(void)
{
	CHECK(geteuid() != 0 || (setgroups(0, NULL) == 0 && setresgid(1000, 1000, 1000) == 0 &&
				 setresuid(1000, 1000, 1000) == 0));
	return 0;
}

/* May the user have a namespace? Some systems forbid it. */
static bool user_namespaces(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(become_a_user() || unshare(CLONE_NEWUSER) < 0);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void a_user_goes_to_jail(void **state)
{
	struct visit v = { .before = become_a_user };

	(void)state;
	if (!user_namespaces()) {
		print_message("# users have no namespaces here\n");
		return;
	}
	visit(&v);
	assert_null(strstr(str_text(&v.log), "empty root"));
	str_free(&v.log);
}

static char chroot_dir[32];

/* "/" is no mount point in it, and /tmp may be missing. */
static int enter_chroot(void)
{
	CHECK(chroot(chroot_dir) == 0 && chdir("/") == 0);
	return 0;
}

static void make_chroot(void)
{
	snprintf(chroot_dir, sizeof(chroot_dir), "/tmp/test-jail-XXXXXX");
	assert_non_null(mkdtemp(chroot_dir));
}

static void a_chroot_goes_to_jail(void **state)
{
	struct visit v = { .before = enter_chroot };

	(void)state;
	if (!privileged())
		return;
	make_chroot();
	visit(&v);
	assert_int_equal(rmdir(chroot_dir), 0);
	assert_null(strstr(str_text(&v.log), "root"));
	str_free(&v.log);
}

/* What engines leave a container's root: no CAP_SYS_ADMIN, and here no user namespace. */
static int become_contained(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = { 0 };

	d[0].effective = d[0].permitted =
		1U << CAP_SYS_CHROOT | 1U << CAP_SETUID | 1U << CAP_SETGID;
	/* One in a chroot may not make user namespaces. */
	CHECK(enter_chroot() == 0 && mkdir("/tmp", 0700) == 0);
	CHECK(syscall(SYS_capset, &h, d) == 0);
	return 0;
}

static void a_container_goes_to_jail(void **state)
{
	struct visit v = { .before = become_contained };
	char tmp[64];

	(void)state;
	if (!privileged())
		return;
	make_chroot();
	visit(&v);
	/* Nothing but what the test made. */
	snprintf(tmp, sizeof(tmp), "%s/tmp", chroot_dir);
	assert_int_equal(rmdir(tmp), 0);
	assert_int_equal(rmdir(chroot_dir), 0);
	/* An empty root still, and the rest is said. */
	assert_non_null(strstr(str_text(&v.log), "warning test["));
	assert_non_null(strstr(str_text(&v.log), "namespaces (Operation not permitted)\n"));
	assert_null(strstr(str_text(&v.log), "root"));
	str_free(&v.log);
}

static int stdin_is_a_directory(void)
{
	CHECK(close(STDIN_FILENO) == 0 && open("/", O_RDONLY | O_DIRECTORY) == STDIN_FILENO);
	return 0;
}

static void no_way_out_is_left_open(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct err err = ERR_INIT;

		stdin_is_a_directory();
		_exit(jail_enter(&usual, &err) != -EISDIR ||
		      strcmp(err_msg(&err), "descriptor 0 is a directory") != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The death of its parent, which a change of users would make it forget. */
static int die_with_parent(void)
{
	CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	return 0;
}

static void a_prisoner_dies_with_its_parent(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		struct err err = ERR_INIT;
		int sig = 0;

		die_with_parent();
		_exit(jail_enter(&usual, &err) != 0 ||
		      prctl(PR_GET_PDEATHSIG, &sig, 0, 0, 0) != 0 || sig != SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void others_are_closed(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int keep[] = { 40, -1, 12, 13 };

		for (int fd = 3; fd < 60; fd++)
			dup2(STDERR_FILENO, fd);
		jail_close_others(keep, ARRAY_SIZE(keep));
		for (int fd = 0; fd < 60; fd++) {
			bool open = fcntl(fd, F_GETFD) >= 0;

			if (open != (fd <= 2 || fd == 12 || fd == 13 || fd == 40))
				_exit(fd);
		}
		jail_close_others(NULL, 0);
		_exit(fcntl(40, F_GETFD) >= 0 || fcntl(2, F_GETFD) < 0 ? 99 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_goes_to_jail),
		cmocka_unit_test(the_network_may_stay),
		cmocka_unit_test(a_user_goes_to_jail),
		cmocka_unit_test(a_chroot_goes_to_jail),
		cmocka_unit_test(a_container_goes_to_jail),
		cmocka_unit_test(no_way_out_is_left_open),
		cmocka_unit_test(a_prisoner_dies_with_its_parent),
		cmocka_unit_test(others_are_closed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
