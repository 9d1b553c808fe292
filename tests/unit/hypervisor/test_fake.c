/* SPDX-License-Identifier: Apache-2.0 */
/* The fake driver with scripts in the place of the agent. Needs root, for namespaces. */
#include "tests/unit/hypervisor/driver_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cgroup/cgroup.h"

static char id[32];   /* of the machine */
static char *program; /* not in /run, which the agent sees empty */

/* Step until the script has made the file DIR/run/@name. */
static void await_file(struct fixture *f, const char *name)
{
	auto_free char *path = path_join(f->run, name);
	int64_t end = loop_now_ms() + FIXTURE_LIMIT_MS;

	while (access(path, F_OK) < 0) {
		assert_true(loop_now_ms() < end);
		assert_int_equal(loop_step(f->loop, 10), 0);
	}
}

static bool group_exists(void)
{
	for (size_t i = 0; i < cgroup_hierarchies(); i++) {
		auto_free char *path = xasprintf("%s/kata-fake-%s", cgroup_hierarchy_mount(i), id);

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static int setup(void **state)
{
	struct fixture *f = fixture_new(geteuid() == 0 ? "/run" : "/tmp");

	snprintf(id, sizeof(id), "test-%d", (int)getpid());
	program = xasprintf("/tmp/hypervisor-test-%d-agent", (int)getpid());
	fixture_configure(f, xasprintf("[hypervisor.fake]\npath = \"%s\"\n", program));
	f->spec.id = id;
	f->spec.share_dir = f->share;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	assert_false(group_exists());
	unlink(program);
	free(take_ptr(program));
	return 0;
}

static void start_script(struct fixture *f, const char *script)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(file_replace(program, script, strlen(script), 0755, NULL), 0);
	starts(f);
}

static void its_end_is_told(void **state)
{
	struct fixture *f = *state;

	start_script(f, "#!/bin/sh\necho 'no such luck' >&2\nexit 4\n");
	run(f);
	assert_string_equal(f->roles, "agent ");
	assert_non_null(strstr(f->end.msg, "agent ("));
	assert_non_null(strstr(f->end.msg, "ended with status 4: no such luck"));
}

/* Not process 1, an empty /run with only its own, its share, its own hostname and cgroup. */
static void it_lives_apart(void **state)
{
	struct fixture *f = *state;
	auto_free char *mine = path_join(f->share, "mine");
	auto_free char *script = NULL;

	assert_int_equal(geteuid() != 0 || file_replace(mine, "x", 1, 0644, NULL) == 0, 1);
	script = xasprintf(
		"#!/bin/sh\n"
		"[ $$ != 1 ] || { echo process 1; exit 1; }\n"
		"[ -e %s/share/mine ] || { echo no share; exit 1; }\n"
		"[ \"$(ls /run)\" = \"$(basename %s)\" ] || { ls /run; exit 1; }\n"
		"[ \"$(ls /proc | grep -c '^[0-9]')\" -lt 10 ] || { echo all procs; exit 1; }\n"
		"hostname apart || exit 1\n"
		"! grep -v ':/\\(agent\\)\\?$' /proc/self/cgroup || exit 1\n"
		"case $KATA_AGENT_SERVER_ADDR in unix://%s/run/agent.sock) exit 42 ;; esac\n",
		f->dir, f->dir, f->dir);
	start_script(f, script);
	run(f);
	assert_non_null(strstr(f->end.msg, "ended with status 42"));
}

static void stopping_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	auto_free char *script =
		xasprintf("#!/bin/sh\ntrap '' TERM INT HUP\n(setsid sleep 1000) &\n"
			  "for d in /sys/fs/cgroup/*/; do mkdir $d/child 2>/dev/null; done\n"
			  ": >%s/run/up\nsleep 1000\n",
			  f->dir);
	int64_t begin;

	start_script(f, script);
	await_file(f, "up");
	assert_true(vm_pid(f->vm) > 0);
	begin = loop_now_ms();
	vm_stop(f->vm);
	run(f);
	assert_true(loop_now_ms() - begin < 2000);
	assert_int_equal(f->end.code, 0);
	assert_int_equal(f->started, 1);
}

/* Also when its guard is killed. */
static void a_killed_guard_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	auto_free char *script = xasprintf("#!/bin/sh\n: >%s/run/up\nsleep 1000\n", f->dir);

	start_script(f, script);
	await_file(f, "up");
	kill(f->last, SIGKILL);
	run(f);
	assert_non_null(strstr(f->end.msg, "was killed by signal 9"));
}

static void freed_while_running(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start_script(f, "#!/bin/sh\nsleep 1000\n");
	assert_int_equal(vm_connect(f->vm, &err), 0);
	loop_step(f->loop, 10);
	vm_free(take_ptr(f->vm));
	assert_int_equal(f->exited, 0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(its_end_is_told),	    T(it_lives_apart),
		T(stopping_leaves_nothing), T(a_killed_guard_leaves_nothing),
		T(freed_while_running),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("fake driver", tests, NULL, NULL);
}
