/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vmm/terminal.h"

/* Longer than a processor needs to come out of the guest on a busy host. */
#define REST_LIMIT_MS 5000

static void on_event(struct loop_source *src, int fd, uint32_t events, void *arg)
{
	struct machine *m = arg;
	struct ending ending;

	(void)fd;
	(void)events;
	if (vcpus_ending(&m->vcpus, &ending) == ENDING_NONE)
		return;
	loop_set_events(src, 0);
	loop_stop(m->loop, 0);
}

static int create(struct machine *m, int kvm_fd, struct err *err)
{
	const struct machine_config *c = &m->config;
	int r = kvm_init(&m->kvm, kvm_fd, err);

	if (r == 0 && c->n_cpus > m->kvm.max_vcpus)
		r = err_set(err, ENOTSUP, "%u processors: this host's KVM gives at most %u",
			    c->n_cpus, m->kvm.max_vcpus);
	if (r == 0)
		r = memory_init(&m->memory, c->memory, arch_limits.hole, arch_limits.hole_end,
				c->shared_memory, err);
	return r;
}

int machine_init(struct machine *m, const struct machine_config *config, int kvm_fd,
		 struct loop *loop, struct err *err)
{
	int r;

	*m = (struct machine){ .config = *config,
			       .loop = loop,
			       .kvm = { .fd = -1, .vm = -1 },
			       .memory = { .fd = -1 },
			       .statm = -1,
			       .page_size = sysconf(_SC_PAGESIZE),
			       .lines = arch_limits.lines,
			       .vcpus = { .event = -1 } };
	r = create(m, kvm_fd, err);
	if (r < 0)
		machine_done(m);
	return r;
}

/* A processor may wait for a device's reset, which is the loop's to do. */
static void settle(void *arg)
{
	struct machine *m = arg;

	for (unsigned i = 0; i < m->n_devices; i++)
		virtio_mmio_settle(m->device[i]);
}

static void stop(struct machine *m)
{
	if (vcpus_rest(&m->vcpus, VCPUS_STOP, settle, m, REST_LIMIT_MS) < 0) {
		/* What it might still touch cannot be freed. */
		log_error("a processor does not stop");
		terminal_restore();
		_exit(ENDING_FAILED);
	}
	vcpus_join(&m->vcpus);
}

void machine_done(struct machine *m)
{
	if (m->vcpus.thread)
		stop(m);
	for (unsigned i = m->n_devices; i-- > 0;)
		virtio_mmio_free(m->device[i]);
	m->n_devices = 0;
	loop_remove(&m->event);
	if (m->vcpus.thread)
		vcpus_done(&m->vcpus);
	kvm_stats_free(take_ptr(m->kvm_stats));
	close_fd(&m->statm);
	arch_free(take_ptr(m->arch));
	memory_done(&m->memory);
	kvm_done(&m->kvm);
}

int machine_load(struct machine *m, int kernel_fd, int initrd_fd, struct err *err)
{
	int r = elf_load(kernel_fd, &m->memory, arch_limits.kernel, &m->kernel, err);

	if (r == 0 && initrd_fd >= 0)
		r = initrd_load(initrd_fd, &m->memory, m->kernel.end, arch_limits.hole, &m->initrd,
				err);
	return r;
}

int machine_assemble(struct machine *m, struct err *err)
{
	const struct machine_config *c = &m->config;
	struct arch_config arch = {
		.acpi = c->acpi, .debug = c->debug, .epoch_us = c->epoch_us, .n_cpus = c->n_cpus
	};
	int r = kvm_created(&m->kvm, err);

	if (r == 0)
		r = kvm_set_memory(&m->kvm, &m->memory, err);
	if (r < 0)
		return r;
	m->arch = arch_new(&m->kvm, &arch, err);
	if (!m->arch)
		return err->code;
	r = vcpus_init(&m->vcpus, c->n_cpus, &m->kvm, m->arch, &m->bus, err);
	if (r < 0)
		return r;
	m->event = loop_add_fd(m->loop, m->vcpus.event, EPOLLIN, on_event, m);
	return m->event ? 0 : err_sys(err, errno, "cannot wait for the processors");
}

static void page_read(void *arg, uint64_t offset, void *data, uint32_t len)
{
	virtio_mmio_read(arg, offset, data, len);
}

static void page_write(void *arg, uint64_t offset, const void *data, uint32_t len)
{
	virtio_mmio_write(arg, offset, data, len);
}

static void raise_line(void *arg, uint32_t line)
{
	struct machine *m = arg;

	kvm_raise_line(&m->kvm, line);
}

static const struct bus_ops page_ops = { page_read, page_write };

/* The wires of a device that has its place: kicks out of the guest, interrupts into it. */
static int wire(struct machine *m, struct virtio_mmio *t, const struct arch_device *place,
		struct err *err)
{
	const struct virtio_device *dev = virtio_mmio_device(t);
	int r = bus_add(&m->bus, place->start, place->size, &page_ops, t, err);

	for (unsigned i = 0; r == 0 && i < dev->n_queues; i++)
		r = kvm_tie_write(&m->kvm, place->start + VIRTIO_MMIO_NOTIFY, i,
				  virtio_mmio_kick_fd(t, i), err);
	if (r == 0 && dev->ops->hands_over)
		return kvm_tie_line(&m->kvm, virtio_mmio_interrupt_fd(t), place->line, err);
	virtio_mmio_set_line(t, raise_line, m, place->line);
	return r;
}

int machine_add(struct machine *m, struct virtio_device *dev, struct err *err)
{
	struct virtio_mmio *t;
	struct arch_device place;
	int line, r;

	if (!dev)
		return err->code ? err->code : -EIO;
	if (m->n_devices == MACHINE_DEVICES_MAX) {
		virtio_device_free(dev);
		return err_set(err, ENOSPC, "more than %d devices", MACHINE_DEVICES_MAX);
	}
	t = virtio_mmio_new(dev, err);
	if (!t)
		return err->code;
	/* From here on it goes with the machine. */
	m->device[m->n_devices] = t;
	line = irq_take(&m->lines, err);
	place = (struct arch_device){
		.start = arch_limits.devices + m->n_devices * (gpa_t)VIRTIO_MMIO_SIZE,
		.size = VIRTIO_MMIO_SIZE,
		.line = (uint32_t)line,
	};
	m->place[m->n_devices++] = place;
	r = line < 0 ? line : wire(m, t, &place, err);
	return r < 0 ? err_wrap(err, "%s", dev->id) : 0;
}

int machine_boot(struct machine *m, const char *words, struct err *err)
{
	struct arch_boot boot = {
		.entry = m->kernel.entry,
		.initrd = m->initrd,
		.n_devices = m->n_devices,
		.devices = m->place,
	};
	int r = arch_add_to_line(m->arch, &boot, err);

	/* The user's words come last: they count more. */
	if (r == 0)
		r = kernel_line_add(&boot.line, arch_limits.line_max, words, err);
	if (r == 0)
		r = arch_load(m->arch, &m->memory, &boot, err);
	return r < 0 ? r : arch_set_entry(m->arch, m->vcpus.thread[0].cpu.fd, &boot, err);
}

int machine_start(struct machine *m, vcpus_enter_cb enter, struct err *err)
{
	return vcpus_start(&m->vcpus, enter, err);
}

struct ending machine_run(struct machine *m)
{
	struct ending ending;
	int r;

	vcpus_want(&m->vcpus, VCPUS_RUN);
	r = loop_run(m->loop);
	/* Counts when nothing else ended the loop. */
	machine_end(m, ENDING_FAILED, r < 0 ? strerror(-r) : "the loop ended");
	stop(m);
	vcpus_ending(&m->vcpus, &ending);
	return ending;
}

void machine_end(struct machine *m, enum ending_word word, const char *text)
{
	vcpus_end(&m->vcpus, word, text);
}

int machine_pause(struct machine *m)
{
	int r = m->paused ? 0 : vcpus_rest(&m->vcpus, VCPUS_PAUSE, settle, m, REST_LIMIT_MS);

	if (r < 0) {
		vcpus_want(&m->vcpus, VCPUS_RUN);
		return r;
	}
	for (unsigned i = 0; !m->paused && i < m->n_devices; i++)
		virtio_device_pause(virtio_mmio_device(m->device[i]));
	m->paused = true;
	return 0;
}

void machine_resume(struct machine *m)
{
	if (!m->paused)
		return;
	for (unsigned i = 0; i < m->n_devices; i++)
		virtio_device_resume(virtio_mmio_device(m->device[i]));
	m->paused = false;
	vcpus_want(&m->vcpus, VCPUS_RUN);
}
