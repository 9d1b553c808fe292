/* SPDX-License-Identifier: Apache-2.0 */
/* The way into a driver: what it lacks is said here, in one place. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"

struct vm *vm_new(const struct hypervisor_ops *ops, const struct vm_spec *spec, struct loop *loop,
		  vm_event_cb on_event, vm_process_cb on_process, void *arg, struct err *err)
{
	struct vm *vm = xcalloc(1, sizeof(*vm));

	vm->ops = ops;
	vm->spec = spec;
	vm->loop = loop;
	vm->on_event = on_event;
	vm->on_process = on_process;
	vm->arg = arg;
	vm->agent_fd = -1;
	if (ops->init(vm, err) < 0) {
		free(vm);
		return NULL;
	}
	return vm;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	vm->ops->free(vm);
	for (size_t i = 0; i < ARRAY_SIZE(vm->pending); i++)
		loop_remove(&vm->pending[i].src);
	close_fd(&vm->agent_fd);
	free(vm);
}

/* The machine may be gone after the callback. */
static void deliver(struct vm *vm, enum vm_event event)
{
	struct err err = vm->pending[event].err;

	vm->pending[event].src = NULL;
	vm->on_event(vm, event, &err, vm->arg);
}

static void deliver_started(void *arg)
{
	deliver(arg, VM_STARTED);
}

static void deliver_agent(void *arg)
{
	deliver(arg, VM_AGENT);
}

static void deliver_exited(void *arg)
{
	struct vm *vm = arg;

	for (size_t i = 0; i < VM_EXITED; i++)
		loop_remove(&vm->pending[i].src);
	vm->exited = true;
	deliver(vm, VM_EXITED);
}

void vm_emit(struct vm *vm, enum vm_event event, const struct err *err)
{
	static const loop_timer_cb cb[] = {
		[VM_STARTED] = deliver_started,
		[VM_AGENT] = deliver_agent,
		[VM_EXITED] = deliver_exited,
	};

	if (vm->exited || vm->pending[event].src)
		return;
	err_clear(&vm->pending[event].err);
	if (err)
		vm->pending[event].err = *err;
	vm->pending[event].src = loop_defer(vm->loop, cb[event], vm);
}

int vm_start(struct vm *vm, struct err *err)
{
	return vm->ops->start(vm, err);
}

int vm_connect(struct vm *vm, struct err *err)
{
	return vm->ops->connect(vm, err);
}

void vm_stop(struct vm *vm)
{
	vm->ops->stop(vm);
}

pid_t vm_pid(const struct vm *vm)
{
	return vm->ops->pid(vm);
}

static int not_supported(const struct vm *vm, const char *what, struct err *err)
{
	return err_set(err, ENOTSUP, "hypervisor \"%s\" cannot %s a machine", vm->ops->name, what);
}

int vm_pause(struct vm *vm, struct err *err)
{
	return vm->ops->pause ? vm->ops->pause(vm, err) : not_supported(vm, "pause", err);
}

int vm_resume(struct vm *vm, struct err *err)
{
	return vm->ops->resume ? vm->ops->resume(vm, err) : not_supported(vm, "resume", err);
}

void vm_console(const struct vm *vm, struct str *out)
{
	if (vm->ops->console)
		vm->ops->console(vm, out);
}

int vm_take_agent(struct vm *vm, bool *serial)
{
	*serial = vm->agent_serial;
	return take_fd(&vm->agent_fd);
}
