/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a container's process before it is one. It runs in a copy of the
 * agent: no loop, no log (its lines would mix with the agent's), errors go to
 * the agent over the pair.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "guest/agent/console.h"
#include "guest/agent/credentials.h"
#include "guest/agent/hooks.h"
#include "guest/agent/inroot.h"
#include "guest/agent/label.h"
#include "guest/agent/launch.h"
#include "guest/agent/program.h"
#include "guest/agent/rootfs.h"
#include "guest/agent/sources.h"
#include "guest/agent/sync.h"
#include "guest/agent/sysctl.h"
#include "guest/agent/traits.h"

enum { FD_SYNC = 3, FD_USERNS, FD_MNTNS, FD_INIT, FD_OTHERS };

static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < _NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			(void)sigaction(i, &dfl, NULL); /* the C library keeps two to itself */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Put @fd, or /dev/null when there is none, at the number @to. */
static int place(int fd, int to, int flags)
{
	auto_close int null = -1;

	if (fd < 0) {
		null = fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	}
	if (fd == to)
		return fcntl(take_fd(&null), F_SETFD, flags ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
	return dup3(fd, to, flags) < 0 ? -errno : 0;
}

/*
 * Keep only what is ours, under known numbers; the sources of mounts and devices come behind
 * FD_OTHERS. Everything else of the agent goes now, not at exec: a container that
 * is created and not started must not hold the ends of other containers' pipes.
 */
static int keep_descriptors(const struct launch *l, int sync)
{
	int ours[FD_OTHERS] = { l->stdio[0], l->stdio[1], l->stdio[2], sync };
	size_t mounts = l->sources ? sources_count(l->spec) : 0, n = FD_OTHERS + mounts;
	auto_free int *fds = xcalloc(n, sizeof(*fds));
	int r = 0;

	ours[FD_USERNS] = l->ns.join[NS_USER];
	ours[FD_MNTNS] = l->ns.join[NS_MNT];
	ours[FD_INIT] = l->init_pidfd;
	memcpy(fds, ours, sizeof(ours));
	if (mounts > 0)
		memcpy(fds + FD_OTHERS, l->sources, mounts * sizeof(*fds));
	for (size_t i = 0; i < n; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, (int)n);
		if (fds[i] < 0)
			return -errno;
	}
	for (int i = 0; r == 0 && i < (int)n; i++) {
		if (i < FD_OTHERS || fds[i] >= 0)
			r = place(fds[i], i, i < FD_SYNC ? 0 : O_CLOEXEC);
		if (i >= FD_OTHERS && fds[i] >= 0)
			l->sources[i - FD_OTHERS] = i;
	}
	if (r == 0 && syscall(SYS_close_range, n, ~0U, 0) < 0)
		r = -errno;
	return r;
}

static int wait_for(enum sync_kind kind)
{
	struct sync_msg msg;
	int r = sync_recv(FD_SYNC, &msg);

	/* The agent is gone or gave up: so do we, in silence. */
	if (r != 1 || msg.kind != kind)
		_exit(1);
	return 0;
}

static int become_root(struct err *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_sys(err, errno, "become root of the user namespace");
	return 0;
}

/* The namespaces that the agent could not enter for us. */
static int enter_namespaces(const struct launch *l, struct err *err)
{
	if (l->init_pidfd >= 0) {
		int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
			    CLONE_NEWCGROUP | (l->userns ? CLONE_NEWUSER : 0) |
			    (l->timens ? (int)ns_flag(NS_TIME) : 0);

		if (setns(FD_INIT, flags) < 0)
			return err_sys(err, errno, "enter the container's namespaces");
		return l->userns ? become_root(err) : 0;
	}
	if (l->ns.join[NS_USER] >= 0 && setns(FD_USERNS, CLONE_NEWUSER) < 0)
		return err_sys(err, errno, "enter the user namespace");
	if (l->userns && become_root(err) < 0)
		return err->code;
	if (l->ns.join[NS_MNT] >= 0 && setns(FD_MNTNS, CLONE_NEWNS) < 0)
		return err_sys(err, errno, "enter the mount namespace");
	if (l->ns.create & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return err_sys(err, errno, "make a cgroup namespace");
	return l->ns.create & ns_flag(NS_TIME) ? ns_make_time(l->spec->linux, err) : 0;
}

static int open_console(const struct launch *l, int root, struct console *c, struct err *err)
{
	const Grpc__Process *p = l->process;
	int r;

	if (!p->terminal)
		return 0;
	r = console_open(root, p->consolesize ? p->consolesize->height : 0,
			 p->consolesize ? p->consolesize->width : 0, p->user ? p->user->uid : 0, c,
			 err);
	/* A further process has its terminal in /dev/pts; /dev/console is the first one's. */
	return r == 0 && l->spec ? console_bind(root, c, err) : r;
}

/* In the container's namespaces; its own number there is what they are told. */
static int run_hooks(const struct launch *l, enum hooks_phase phase, const char *status,
		     const struct strv *env, struct err *err)
{
	auto_free char *state = NULL;

	if (!l->hooks)
		return 0;
	state = hooks_state(l->hooks, l->id, status, getpid());
	return hooks_run(l->hooks, phase, state, env, err);
}

static int make_root(const struct launch *l, struct console *c, struct err *err)
{
	const char *hostname = l->spec->hostname, *domain = l->spec->domainname;
	const struct sysctl_side made = { .made = l->ns.create };
	auto_close int root = -1;
	int r;

	if (l->ns.create & CLONE_NEWUTS && *hostname && sethostname(hostname, strlen(hostname)) < 0)
		return err_sys(err, errno, "hostname \"%s\"", hostname);
	if (*domain && l->ns.join[NS_UTS] < 0 && !(l->ns.create & CLONE_NEWUTS))
		return err_set(err, EINVAL, "domainname \"%s\" without a uts namespace", domain);
	if (*domain && setdomainname(domain, strlen(domain)) < 0)
		return err_sys(err, errno, "domainname \"%s\"", domain);
	r = sysctl_apply(l->spec->linux, l->guest, l->userns ? &made : NULL, err);
	if (r < 0)
		return r;
	if (!(l->ns.create & CLONE_NEWNS))
		return 0;
	root = rootfs_build(l, err);
	if (root < 0)
		return root;
	r = open_console(l, root, c, err);
	if (r < 0)
		return r;
	r = run_hooks(l, HOOKS_CREATE_CONTAINER, "creating", NULL, err);
	if (r < 0)
		return r;
	r = rootfs_enter(root, l, err);
	if (r < 0)
		return r;
	/* As runc: a missing working directory is made, while the root can still be written. */
	if (l->process->cwd[0] == '/') {
		int cwd = inroot_make(root, l->process->cwd, true, NULL);

		close_fd(&cwd); /* chdir() says why there is none */
	}
	return rootfs_seal(l, err);
}

static int change_directory(const char *cwd, struct err *err)
{
	auto_free char *now = NULL;

	if (*cwd != '/')
		return err_set(err, EINVAL, "cwd \"%s\" is no absolute path", cwd);
	if (chdir(cwd) < 0)
		return err_sys(err, errno, "chdir to cwd \"%s\"", cwd);
	/* A link of /proc could have led out of the root. */
	now = getcwd(NULL, 0);
	if (!now || now[0] != '/')
		return err_set(err, EPERM, "cwd \"%s\" is outside of the container", cwd);
	return 0;
}

static bool is_null(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* As runc: what is open to nothing is the container's own /dev/null, if it has one. */
static int own_null(int to)
{
	auto_close int fd = open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && is_null(fd) && dup2(fd, to) < 0 ? -errno : 0;
}

/* The pipes are the agent's; /dev/stdout must open again for the container's user. */
static int own_stdio(const struct user *u, struct err *err)
{
	for (int i = 0; i < 3; i++) {
		if (is_null(i)) {
			if (own_null(i) < 0)
				return err_sys(err, errno, "stdio: /dev/null");
			continue;
		}
		if (fchown(i, u->uid, (gid_t)-1) < 0)
			return err_sys(err, errno, "stdio: chown");
	}
	return 0;
}

struct program {
	char *path;
	struct strv argv, envp;
	struct credentials who;
	int label; /* where the security module takes the label of the next program, or -1 */
};

/* Session, user, directory, environment: all that is left before exec. */
static int prepare(const struct launch *l, struct console *c, struct program *prog, struct err *err)
{
	const char *cwd = *l->process->cwd ? l->process->cwd : "/";
	int r, moved = 0;

	r = credentials_find(l, &prog->who, err);
	if (r < 0)
		return r;
	if (setsid() < 0)
		return err_sys(err, errno, "setsid");
	r = l->process->terminal ? console_take(c, err) : own_stdio(&prog->who.user, err);
	if (r == 0)
		r = traits_apply(l, err);
	/* As root for a directory that is closed to the user; as the user for one of NFS. */
	if (r == 0)
		moved = change_directory(cwd, err);
	if (r == 0)
		r = moved < 0 && moved != -EACCES ? moved : credentials_take(l, &prog->who, err);
	if (r == 0 && moved < 0)
		r = change_directory(cwd, err);
	if (r == 0)
		r = program_find(l->process, &prog->path, err);
	if (r < 0)
		return r;
	/* A local process must not outlive the agent that knows of it. After the change of the
	 * user, which would undo it. */
	if (!l->guest && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, errno, "set the parent's death signal");
	umask(traits_umask(l->process));
	program_args(l->process, &prog->argv);
	program_env(l->process, prog->who.home ? prog->who.home : "/", &prog->envp);
	return 0;
}

static int set_up(const struct launch *l, struct console *c, struct program *prog, struct err *err)
{
	int r;

	umask(0);
	/* Nobody in a namespace that we enter may look into us. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(err, errno, "set not dumpable");
	/* What it waits for below may never come, and a machine that would end it is not there. */
	if (!l->guest && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, errno, "set the parent's death signal");
	r = label_open(l->process, &prog->label, err);
	if (r == 0)
		r = enter_namespaces(l, err);
	if (r < 0)
		return r;
	if (l->spec) {
		r = make_root(l, c, err);
	} else if (l->process->terminal) {
		auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		r = root < 0 ? err_sys(err, errno, "/") : open_console(l, root, c, err);
	}
	return r < 0 ? r : prepare(l, c, prog, err);
}

/* In the words by which engines know it: theirs begin with small letters. */
static void name_failure(int error, const char *path, struct err *err)
{
	auto_free char *why = xstrdup(strerror(error));

	why[0] = (char)tolower((unsigned char)why[0]);
	err_set(err, error, "exec %s: %s", path, why);
}

noreturn void child_main(const struct launch *l, int sync)
{
	struct console c = { .master = -1, .slave = -1 };
	struct program prog = { .label = -1 };
	struct err err = ERR_INIT;
	int r;

	log_open(-1, "", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	reset_signals();
	r = keep_descriptors(l, sync);
	if (r < 0) {
		err_sys(&err, r, "keep descriptors");
		(void)sync_send(sync, SYNC_FAILED, &err, -1);
		_exit(1);
	}
	wait_for(SYNC_GO);
	if (set_up(l, &c, &prog, &err) < 0)
		goto failed;
	if (sync_send(FD_SYNC, SYNC_READY, NULL, c.master) < 0)
		_exit(1);
	close_fd(&c.master);
	close_fd(&c.slave);
	wait_for(SYNC_START);
	(void)syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (run_hooks(l, HOOKS_START_CONTAINER, "created", &prog.envp, &err) < 0 ||
	    label_set(prog.label, l->process, &err) < 0 || credentials_seal(l, &prog.who, &err) < 0)
		goto failed;
	execve(prog.path, prog.argv.v, prog.envp.v);
	name_failure(errno, prog.path, &err);
failed:
	/* Without a receiver there is nobody to tell. */
	(void)sync_send(FD_SYNC, SYNC_FAILED, &err, -1);
	_exit(1);
}
