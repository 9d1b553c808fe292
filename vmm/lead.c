/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/lead.h"

#include <errno.h>

#include "vmm/open.h"

static int lead_pause(void *arg, struct err *err)
{
	int r = machine_pause(arg);

	return r < 0 ? err_sys(err, r, "cannot pause") : 0;
}

static int lead_resume(void *arg, struct err *err)
{
	(void)err;
	machine_resume(arg);
	return 0;
}

static void lead_stats(void *arg, struct str *out)
{
	machine_stats(arg, out);
}

static void lead_stop(void *arg, const char *why)
{
	machine_end(arg, ENDING_STOPPED, why);
}

static const struct control_ops ops = {
	.pause = lead_pause,
	.resume = lead_resume,
	.stats = lead_stats,
	.stop = lead_stop,
};

struct control *lead_new(struct machine *m, const char *name, struct err *err)
{
	int fd = -1;
	int r = open_is_fd(name, &fd);

	fd = r == 0 ? control_listen(name, err) : open_file("control", name, 0, err);
	return fd < 0 ? NULL : control_new(m->loop, fd, &ops, m, err);
}
