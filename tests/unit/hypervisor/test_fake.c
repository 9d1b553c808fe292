/* SPDX-License-Identifier: Apache-2.0 */
/* The fake driver with scripts in the place of the agent. Needs root, for namespaces. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
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
#include "base/file.h"
#include "cgroup/cgroup.h"
#include "host/hypervisor/hypervisor.h"

#define LIMIT_MS 10000

struct fixture {
	char dir[64], bin[64], id[32]; /* the agent is outside of /run, which it sees empty */
	char *run, *share;
	struct loop *loop;
	struct config *config;
	struct vm_spec spec;
	struct vm *vm;
	int started, exited;
	bool timed_out;
	pid_t guard;
	struct err end;
};

static void on_event(struct vm *vm, enum vm_event event, const struct err *err, void *arg)
{
	struct fixture *f = arg;

	(void)vm;
	if (event == VM_STARTED)
		f->started++;
	if (event == VM_EXITED) {
		f->exited++;
		f->end = *err;
		loop_stop(f->loop, 0);
	}
}

static int on_process(struct vm *vm, const char *name, pid_t pid, void *arg)
{
	(void)vm;
	assert_string_equal(name, "agent");
	((struct fixture *)arg)->guard = pid;
	return 0;
}

static void on_limit(void *arg)
{
	struct fixture *f = arg;

	f->timed_out = true;
	loop_stop(f->loop, 0);
}

static void run(struct fixture *f)
{
	struct loop_source *limit = loop_add_timer(f->loop, LIMIT_MS, on_limit, f);

	loop_run(f->loop);
	assert_false(f->timed_out);
	loop_remove(&limit);
	assert_int_equal(f->exited, 1);
}

/* Step until the script has made the file DIR/run/@name. */
static void await_file(struct fixture *f, const char *name)
{
	auto_free char *path = path_join(f->run, name);
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (access(path, F_OK) < 0) {
		assert_true(loop_now_ms() < end);
		assert_int_equal(loop_step(f->loop, 10), 0);
	}
}

static bool group_exists(struct fixture *f)
{
	for (size_t i = 0; i < cgroup_hierarchies(); i++) {
		auto_free char *path =
			xasprintf("%s/kata-fake-%s", cgroup_hierarchy_mount(i), f->id);

		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;
	auto_free char *text = NULL, *conf = NULL;

	snprintf(f->dir, sizeof(f->dir), "/run/hypervisor-test-XXXXXX");
	if (geteuid() == 0)
		assert_non_null(mkdtemp(f->dir));
	snprintf(f->id, sizeof(f->id), "test-%d", (int)getpid());
	f->run = path_join(f->dir, "run");
	f->share = path_join(f->dir, "share");
	*state = f;
	if (geteuid() != 0)
		return 0;
	snprintf(f->bin, sizeof(f->bin), "/tmp/hypervisor-test-XXXXXX");
	assert_non_null(mkdtemp(f->bin));
	assert_int_equal(mkdir(f->run, 0700) | mkdir(f->share, 0755), 0);
	conf = path_join(f->dir, "c.toml");
	text = xasprintf("[hypervisor.fake]\npath = \"%s/agent\"\n", f->bin);
	assert_int_equal(file_replace(conf, text, strlen(text), 0644, NULL), 0);
	f->config = config_load(conf, &err);
	if (!f->config)
		fail_msg("%s", err_msg(&err));
	f->spec = (struct vm_spec){
		.id = f->id, .run_dir = f->run, .config = f->config, .share_dir = f->share
	};
	f->loop = loop_new();
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r;

	vm_free(f->vm);
	loop_free(f->loop);
	config_free(f->config);
	r = waitpid(-1, NULL, WNOHANG);
	assert_true(r == -1 && errno == ECHILD);
	assert_false(group_exists(f));
	if (geteuid() == 0)
		assert_int_equal(tree_remove(f->dir, NULL) | tree_remove(f->bin, NULL), 0);
	free(f->run);
	free(f->share);
	free(f);
	return 0;
}

static void start(struct fixture *f, const char *script)
{
	auto_free char *path = path_join(f->bin, "agent");
	struct err err = ERR_INIT;
	const struct hypervisor_ops *ops;

	if (geteuid() != 0)
		skip();
	assert_int_equal(file_replace(path, script, strlen(script), 0755, NULL), 0);
	ops = hypervisor_for(f->config, &err);
	if (!ops)
		fail_msg("%s", err_msg(&err));
	f->vm = vm_new(ops, &f->spec, f->loop, on_event, on_process, f, &err);
	if (vm_start(f->vm, &err) < 0)
		fail_msg("%s", err_msg(&err));
}

static void its_end_is_told(void **state)
{
	struct fixture *f = *state;

	start(f, "#!/bin/sh\necho 'no such luck' >&2\nexit 4\n");
	run(f);
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
	start(f, script);
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

	start(f, script);
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

	start(f, script);
	await_file(f, "up");
	kill(f->guard, SIGKILL);
	run(f);
	assert_non_null(strstr(f->end.msg, "was killed by signal 9"));
}

static void freed_while_running(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;

	start(f, "#!/bin/sh\nsleep 1000\n");
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
