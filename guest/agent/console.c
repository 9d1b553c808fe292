/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/console.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/agent/inroot.h"
#include "guest/agent/mounts.h"

int console_open(int root, uint32_t rows, uint32_t columns, uid_t uid, struct console *c,
		 struct err *err)
{
	struct winsize size = { .ws_row = (uint16_t)rows, .ws_col = (uint16_t)columns };
	auto_close int master = inroot_open(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	auto_close int slave = -1;
	struct statfs fs;
	int unlock = 0;

	if (master < 0)
		return err_sys(err, master, "terminal: the container's /dev/pts/ptmx");
	/* A container that runs may have put anything there. */
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, EINVAL, "terminal: the container's /dev/pts is no devpts");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, errno, "terminal: unlock");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_sys(err, errno, "terminal: open");
	if (fchown(slave, uid, (gid_t)-1) < 0)
		return err_sys(err, errno, "terminal: chown");
	if ((rows || columns) && ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_sys(err, errno, "terminal: set size");
	c->master = take_fd(&master);
	c->slave = take_fd(&slave);
	return 0;
}

int console_bind(int root, const struct console *c, struct err *err)
{
	auto_close int target = inroot_make(root, "/dev/console", false, err);

	return target < 0 ? target : mount_bind_fd(c->slave, target, "/dev/console", err);
}

int console_take(const struct console *c, struct err *err)
{
	if (ioctl(c->slave, TIOCSCTTY, 0) < 0)
		return err_sys(err, errno, "terminal: make it controlling");
	for (int i = 0; i < 3; i++)
		if (dup2(c->slave, i) < 0)
			return err_sys(err, errno, "terminal");
	return 0;
}
