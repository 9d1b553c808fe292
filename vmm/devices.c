/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "vmm/console.h"
#include "vmm/open.h"
#include "vmm/seccomp.h"
#include "vmm/sweep.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/blk.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/tap.h"
#include "vmm/virtio/vsock.h"
#include "vmm/virtio/vsock_doorman.h"

static void quit(void *arg)
{
	machine_end(arg, ENDING_STOPPED, "Ctrl-A x");
}

static int add_console(struct machine *m, const struct cmdline *c, struct err *err)
{
	struct virtio_console_setup setup;
	int r;

	if (!strcmp(c->console, "none"))
		return 0;
	r = console_open(c->console, quit, m, &setup, err);
	if (r == 0 && str_starts(c->console, CONSOLE_UNIX))
		r = sweep_later(c->console + strlen(CONSOLE_UNIX),
				c->no_seccomp ? NULL : seccomp_sweeper, err);
	if (r < 0)
		return r;
	return machine_add(m, virtio_console_new(&setup, "hvc0", m->loop, &m->memory, err), err);
}

/* Named as the guest will name them where the command line does not. */
static const char *disk_id(const struct cmdline_disk *disk, unsigned i)
{
	static char name[CMDLINE_DEVICES_MAX][sizeof("vdzz")];

	if (disk->id)
		return disk->id;
	if (i < 26)
		snprintf(name[i], sizeof(name[i]), "vd%c", 'a' + i % 26);
	else
		snprintf(name[i], sizeof(name[i]), "vd%c%c", 'a' + i / 26 % 26 - 1, 'a' + i % 26);
	return name[i];
}

static int add_disks(struct machine *m, const struct cmdline *c, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n_disks; i++) {
		const struct cmdline_disk *d = &c->disk[i];
		struct virtio_blk_setup setup = {
			.read_only = d->read_only,
			.direct = d->direct,
			.no_flush = d->no_flush,
			.limits = { .ops = d->iops, .bytes = d->bps },
		};

		setup.fd = open_file("disk", d->file, d->read_only ? O_RDONLY : O_RDWR, err);
		if (setup.fd < 0)
			return setup.fd;
		r = machine_add(m, virtio_blk_new(&setup, disk_id(d, i), m->loop, &m->memory, err),
				err);
	}
	return r;
}

static int add_net(struct machine *m, const struct cmdline_net *net, unsigned i, struct err *err)
{
	struct virtio_net_setup setup = {
		.tap = net->tap ? tap_open(net->tap, err) : net->fd,
		.has_mac = net->has_mac,
		.mtu = net->mtu,
		.rx_bps = net->rx_bps,
		.tx_bps = net->tx_bps,
	};
	static char names[CMDLINE_DEVICES_MAX][16];
	const char *id = net->id ? net->id : net->tap;

	if (setup.tap < 0)
		return err_wrap(err, "--net");
	memcpy(setup.mac, net->mac, sizeof(setup.mac));
	if (!id) {
		snprintf(names[i], sizeof(names[i]), "eth%u", i);
		id = names[i];
	}
	return machine_add(m, virtio_net_new(&setup, id, m->loop, &m->memory, err), err);
}

static int add_nets(struct machine *m, const struct cmdline *c, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n_nets; i++)
		r = add_net(m, &c->net[i], i, err);
	return r;
}

static int add_filesystems(struct machine *m, const struct cmdline *c, struct err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n_filesystems; i++) {
		const struct cmdline_fs *fs = &c->fs[i];
		struct virtio_fs_setup setup = { .tag = fs->tag, .queue_size = fs->queue_size };

		setup.server = open_connection("--fs", fs->socket, err);
		if (setup.server < 0)
			return setup.server;
		r = machine_add(
			m,
			virtio_fs_new(&setup, fs->id ? fs->id : fs->tag, m->loop, &m->memory, err),
			err);
	}
	return r;
}

/* By hand the guest may connect to what listens beside the socket; Kata's never does. */
static int add_vsock(struct machine *m, const struct cmdline *c, struct err *err)
{
	struct virtio_vsock_setup setup = { .cid = c->vsock_cid, .doorman = -1 };
	int fd;

	if (!c->vsock)
		return 0;
	setup.listener = open_listener("--vsock", c->vsock, err);
	if (setup.listener < 0)
		return setup.listener;
	if (open_is_fd(c->vsock, &fd) == 0) {
		setup.doorman =
			vsock_doorman_start(c->vsock, c->no_seccomp ? NULL : seccomp_doorman, err);
		if (setup.doorman < 0) {
			close(setup.listener);
			unlink(c->vsock);
			return setup.doorman;
		}
	}
	return machine_add(m, virtio_vsock_new(&setup, "vsock", m->loop, &m->memory, err), err);
}

static int add_rng(struct machine *m, const struct cmdline *c, struct err *err)
{
	return c->rng ? machine_add(m, virtio_rng_new("rng", m->loop, &m->memory, err), err) : 0;
}

static int add_balloon(struct machine *m, const struct cmdline *c, struct err *err)
{
	struct virtio_balloon_setup setup = { .mib = c->balloon_mib,
					      .reporting = c->balloon_reporting };

	if (!c->balloon)
		return 0;
	return machine_add(m, virtio_balloon_new(&setup, "balloon", m->loop, &m->memory, err), err);
}

int devices_add(struct machine *m, const struct cmdline *c, struct err *err)
{
	static int (*const add[])(struct machine * m, const struct cmdline *c, struct err *err) = {
		add_console, add_disks, add_nets, add_vsock, add_filesystems, add_rng, add_balloon,
	};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(add); i++)
		r = add[i](m, c, err);
	return r;
}
