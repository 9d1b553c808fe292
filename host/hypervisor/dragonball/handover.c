/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/dragonball/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "host/hypervisor/kvm_probe.h"

void handover_init(struct dragonball_facts *f, const struct vm_spec *spec, const char *path)
{
	*f = (struct dragonball_facts){ .path = path,
					.kvm_fd = -1,
					.kernel_fd = -1,
					.initrd_fd = -1,
					.image_fd = -1,
					.control_fd = -1,
					.console_fd = -1,
					.vsock_fd = -1,
					.fs_fd = -1,
					.n_disks = spec->n_disks };
	f->disk_fds = xcalloc(spec->n_disks + 1, sizeof(*f->disk_fds));
	for (size_t i = 0; i < spec->n_disks; i++)
		f->disk_fds[i] = -1;
}

static int open_file(const char *key, const char *path, int flags, int *fd, struct err *err)
{
	if (!*path)
		return 0;
	*fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return *fd < 0 ? err_sys(err, errno, "%s %s", key, path) : 0;
}

int handover_open(struct dragonball_facts *f, const struct vm_spec *spec, struct err *err)
{
	const struct config_hypervisor *h = &spec->config->hypervisor;
	const int direct = h->block_device_cache_direct ? O_DIRECT : 0;
	int r;

	f->kvm_fd = kvm_open(err);
	if (f->kvm_fd < 0)
		return f->kvm_fd;
	r = open_file("hypervisor.dragonball.kernel", h->kernel, O_RDONLY, &f->kernel_fd, err);
	if (r == 0)
		r = open_file("hypervisor.dragonball.initrd", h->initrd, O_RDONLY, &f->initrd_fd,
			      err);
	if (r == 0)
		r = open_file("hypervisor.dragonball.image", h->image, O_RDONLY | direct,
			      &f->image_fd, err);
	for (size_t i = 0; r == 0 && i < spec->n_disks; i++)
		r = open_file("disk", spec->disks[i].disk.path,
			      (spec->disks[i].disk.read_only ? O_RDONLY : O_RDWR) | direct,
			      &f->disk_fds[i], err);
	return r;
}

static int make_pair(int type, int *ours, int *theirs, struct err *err)
{
	int sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(err, errno, "socketpair");
	*ours = sv[0];
	*theirs = sv[1];
	return 0;
}

int handover_channels(struct dragonball_facts *f, const char *socket, int *control, int *console,
		      struct err *err)
{
	int r;

	*control = *console = -1;
	r = make_pair(SOCK_SEQPACKET, control, &f->control_fd, err);
	if (r == 0)
		r = make_pair(SOCK_STREAM, console, &f->console_fd, err);
	if (r < 0)
		return r;
	f->vsock_fd = unix_listen(socket, 16, err);
	return f->vsock_fd < 0 ? f->vsock_fd : 0;
}

static void tell_line(const struct strv *argv)
{
	auto_str struct str line = STR_INIT;

	for (size_t i = 0; i < argv->n; i++)
		str_printf(&line, "%s%s", i ? " " : "", argv->v[i]);
	log_info(VMM_PROGRAM ": started: %s", str_text(&line));
}

struct child *handover_launch(const struct dragonball_facts *f, struct vm *vm, child_end_cb on_end,
			      void *arg, struct err *err)
{
	const int fds[] = { f->kvm_fd,	   f->kernel_fd,  f->initrd_fd, f->image_fd,
			    f->control_fd, f->console_fd, f->vsock_fd,	f->fs_fd };
	const struct vm_spec *spec = vm->spec;
	auto_free int *keep = xcalloc(ARRAY_SIZE(fds) + f->n_disks + spec->n_nets, sizeof(*keep));
	struct proc_spec proc = { .keep = keep, .first_pid = true };
	auto_strv struct strv argv = { 0 };
	struct child *child;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			keep[proc.nkeep++] = fds[i];
	for (size_t i = 0; i < f->n_disks; i++)
		keep[proc.nkeep++] = f->disk_fds[i];
	for (size_t i = 0; i < spec->n_nets; i++)
		keep[proc.nkeep++] = spec->nets[i].net.fds[0];
	dragonball_args(spec, f, &argv);
	proc.argv = (const char *const *)argv.v;
	child = child_start(vm, VMM_PROGRAM, &proc, true, on_end, arg, err);
	if (child)
		tell_line(&argv);
	return child;
}

void handover_free(struct dragonball_facts *f)
{
	close_fd(&f->kvm_fd);
	close_fd(&f->kernel_fd);
	close_fd(&f->initrd_fd);
	close_fd(&f->image_fd);
	close_fd(&f->control_fd);
	close_fd(&f->console_fd);
	close_fd(&f->vsock_fd);
	close_fd(&f->fs_fd);
	for (size_t i = 0; i < f->n_disks; i++)
		close_fd(&f->disk_fds[i]);
	free(take_ptr(f->disk_fds));
}
