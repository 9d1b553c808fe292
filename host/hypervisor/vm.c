/* SPDX-License-Identifier: Apache-2.0 */
/* The way into a driver: what it lacks is said here, in one place. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/str.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/version.h"

static int not_supported(const struct vm *vm, const char *what, struct err *err)
{
	return err_set(err, ENOTSUP, "hypervisor \"%s\" cannot %s a machine", vm->ops->name, what);
}

/* An answer that is known at once comes from the loop all the same. */
struct refusal {
	struct vm *vm;
	struct list link;
	struct loop_source *src;
	vm_plug_done plug;
	vm_done done;
	vm_resize_done resize;
	void *arg;
	const char *what; /* that the driver cannot do */
	struct err err;	  /* or another reason */
};

static void refusal_free(struct refusal *r)
{
	list_del(&r->link);
	loop_remove(&r->src);
	free(r);
}

static void on_refusal(void *arg)
{
	struct refusal r = *(struct refusal *)arg;
	struct err err = r.err;

	((struct refusal *)arg)->src = NULL;
	refusal_free(arg);
	if (r.what)
		not_supported(r.vm, r.what, &err);
	if (r.plug)
		r.plug(&err, NULL, r.arg);
	else if (r.done)
		r.done(&err, r.arg);
	else
		r.resize(&err, 0, 0, r.arg);
}

static void refuse(const struct refusal *what)
{
	struct refusal *r = xmalloc(sizeof(*r));

	*r = *what;
	list_add_tail(&r->vm->refusals, &r->link);
	r->src = loop_defer(r->vm->loop, on_refusal, r);
}

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
	list_init(&vm->refusals);
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
	version_ask_free(take_ptr(vm->version));
	vm->ops->free(vm);
	while (!list_empty(&vm->refusals))
		refusal_free(container_of(vm->refusals.next, struct refusal, link));
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
	int r = vm->ops->start(vm, err);

	if (r == 0 && !vm->version) {
		auto_free char *path = hypervisor_program(vm->spec->config);

		vm->version = version_ask(vm, path);
	}
	return r;
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

void vm_refuse(struct vm *vm, const struct err *err, vm_done done, void *arg)
{
	refuse(&(struct refusal){ .vm = vm, .done = done, .arg = arg, .err = *err });
}

void vm_refuse_plug(struct vm *vm, const struct err *err, vm_plug_done done, void *arg)
{
	refuse(&(struct refusal){ .vm = vm, .plug = done, .arg = arg, .err = *err });
}

void vm_pause(struct vm *vm, vm_done done, void *arg)
{
	if (vm->ops->pause)
		vm->ops->pause(vm, done, arg);
	else
		refuse(&(struct refusal){ .vm = vm, .done = done, .arg = arg, .what = "pause" });
}

void vm_resume(struct vm *vm, vm_done done, void *arg)
{
	if (vm->ops->resume)
		vm->ops->resume(vm, done, arg);
	else
		refuse(&(struct refusal){ .vm = vm, .done = done, .arg = arg, .what = "resume" });
}

void vm_disk_place(const struct vm *vm, size_t i, struct vm_place *place)
{
	vm->ops->disk_place(vm->spec, i, place);
}

void vm_plug(struct vm *vm, const struct vm_dev *dev, vm_plug_done done, void *arg)
{
	bool can = dev->type != VM_DEV_NET || (vm->ops->caps & HV_CAP_NET_HOTPLUG);

	if (vm->ops->plug && can)
		vm->ops->plug(vm, dev, done, arg);
	else
		refuse(&(struct refusal){
			.vm = vm, .plug = done, .arg = arg, .what = "plug a device into" });
}

void vm_unplug(struct vm *vm, const char *id, vm_done done, void *arg)
{
	if (vm->ops->unplug)
		vm->ops->unplug(vm, id, done, arg);
	else
		refuse(&(struct refusal){
			.vm = vm, .done = done, .arg = arg, .what = "take a device from" });
}

void vm_resize(struct vm *vm, unsigned vcpus, uint64_t memory, vm_resize_done done, void *arg)
{
	if (vm->ops->resize)
		vm->ops->resize(vm, vcpus, memory, done, arg);
	else
		refuse(&(struct refusal){
			.vm = vm, .resize = done, .arg = arg, .what = "change the size of" });
}

void vm_console(const struct vm *vm, struct str *out)
{
	if (vm->ops->console)
		vm->ops->console(vm, out);
}

void vm_address(const struct vm *vm, struct str *out)
{
	if (vm->ops->address)
		vm->ops->address(vm, out);
}

void vm_metrics(const struct vm *vm, struct str *out)
{
	if (vm->ops->metrics)
		vm->ops->metrics(vm, out);
}

int vm_take_agent(struct vm *vm, bool *serial)
{
	*serial = vm->agent_serial;
	return take_fd(&vm->agent_fd);
}
