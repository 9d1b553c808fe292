/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the built-in monitor against monitors that misbehave (vmm_double.c). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/hypervisor/hypervisor.h"
#include "host/hypervisor/kvm_probe.h"

#define LIMIT_MS 10000

struct fixture {
	char dir[64];
	char *run, *share;
	struct loop *loop;
	struct config *config;
	struct vm_spec spec;
	struct vm *vm;
	int started, agent, exited;
	bool stop_when_started, connect, pause, timed_out;
	struct err end;
};

static bool no_kvm;

/* In the place of the real one (the linker's --wrap): no test depends on the host's. */
int __wrap_kvm_open(struct err *err);
int __wrap_kvm_open(struct err *err)
{
	return no_kvm ? err_set(err, ENOTSUP, "no usable KVM: too slow") :
			open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void put_file(struct fixture *f, const char *name, const char *text, mode_t mode)
{
	auto_free char *path = path_join(f->dir, name);

	assert_int_equal(file_replace(path, text, strlen(text), mode, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	auto_free char *conf = NULL, *text = NULL;
	struct err err = ERR_INIT;

	no_kvm = false;
	snprintf(f->dir, sizeof(f->dir), "/tmp/dragonball-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->run = path_join(f->dir, "run");
	f->share = path_join(f->dir, "share");
	assert_int_equal(mkdir(f->run, 0700) | mkdir(f->share, 0755), 0);
	put_file(f, "initrd", "x", 0644);
	put_file(f, "virtiofsd",
		 "#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\nsleep 100\n", 0755);
	text = xasprintf("[hypervisor.dragonball]\npath = \"" VMM_DOUBLE "\"\n"
			 "kernel = \"/proc/self/exe\"\ninitrd = \"%s/initrd\"\nimage = \"\"\n"
			 "virtio_fs_daemon = \"%s/virtiofsd\"\n[agent.kata]\ndial_timeout = 5\n",
			 f->dir, f->dir);
	put_file(f, "c.toml", text, 0644);
	conf = path_join(f->dir, "c.toml");
	f->config = config_load(conf, &err);
	if (!f->config)
		fail_msg("%s", err_msg(&err));
	free(f->config->hypervisor.kernel);
	f->config->hypervisor.kernel = path_real("/proc/self/exe", NULL);
	f->spec = (struct vm_spec){
		.run_dir = f->run, .config = f->config, .size = { 1, 1, 64, 64 }, .share_tag = "tag"
	};
	f->loop = loop_new();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	vm_free(f->vm);
	loop_free(f->loop);
	config_free(f->config);
	/* Whatever went wrong, no process is left. */
	r = waitpid(-1, NULL, WNOHANG);
	assert_true(r == -1 && errno == ECHILD);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->run);
	free(f->share);
	free(f);
	return 0;
}

static void on_event(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct fixture *f = arg;

	switch (event) {
	case VM_STARTED:
		f->started++;
		if (f->pause)
			assert_int_equal(vm_pause(vm, NULL), 0);
		if (f->connect)
			assert_int_equal(vm_connect(vm, NULL), 0);
		if (f->stop_when_started)
			vm_stop(vm);
		break;
	case VM_AGENT:
		f->agent++;
		vm_stop(vm);
		break;
	case VM_EXITED:
		f->exited++;
		f->end = *err;
		loop_stop(f->loop, 0);
		break;
	}
}

static int on_process(struct vm *vm, const char *name, pid_t pid, void *arg)
{
	(void)vm;
	(void)arg;
	assert_true(pid > 0 && (!strcmp(name, "kata-vmm") || !strcmp(name, "virtiofsd")));
	return 0;
}

static void on_limit(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	loop_stop(f->loop, 0);
}

static int start(struct fixture *f, const char *mode, struct err *err)
{
	const struct hypervisor_ops *ops = hypervisor_for(f->config, err);

	if (!ops)
		return err->code;
	f->spec.id = mode;
	f->vm = vm_new(ops, &f->spec, f->loop, on_event, on_process, f, err);
	return vm_start(f->vm, err);
}

/* Run until VM_EXITED, which must come in time and once; its message. */
static const char *end_of(struct fixture *f, const char *mode)
{
	struct loop_source *limit = loop_add_timer(f->loop, LIMIT_MS, on_limit, f);
	struct err err = ERR_INIT;

	if (start(f, mode, &err) < 0)
		fail_msg("%s", err_msg(&err));
	loop_run(f->loop);
	assert_false(f->timed_out);
	loop_remove(&limit);
	assert_int_equal(f->exited, 1);
	return f->end.msg;
}

static void it_dies_at_its_start(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "dies"),
			    "kata-vmm (" VMM_DOUBLE ") ended with status 1: kata-vmm: --memory: no "
			    "room; the guest's last words: no root");
	assert_int_equal(f->started, 0);
}

static void it_never_starts(void **state)
{
	struct fixture *f = *state;

	f->config->agent.dial_timeout_ms = 200;
	assert_string_equal(end_of(f, "silent"),
			    "kata-vmm (" VMM_DOUBLE ") did not start the guest within 200 ms");
}

static void it_talks_garbage(void **state)
{
	assert_string_equal(end_of(*state, "garbage"),
			    "kata-vmm (" VMM_DOUBLE "): the monitor says what is not understood: "
			    "\"hello\"");
}

static void it_closes_the_connection(void **state)
{
	assert_string_equal(end_of(*state, "closes"),
			    "kata-vmm (" VMM_DOUBLE ") closed its control connection");
}

static void the_guest_panics(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(end_of(f, "panic"),
			    "the guest's kernel panicked: Attempted to kill init!; the guest's "
			    "last words: no root");
	assert_int_equal(f->started, 1);
}

static void the_guest_powers_off(void **state)
{
	assert_string_equal(end_of(*state, "poweroff"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

static void it_stays_after_its_guest(void **state)
{
	assert_string_equal(end_of(*state, "lingers"),
			    "the guest has ended (poweroff); the guest's last words: no root");
}

static void it_stops_when_told(void **state)
{
	struct fixture *f = *state;
	int64_t begin = loop_now_ms();

	f->stop_when_started = true;
	f->spec.share_dir = f->share;
	assert_string_equal(end_of(f, "works"), "");
	assert_int_equal(f->end.code, 0);
	assert_true(loop_now_ms() - begin < 5000);
}

static void it_is_killed_when_it_does_not(void **state)
{
	struct fixture *f = *state;

	f->stop_when_started = true;
	assert_string_equal(end_of(f, "stubborn"), "");
	assert_int_equal(f->end.code, 0);
}

static void it_does_not_answer(void **state)
{
	struct fixture *f = *state;

	f->pause = true;
	assert_string_equal(end_of(f, "stubborn"),
			    "kata-vmm (" VMM_DOUBLE "): the monitor did not answer \"pause\" "
			    "within 2000 ms");
}

static void the_agent_is_reached(void **state)
{
	struct fixture *f = *state;
	char text[16] = "";
	bool serial;
	int fd;

	f->connect = f->pause = true;
	assert_string_equal(end_of(f, "agent"), "");
	assert_int_equal(f->agent, 1);
	fd = vm_take_agent(f->vm, &serial);
	assert_true(fd >= 0 && !serial);
	/* What came behind the handshake's line is the stream's. */
	assert_int_equal(read(fd, text, sizeof(text) - 1), 5);
	assert_string_equal(text, "agent");
	close(fd);
}

static void virtiofsd_fails(void **state)
{
	struct fixture *f = *state;

	put_file(f, "virtiofsd",
		 "#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\n"
		 "sleep 0.2; echo no memory >&2; exit 3\n",
		 0755);
	f->spec.share_dir = f->share;
	assert_non_null(strstr(end_of(f, "works"), "/virtiofsd) ended with status 3: no memory"));
}

static void without_kvm(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	no_kvm = true;
	assert_int_equal(start(f, "works", &err), -ENOTSUP);
	assert_string_equal(err.msg, "no usable KVM: too slow");
}

static void what_is_missing_is_named(void **state)
{
	struct fixture *f = *state;
	struct vm_dev disk = { .id = "d", .disk = { .path = "/nonexistent/disk" } };
	struct err err = ERR_INIT;

	f->spec.disks = &disk;
	f->spec.n_disks = 1;
	assert_int_equal(start(f, "works", &err), -ENOENT);
	assert_string_equal(err.msg, "disk /nonexistent/disk: No such file or directory");
	vm_free(take_ptr(f->vm));
	free(f->config->hypervisor.kernel);
	f->config->hypervisor.kernel = path_join(f->dir, "virtiofsd");
	assert_int_equal(start(f, "works", &err), -ENOEXEC);
	assert_non_null(strstr(err.msg, "/virtiofsd: not an ELF file (vmlinux), which is needed"));
	free(f->config->hypervisor.path);
	f->config->hypervisor.path = xstrdup("/nonexistent/vmm");
	assert_int_equal(start(f, "works", &err), -ENOENT);
	assert_string_equal(err.msg, "hypervisor.dragonball.path /nonexistent/vmm: No such file or "
				     "directory");
}

static void what_it_lacks_is_said(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	auto_str struct str address = STR_INIT;
	auto_free char *want = xasprintf("hvsock://%s/kata.hvsock", f->run);

	f->stop_when_started = true;
	end_of(f, "works");
	assert_int_equal(vm_pause(f->vm, &err), -EPIPE);
	assert_string_equal(err.msg, "pause: the machine does not run");
	vm_address(f->vm, &address);
	assert_string_equal(str_text(&address), want);
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config),
			 HV_CAP_FS_SHARE | HV_CAP_BLOCK | HV_CAP_PAUSE);
	free(f->config->hypervisor.shared_fs);
	f->config->hypervisor.shared_fs = xstrdup("none");
	assert_int_equal(hypervisor_caps(f->vm->ops, f->config), HV_CAP_BLOCK | HV_CAP_PAUSE);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_dies_at_its_start),
		T(it_never_starts),
		T(it_talks_garbage),
		T(it_closes_the_connection),
		T(the_guest_panics),
		T(the_guest_powers_off),
		T(it_stays_after_its_guest),
		T(it_stops_when_told),
		T(it_is_killed_when_it_does_not),
		T(it_does_not_answer),
		T(the_agent_is_reached),
		T(virtiofsd_fails),
		T(without_kvm),
		T(what_is_missing_is_named),
		T(what_it_lacks_is_said),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("dragonball", tests, NULL, NULL);
}
