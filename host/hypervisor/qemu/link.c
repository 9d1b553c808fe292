/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/qemu/link.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/hypervisor/qemu/args.h"
#include "host/hypervisor/qmp.h"
#include "host/hypervisor/vsock.h"

#define RETRY_MS 2

void link_init(struct qemu_link *l, struct vm *vm, void (*failed)(const struct err *err, void *arg),
	       void *arg)
{
	*l = (struct qemu_link){ .vm = vm, .failed = failed, .arg = arg };
}

int link_open(struct qemu_link *l, struct qemu_facts *f, struct err *err)
{
	f->vsock_fd = vsock_open(&f->cid, NULL);
	if (f->vsock_fd >= 0) {
		l->cid = f->cid;
		return 0;
	}
	l->cid = 0;
	free(l->path);
	l->path = path_join(l->vm->spec->run_dir, "agent.sock");
	f->agent_fd = unix_listen(l->path, 4, err);
	return f->agent_fd < 0 ? f->agent_fd : 0;
}

static void connected(struct qemu_link *l, int fd, bool serial)
{
	close_fd(&l->vm->agent_fd);
	l->vm->agent_fd = fd;
	l->vm->agent_serial = serial;
	l->wanted = false;
	l->seen = true;
	vm_emit(l->vm, VM_AGENT, NULL);
}

/*
 * By the serial port: what is written before the guest has opened it would
 * only wait in QEMU, so there is nothing to say to an agent before that.
 */
static void try_serial(void *arg)
{
	struct qemu_link *l = arg;
	struct err err = ERR_INIT;
	int fd;

	l->retry = NULL;
	if (!l->wanted || !l->port_open)
		return;
	fd = unix_connect(l->path, true, &err);
	if (fd >= 0)
		connected(l, fd, true);
	else if (fd == -EAGAIN || fd == -EINTR)
		l->retry = loop_add_timer(l->vm->loop, RETRY_MS, try_serial, l);
	else
		l->failed(&err, l->arg);
}

static void on_vsock(int fd, void *arg)
{
	connected(arg, fd, false);
}

void link_connect(struct qemu_link *l)
{
	l->wanted = true;
	if (l->cid) {
		vsock_dial_free(l->dial);
		l->dial = vsock_dial(l->vm->loop, l->cid, VSOCK_AGENT_PORT, on_vsock, l);
	} else if (!l->retry) {
		l->retry = loop_defer(l->vm->loop, try_serial, l);
	}
}

void link_event(struct qemu_link *l, const char *name, struct json_object *data)
{
	const char *id = qmp_text(data, "id");
	struct json_object *open;

	if (strcmp(name, "VSERPORT_CHANGE") != 0 || !id || strcmp(id, QEMU_ID_AGENT) != 0)
		return;
	l->port_open =
		json_object_object_get_ex(data, "open", &open) && json_object_get_boolean(open);
	if (!l->retry)
		try_serial(l);
}

void link_address(const struct qemu_link *l, struct str *out)
{
	if (l->cid)
		str_printf(out, "vsock://%u", l->cid);
	else if (l->vm->spec->config->agent.debug_console_enabled)
		str_printf(out, "unix://%s/" QEMU_DEBUG_SOCKET, l->vm->spec->run_dir);
}

void link_close(struct qemu_link *l)
{
	vsock_dial_free(take_ptr(l->dial));
	loop_remove(&l->retry);
}

void link_free(struct qemu_link *l)
{
	link_close(l);
	free(l->path);
}
