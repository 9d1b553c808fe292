/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/lead.h"

#include <errno.h>
#include <linux/virtio_ids.h>

#include "base/cleanup.h"
#include "vmm/open.h"
#include "vmm/sweep.h"
#include "vmm/virtio/balloon.h"

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

static int lead_balloon(void *arg, uint64_t mib, struct err *err)
{
	struct machine *m = arg;

	for (unsigned i = 0; i < m->n_devices; i++) {
		struct virtio_device *dev = virtio_mmio_device(m->device[i]);

		if (dev->ops->id == VIRTIO_ID_BALLOON)
			return virtio_balloon_resize(dev, mib, err);
	}
	return err_set(err, ENOTSUP, "the machine has no balloon");
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
	.balloon = lead_balloon,
	.stats = lead_stats,
	.stop = lead_stop,
};

struct control *lead_new(struct machine *m, const char *name, int (*sweep)(struct err *err),
			 struct err *err)
{
	int fd = -1;
	int r = open_is_fd(name, &fd);

	fd = r == 0 ? control_listen(name, err) : open_file("control", name, 0, err);
	if (fd >= 0 && r == 0 && sweep_later(name, sweep, err) < 0)
		close_fd(&fd);
	return fd < 0 ? NULL : control_new(m->loop, fd, &ops, m, err);
}
