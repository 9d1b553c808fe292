/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define CTRL_A ('A' & 0x1f)

static struct termios before;
static int raw_fd = -1;

void terminal_restore(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSANOW, &before);
	raw_fd = -1;
}

int terminal_raw(int fd, struct err *err)
{
	struct termios raw;

	if (tcgetattr(fd, &before) < 0)
		return errno == ENOTTY ? 0 : err_sys(err, errno, "the terminal");
	raw = before;
	cfmakeraw(&raw);
	/* Lines that the monitor itself writes still begin at the left. */
	raw.c_oflag |= OPOST | ONLCR;
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return err_sys(err, errno, "cannot make the terminal raw");
	raw_fd = fd;
	if (atexit(terminal_restore) != 0) {
		terminal_restore();
		return err_set(err, ENOMEM, "cannot have the terminal restored at exit");
	}
	return 1;
}

size_t terminal_keys(struct terminal *t, uint8_t *buf, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t key = buf[i];

		if (t->prefix ? key == CTRL_A : key != CTRL_A)
			buf[kept++] = key;
		if (t->prefix && key == 'x')
			t->quit(t->arg);
		t->prefix = !t->prefix && key == CTRL_A;
	}
	return kept;
}
