/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "vmm/open.h"
#include "vmm/terminal.h"

static struct terminal terminal; /* a process has one */

static size_t press(void *arg, uint8_t *buf, size_t n)
{
	return terminal_keys(arg, buf, n);
}

/* The process's own 0 and 1 stay open. */
static int open_stdio(void (*quit)(void *arg), void *arg, struct virtio_console_setup *setup,
		      struct err *err)
{
	struct winsize size;
	int r;

	setup->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	setup->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (setup->in < 0 || setup->out < 0)
		return err_sys(err, errno, "standard input and output");
	r = terminal_raw(STDIN_FILENO, err);
	if (r <= 0)
		return r;
	terminal = (struct terminal){ .quit = quit, .arg = arg };
	setup->keys = press;
	setup->arg = &terminal;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
		setup->columns = size.ws_col;
		setup->rows = size.ws_row;
	}
	return 0;
}

static int open_inherited(int fd, struct virtio_console_setup *setup, struct err *err)
{
	int mode = fcntl(fd, F_GETFL), listens = 0;
	socklen_t len = sizeof(listens);

	if (mode < 0 || fd_set_cloexec(fd, true) < 0)
		return err_sys(err, errno, "descriptor %d", fd);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens) {
		setup->listener = fd;
		return 0;
	}
	if ((mode & O_ACCMODE) != O_WRONLY)
		setup->in = fd;
	if ((mode & O_ACCMODE) != O_RDONLY)
		setup->out = fd;
	return 0;
}

static int open_where(const char *where, void (*quit)(void *arg), void *arg,
		      struct virtio_console_setup *setup, struct err *err)
{
	int fd = -1, r = open_is_fd(where, &fd);

	if (r < 0)
		return err_set(err, EINVAL, "\"%s\" is no descriptor", where);
	if (r > 0)
		return open_inherited(fd, setup, err);
	if (!strcmp(where, "stdio"))
		return open_stdio(quit, arg, setup, err);
	if (str_starts(where, CONSOLE_UNIX)) {
		setup->listener = unix_listen(where + strlen(CONSOLE_UNIX), 4, err);
		return setup->listener < 0 ? setup->listener : 0;
	}
	setup->out = open(where, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, 0600);
	return setup->out < 0 ? err_sys(err, errno, "%s", where) : 0;
}

int console_open(const char *where, void (*quit)(void *arg), void *arg,
		 struct virtio_console_setup *setup, struct err *err)
{
	*setup = (struct virtio_console_setup){ .in = -1, .out = -1, .listener = -1 };
	if (open_where(where, quit, arg, setup, err) == 0)
		return 0;
	close_fd(&setup->in);
	close_fd(&setup->out);
	return err_wrap(err, "--console");
}
