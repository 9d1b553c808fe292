/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/fd.h"

int console_connect(const char *path, struct err *err)
{
	int fd = unix_connect(path, false, err);

	return fd < 0 ? err_wrap(err, "console socket") : fd;
}

static int set_up(int slave, uint32_t rows, uint32_t cols)
{
	struct winsize size = { .ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols };
	struct termios mode;

	if (tcgetattr(slave, &mode) < 0)
		return -errno;
	cfmakeraw(&mode);
	if (tcsetattr(slave, TCSANOW, &mode) < 0)
		return -errno;
	if (rows && cols && ioctl(slave, TIOCSWINSZ, &size) < 0)
		return -errno;
	return 0;
}

int console_send(int sock, uint32_t rows, uint32_t cols, struct err *err)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	char name[64];
	ssize_t n;
	int r;

	if (master < 0 || unlockpt(master) < 0 || ptsname_r(master, name, sizeof(name)) != 0)
		return err_sys(err, errno, "cannot make a terminal");
	/* Not by its name: /dev/pts may be another one's. */
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, errno, "cannot open the terminal %s", name);
	r = set_up(slave, rows, cols);
	if (r < 0)
		return err_sys(err, r, "cannot set up the terminal %s", name);
	n = fd_send(sock, name, strlen(name), &master, 1);
	if (n < 0)
		return err_sys(err, (int)n, "cannot send the terminal to the console socket");
	return take_fd(&slave);
}
