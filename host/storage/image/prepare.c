/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"

struct preparation {
	struct loop *loop;
	pid_t pid;
	int sock; /* its answer comes here */
	struct loop_source *readable, *limit, *child;
	struct err err;
	image_done done;
	void *arg;
};

/* What the child says: descriptors of the disks follow in their order. */
struct answer {
	struct err err;
	struct image_root root;
};

/* ---- the child --------------------------------------------------------------------------- */

/* Its socket, and where files are looked for, as descriptors from 3 on; the rest is closed. */
static void keep(int *sock, struct source_place *place)
{
	int fds[] = { *sock, place->ns, place->root }, moved[3];

	for (int i = 0; i < 3; i++)
		moved[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 16);
	for (int i = 0; i < 3; i++)
		if (moved[i] >= 0)
			(void)dup3(moved[i], 3 + i, O_CLOEXEC);
	(void)syscall(SYS_close_range, 6, ~0U, 0);
	*sock = 3;
	place->ns = place->ns < 0 ? -1 : 4;
	place->root = place->root < 0 ? -1 : 5;
}

static void run_child(const struct image_ask *asked, int sock)
{
	struct image_ask ask = *asked;
	struct answer answer = { .err = ERR_INIT };
	int fds[IMAGE_DISKS_MAX];
	sigset_t none;

	log_open(-1, "", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody waits for it without the shim */
	keep(&sock, &ask.place);
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (image_make(&ask, &answer.root, &answer.err) < 0)
		answer.root.n = 0;
	for (unsigned i = 0; i < answer.root.n; i++)
		fds[i] = answer.root.disks[i].fd;
	(void)fd_send(sock, &answer, sizeof(answer), fds, answer.root.n);
	_exit(0);
}

/* ---- the parent --------------------------------------------------------------------------- */

static void on_reaped(pid_t pid, int status, void *arg)
{
	struct preparation *p = arg;

	(void)pid;
	(void)status; /* what it has to say came through the socket */
	if (p)
		p->child = NULL;
}

static void release(struct preparation *p)
{
	loop_remove(&p->readable);
	loop_remove(&p->limit);
	close_fd(&p->sock);
	if (p->child) {
		(void)kill(p->pid, SIGKILL);
		loop_remove(&p->child);
		/* Whoever is killed in the kernel may take a while; then it is reaped later. */
		loop_add_child(p->loop, p->pid, -1, on_reaped, NULL);
	}
	free(p);
}

static void finish(struct preparation *p, const struct image_root *root)
{
	struct err err = p->err;
	image_done done = p->done;
	void *arg = p->arg;

	release(p);
	done(root ? NULL : &err, root, arg);
}

/* The path is the engine's; here it may lead elsewhere. */
static int check(const struct image_disk *disk, struct err *err)
{
	struct stat a, b;

	if (fstat(disk->fd, &a) == 0 && stat(disk->path, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return 0;
	return err_set(err, ENOENT, "%s: is not seen by the runtime", disk->path);
}

static void take(struct preparation *p, struct answer *a, const int *fds, size_t n)
{
	struct image_root root = a->root;

	root.n = 0;
	for (size_t i = 0; i < n; i++) {
		root.disks[root.n] = a->root.disks[i];
		root.disks[root.n].path[IMAGE_PATH_MAX - 1] = '\0';
		root.disks[root.n++].fd = fds[i];
	}
	p->err = a->err;
	if (p->err.code == 0 && (n != a->root.n || n == 0))
		err_set(&p->err, EIO, "images: no answer");
	for (unsigned i = 0; p->err.code == 0 && i < root.n; i++)
		(void)check(&root.disks[i], &p->err);
	if (p->err.code) {
		image_root_release(&root);
		finish(p, NULL);
		return;
	}
	finish(p, &root);
}

static void on_readable(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct preparation *p = arg;
	struct answer answer;
	int fds[IMAGE_DISKS_MAX];
	size_t n = ARRAY_SIZE(fds);
	ssize_t len = fd_recv(fd, &answer, sizeof(answer), fds, &n);

	(void)src;
	(void)events;
	if (len == sizeof(answer)) {
		answer.err.msg[ERR_MSG_MAX - 1] = '\0';
		take(p, &answer, fds, n);
		return;
	}
	for (size_t i = 0; len > 0 && i < n; i++)
		close(fds[i]);
	err_set(&p->err, EIO, "images: the process that makes them has died");
	finish(p, NULL);
}

static void on_limit(void *arg)
{
	struct preparation *p = arg;

	p->limit = NULL;
	if (p->err.code == 0)
		err_set(&p->err, ETIMEDOUT, "images: not made within the time for a container");
	finish(p, NULL);
}

struct preparation *image_prepare(struct loop *loop, const struct image_ask *ask, int64_t limit_ms,
				  image_done done, void *arg, struct err *err)
{
	struct preparation *p;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_sys(err, errno, "images");
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		run_child(ask, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		err_sys(err, errno, "images: fork");
		close(pair[0]);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct preparation){
		.loop = loop, .pid = pid, .sock = pair[0], .done = done, .arg = arg
	};
	p->child = loop_add_child(loop, pid, -1, on_reaped, p);
	p->readable = loop_add_fd(loop, p->sock, EPOLLIN, on_readable, p);
	p->limit = loop_add_timer(loop, limit_ms, on_limit, p);
	return p;
}

void image_cancel(struct preparation *p, const struct err *why)
{
	p->err = *why;
	loop_remove(&p->limit);
	loop_remove(&p->readable);
	p->limit = loop_defer(p->loop, on_limit, p);
}

void image_drop(struct preparation *p)
{
	if (p)
		release(p);
}
