/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU driver against programs that misbehave: scripts in the place of QEMU and virtiofsd. */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <errno.h>
#include <sys/stat.h>

static int setup(void **state)
{
	struct fixture *f = fixture_new("/tmp");

	put_file(f, "qemu", "#!/bin/sh\nsleep 100\n", 0755);
	fixture_configure(
		f,
		xasprintf("[hypervisor.qemu]\npath = \"%s/qemu\"\nkernel = \"/proc/self/exe\"\n"
			  "initrd = \"%s/initrd\"\nimage = \"\"\nmachine_type = \"microvm\"\n"
			  "machine_accelerators = \"tcg\"\nvirtio_fs_daemon = \"%s/virtiofsd\"\n",
			  f->dir, f->dir, f->dir));
	set_key(&f->config->hypervisor.kernel, path_real("/proc/self/exe", NULL));
	f->spec.share_dir = f->share;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

#define ends_with_words(f, ...)                                                         \
	do {                                                                            \
		const char *const words_[] = { __VA_ARGS__ };                           \
		run(f);                                                                 \
		assert_true((f)->end.code < 0);                                         \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(words_); i_++)                      \
			if (!strstr((f)->end.msg, words_[i_]))                          \
				fail_msg("no \"%s\" in: %s", words_[i_], (f)->end.msg); \
	} while (0)

static void drivers_are_found_by_name(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(hypervisor_find("qemu", &err));
	assert_non_null(hypervisor_find("fake", &err));
	for (const struct hypervisor_row *row = hypervisor_rows(); row->name; row++) {
		assert_non_null(row->ops);
		assert_ptr_equal(hypervisor_find(row->name, &err), row->ops);
	}
	assert_null(hypervisor_find("xen", &err));
	assert_non_null(strstr(err_msg(&err),
			       "hypervisor \"xen\" is not known (drivers: qemu, dragonball, "));
}

static void count(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct fixture *f = arg;

	(void)vm;
	f->exited += event == VM_EXITED;
	f->end = *err;
	loop_stop(f->loop, 0);
}

static void what_a_driver_lacks_is_said(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	f->vm = vm_new(hypervisor_find("qemu", &err), &f->spec, f->loop, count, NULL, f, &err);
	vm_pause(f->vm, on_paused, f);
	assert_int_equal(f->paused, 0);
	loop_step(f->loop, 0);
	assert_int_equal(f->paused, 1);
	assert_int_equal(f->refusal.code, -ENOTSUP);
	assert_string_equal(f->refusal.msg, "hypervisor \"qemu\" cannot pause a machine");
	/* What was not answered yet is dropped with the machine, by teardown. */
	vm_resume(f->vm, on_paused, f);
	assert_int_equal(vm_pid(f->vm), 0);
	assert_true(vm_connect(f->vm, &err) < 0);
	/* Stopping what never started ends well, and once. */
	vm_stop(f->vm);
	vm_stop(f->vm);
	assert_int_equal(f->exited, 0);
	run(f);
	assert_int_equal(f->end.code, 0);
	vm_stop(f->vm);
	loop_step(f->loop, 0);
	assert_int_equal(f->exited, 1);
}

/* Each asset, each way of being wrong: the key and the path are named, nothing is started. */
static void assets_are_checked(void **state)
{
	struct fixture *f = *state;
	struct config_hypervisor *h = &f->config->hypervisor;
	char **const keys[] = { &h->path, &h->kernel, &h->initrd, &h->virtio_fs_daemon };
	static const char *const names[] = { "hypervisor.qemu.path", "hypervisor.qemu.kernel",
					     "hypervisor.qemu.initrd",
					     "hypervisor.qemu.virtio_fs_daemon" };
	static const char *const bad[] = { "missing", "run", "empty", "plain", "garbage", "cut" };
	auto_free char *fifo = path_join(f->dir, "fifo");

	put_file(f, "empty", "", 0755);
	put_file(f, "plain", "#!/bin/sh\n", 0644);
	put_file(f, "garbage", "garbage", 0755);
	put_file(f, "cut", "\177ELF\2\1\1", 0755);
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		char *good = *keys[k];

		for (size_t b = 0; b < ARRAY_SIZE(bad); b++) {
			struct err err = ERR_INIT;
			bool is_fit;

			*keys[k] = path_join(f->dir, bad[b]);
			/* An initrd is what it is, and a program has more to it than its head. */
			is_fit = (keys[k] == &h->initrd && b > 2) ||
				 (keys[k] != &h->kernel && !strcmp(bad[b], "cut"));
			if (is_fit != (hypervisor_for(f->config, &err) != NULL))
				fail_msg("%s = %s: %s", names[k], bad[b], err_msg(&err));
			if (!is_fit && (!str_starts(err_msg(&err), names[k]) ||
					!strstr(err_msg(&err), *keys[k])))
				fail_msg("%s = %s: %s", names[k], bad[b], err_msg(&err));
			free(*keys[k]);
		}
		*keys[k] = good;
	}
	assert_int_equal(mkfifo(fifo, 0600), 0);
	set_key(&h->kernel, xstrdup(fifo));
	assert_null(hypervisor_for(f->config, NULL));
}

static void qemu_fails_at_its_start(void **state)
{
	struct fixture *f = *state;

	put_file(f, "qemu", "#!/bin/sh\necho 'no such luck' >&2\nexit 3\n", 0755);
	starts(f);
	assert_int_equal(f->exited, 0);
	ends_with_words(f, "qemu (", "ended with status 3: no such luck");
	assert_true(f->processes >= 1);
	assert_int_equal(f->started, 0);
}

static void qemu_is_killed(void **state)
{
	struct fixture *f = *state;

	put_file(f, "qemu", "#!/bin/sh\nkill -9 $$\n", 0755);
	starts(f);
	ends_with_words(f, "qemu (", "was killed by signal 9");
}

/* A script that finds QEMU's side of the control connection, then does @then. */
static void put_qemu(struct fixture *f, const char *then)
{
	auto_free char *text =
		xasprintf("#!/bin/bash\n"
			  "for a; do\n"
			  "	case $a in socket,id=qmp,fd=*) q=${a##*=} ;; esac\n"
			  "	case $a in socket,id=console,fd=*) c=${a##*=} ;; esac\n"
			  "done\n%s\n",
			  then);

	put_file(f, "qemu", text, 0755);
}

static void qemu_talks_garbage(void **state)
{
	struct fixture *f = *state;

	put_qemu(f, "echo garbage >&$q; sleep 100");
	starts(f);
	ends_with_words(f, "qemu (", "QMP: the answer is no JSON object");
}

static void a_qemu_that_is_too_old_says_so(void **state)
{
	struct fixture *f = *state;

	put_qemu(f,
		 "echo '{\"QMP\": {\"version\": {\"qemu\": {\"major\": 5, \"minor\": 2}}}}' >&$q; "
		 "sleep 100");
	starts(f);
	ends_with_words(f, "qemu (", "version 5.2 is too old, at least 6.0 is needed");
	assert_int_equal(f->started, 0);
}

static void huge_pages_that_are_not_there(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	f->config->hypervisor.enable_hugepages = true;
	f->spec.size = (struct vm_size){ 1, 1, UINT32_MAX, UINT32_MAX };
	assert_true(start(f, &err) < 0);
	assert_non_null(strstr(err_msg(&err), "hypervisor.qemu.enable_hugepages: "));
}

static void the_guest_ends_itself(void **state)
{
	struct fixture *f = *state;

	put_qemu(
		f,
		"echo '[    1.0] Kernel panic - not syncing: x' >&$c\n"
		"echo '{\"QMP\": {}}' >&$q\nread line <&$q\n"
		"echo '{\"return\": {}, \"id\": 0}' >&$q\n"
		"echo '{\"event\": \"VSERPORT_CHANGE\", \"data\": {\"id\": null}}' >&$q\n"
		"echo '{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": null}}' >&$q\n"
		"echo '{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
		"\"guest-reset\"}}' >&$q");
	starts(f);
	ends_with_words(f, "the guest has ended (guest-reset)",
			"the guest's last words: Kernel panic - not syncing: x");
	assert_int_equal(f->started, 1);
}

/* It closes its connection and stays: it is not waited for for ever. */
static void qemu_closes_and_stays(void **state)
{
	struct fixture *f = *state;

	put_qemu(f, "exec {q}>&-; exec sleep 100");
	starts(f);
	ends_with_words(f, "qemu (", "closed its control connection");
}

static void stopping_is_no_failure(void **state)
{
	struct fixture *f = *state;
	auto_str struct str words = STR_INIT;

	put_qemu(f, "echo 'half a word' >&$c; echo '{\"QMP\": {}}' >&$q\nread line <&$q\n"
		    "echo '{\"return\": {}, \"id\": 0}' >&$q\nsleep 100");
	f->stop_when_started = true;
	starts(f);
	assert_true(vm_pid(f->vm) > 0);
	run(f);
	assert_int_equal(f->end.code, 0);
	assert_int_equal(f->started, 1);
	vm_console(f->vm, &words);
	assert_string_equal(str_text(&words), "half a word");
}

static void virtiofsd_fails(void **state)
{
	struct fixture *f = *state;

	put_file(
		f, "virtiofsd",
		"#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\necho 'no luck' >&2\nexit 1\n",
		0755);
	starts(f);
	ends_with_words(f, "virtiofsd (", "ended with status 1: no luck");
	assert_int_equal(f->processes, 2);
}

static void virtiofsd_is_something_else(void **state)
{
	struct fixture *f = *state;

	put_file(f, "virtiofsd", "#!/bin/sh\necho something else 1.0\n", 0755);
	starts(f);
	ends_with_words(f, "virtiofsd (", "not a virtiofsd, --version says: something else 1.0");
}

/* QEMU's connection to it breaks, and both end: the one that failed is told. */
static void the_guilty_one_is_told(void **state)
{
	struct fixture *f = *state;

	put_qemu(f, "sleep 0.2; exit 1");
	put_file(f, "virtiofsd",
		 "#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\nsleep 0.2\nexit 5\n",
		 0755);
	starts(f);
	ends_with_words(f, "virtiofsd (", "status 5");
}

static void and_the_innocent_is_not(void **state)
{
	struct fixture *f = *state;

	put_qemu(f, "sleep 0.2; exit 6");
	put_file(f, "virtiofsd",
		 "#!/bin/sh\n[ $1 = --version ] && exec echo virtiofsd 1.0\nsleep 0.1\n", 0755);
	starts(f);
	ends_with_words(f, "qemu (", "status 6");
}

static void a_refused_process_ends_the_start(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	f->refuse = -ENOSPC;
	assert_int_equal(start(f, &err), -ENOSPC);
	assert_string_equal(err_msg(&err), "qemu: recording the process: No space left on device");
	loop_step(f->loop, 0);
	assert_int_equal(f->exited, 0);
}

/* Released in the middle of it; teardown looks for what is left. */
static void freed_while_running(void **state)
{
	struct fixture *f = *state;

	starts(f);
	loop_step(f->loop, 20);
	vm_free(take_ptr(f->vm));
	assert_int_equal(f->exited, 0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers_are_found_by_name),
		T(what_a_driver_lacks_is_said),
		T(assets_are_checked),
		T(qemu_fails_at_its_start),
		T(qemu_is_killed),
		T(qemu_talks_garbage),
		T(a_qemu_that_is_too_old_says_so),
		T(huge_pages_that_are_not_there),
		T(the_guest_ends_itself),
		T(qemu_closes_and_stays),
		T(stopping_is_no_failure),
		T(virtiofsd_fails),
		T(virtiofsd_is_something_else),
		T(the_guilty_one_is_told),
		T(and_the_innocent_is_not),
		T(a_refused_process_ends_the_start),
		T(freed_while_running),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("qemu driver", tests, NULL, NULL);
}
