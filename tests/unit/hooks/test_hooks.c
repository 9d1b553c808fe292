/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks that behave, and those that do not. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/proc.h"
#include "host/hooks/hooks.h"

static char dir[] = "/tmp/test-hooks-XXXXXX";
static struct loop *loop;

struct outcome {
	bool over;
	struct err err;
};

static void on_over(const struct err *err, void *arg)
{
	struct outcome *o = arg;

	assert_false(o->over);
	o->over = true;
	if (err)
		o->err = *err;
}

static const struct hook_state state = {
	.id = "c1", .status = "creating", .bundle = dir, .pid = 42
};
static const struct hook_place here = { .cwd = dir, .root = -1 };

/* A hook that is a script of sh. The caller frees nothing: the strings are the test's. */
#define SCRIPT(...)                                                                          \
	{                                                                                    \
		.base = PROTOBUF_C_MESSAGE_INIT(&grpc__hook__descriptor), .path = "/bin/sh", \
		.n_args = 3, .args = (char *[])                                              \
		{                                                                            \
			"sh", "-c", __VA_ARGS__                                              \
		}                                                                            \
	}

static struct hooks *begin(enum hook_kind kind, Grpc__Hook *list, size_t n, struct outcome *o,
			   Grpc__Hooks *all, Grpc__Hook **pointers)
{
	for (size_t i = 0; i < n; i++)
		pointers[i] = &list[i];
	grpc__hooks__init(all);
	all->prestart = all->poststop = all->poststart = pointers;
	all->n_prestart = kind == HOOK_PRESTART ? n : 0;
	all->n_poststart = kind == HOOK_POSTSTART ? n : 0;
	all->n_poststop = kind == HOOK_POSTSTOP ? n : 0;
	*o = (struct outcome){ 0 };
	return hooks_run(loop, kind, all, &state, &here, on_over, o);
}

static void wait_for(struct outcome *o)
{
	int64_t end = loop_now_ms() + 30000;

	while (!o->over && loop_now_ms() < end)
		loop_step(loop, 100);
	assert_true(o->over);
}

/* Run them all; 0 or the code, the message in @msg. */
static int run(enum hook_kind kind, Grpc__Hook *list, size_t n, char *msg)
{
	Grpc__Hook *pointers[8];
	struct outcome o;
	Grpc__Hooks all;

	begin(kind, list, n, &o, &all, pointers);
	wait_for(&o);
	snprintf(msg, ERR_MSG_MAX, "%s", o.err.msg);
	/* The guard is reaped, the hook is its child. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return o.err.code;
}

static char *contents(const char *name)
{
	auto_free char *path = path_join(dir, name);
	struct str text = STR_INIT;

	if (file_read(path, 4u << 20, &text, NULL) < 0)
		return xstrdup("(none)");
	unlink(path);
	return str_take(&text);
}

static void assert_contents(const char *name, const char *want)
{
	auto_free char *have = contents(name);

	assert_string_equal(have, want);
}

static void they_run_in_order_and_are_told_the_state(void **s)
{
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT("sleep 0.1; cat >state; echo 1 >>order"),
			      SCRIPT("echo 2 >>order; pwd >where"), SCRIPT("echo 3 >>order") };
	auto_free char *where = xasprintf("%s\n", dir);
	auto_free char *want = xasprintf("{\"ociVersion\":\"1.2.1\",\"id\":\"c1\",\"status\":"
					 "\"creating\",\"pid\":42,\"bundle\":\"%s\"}",
					 dir);

	(void)s;
	assert_int_equal(run(HOOK_PRESTART, list, 3, msg), 0);
	assert_contents("order", "1\n2\n3\n");
	assert_contents("state", want);
	assert_contents("where", where);
}

static void the_state_has_annotations_and_no_pid_of_nobody(void **s)
{
	struct strv notes = { (char *[]){ "a/b", "1", "q", "\"x\"\n" }, 4 };
	struct hook_state st = { .id = "cc", .status = "stopped", .bundle = "/b" };
	auto_free char *with = NULL, *without = hook_state_json(&st);

	(void)s;
	st.annotations = &notes;
	with = hook_state_json(&st);
	assert_string_equal(without,
			    "{\"ociVersion\":\"1.2.1\",\"id\":\"cc\",\"status\":\"stopped\","
			    "\"bundle\":\"/b\"}");
	assert_non_null(strstr(with, ",\"annotations\":{\"a/b\":\"1\",\"q\":\"\\\"x\\\"\\n\"}}"));
}

/* What goes wrong, and how it is told. */
static void failures_are_told(void **s)
{
	static const struct {
		const char *path, *script, *want;
	} cases[] = {
		{ "/bin/sh", "echo one >&2; echo two >&2; echo out; exit 3",
		  "hooks.prestart[1] (/bin/sh): ended with status 3: two" },
		{ "/bin/sh", "exit 1", "hooks.prestart[1] (/bin/sh): ended with status 1" },
		{ "/bin/sh", "printf 'no newline' >&2; exit 255",
		  "hooks.prestart[1] (/bin/sh): ended with status 255: no newline" },
		{ "/bin/sh", "kill -TERM $$",
		  "hooks.prestart[1] (/bin/sh): was killed by signal 15" },
		{ "/bin/sh", "printf 'a\\033[31mb\\007\\n' >&2; exit 1",
		  "hooks.prestart[1] (/bin/sh): ended with status 1: ab" },
		{ "/nonexistent/hook", "",
		  "hooks.prestart[1] (/nonexistent/hook): cannot be run: No such file or directory" },
		{ "/etc/passwd", "",
		  "hooks.prestart[1] (/etc/passwd): cannot be run: Permission denied" },
		{ "/", "", "hooks.prestart[1] (/): cannot be run: Permission denied" },
	};
	char msg[ERR_MSG_MAX];

	(void)s;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__Hook list[] = { SCRIPT("echo 1 >>order"), SCRIPT((char *)cases[i].script),
				      SCRIPT("echo 3 >>order") };

		list[1].path = (char *)cases[i].path;
		assert_int_equal(run(HOOK_PRESTART, list, 3, msg), -EIO);
		assert_string_equal(msg, cases[i].want);
		assert_contents("order", "1\n");
	}
}

/* A file without a program's head is none, and is given to no shell. */
static void what_is_no_program_is_refused(void **s)
{
	auto_free char *path = path_join(dir, "plain");
	auto_free char *want =
		xasprintf("hooks.prestart[0] (%s): cannot be run: Exec format error", path);
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT("") };

	(void)s;
	assert_int_equal(file_replace(path, "echo\n", 5, 0755, NULL), 0);
	list[0].path = path;
	assert_int_equal(run(HOOK_PRESTART, list, 1, msg), -EIO);
	assert_string_equal(msg, want);
	unlink(path);
}

/* After the end there is nobody to stop: the others have their turn. */
static void poststop_goes_on(void **s)
{
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT("echo 1 >>order; exit 1"), SCRIPT(""),
			      SCRIPT("echo 3 >>order") };

	(void)s;
	list[1].path = "/nonexistent";
	assert_int_equal(run(HOOK_POSTSTOP, list, 3, msg), 0);
	assert_contents("order", "1\n3\n");
}

static void arguments_and_environment_are_as_given(void **s)
{
	auto_free char *path = path_join(dir, "show");
	/* bash would make variables of its own: env shows what it was given. */
	static const char script[] = "#!/usr/bin/env -S sh\nprintf '%s\\n' \"$@\" >args\n";
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT(""), SCRIPT(""), SCRIPT("") };

	(void)s;
	assert_int_equal(file_replace(path, script, sizeof(script) - 1, 0755, NULL), 0);
	list[0].path = path;
	list[0].args = (char *[]){ "any name", "a b", "", "c" };
	list[0].n_args = 4;
	assert_int_equal(run(HOOK_PRESTART, list, 1, msg), 0);
	assert_contents("args", "a b\n\nc\n");
	unlink(path);

	/* args[0] is what it is told, the path is what runs; without an environment it has ours. */
	list[0] = (Grpc__Hook)SCRIPT("echo $0 >name; tr '\\0' '\\n' </proc/self/environ >env");
	list[0].args[0] = "other";
	list[1] = (Grpc__Hook)SCRIPT("tr '\\0' '\\n' </proc/$$/environ >env2");
	list[1].env = (char *[]){ "A=1", "PATH=/bin:/usr/bin", "odd" };
	list[1].n_env = 3;
	/* Without arguments it still has a name. */
	list[2].n_args = 0;
	list[2].path = "/bin/true";
	setenv("OURS", "inherited", 1);
	assert_int_equal(run(HOOK_PRESTART, list, 3, msg), 0);
	assert_contents("env2", "A=1\nPATH=/bin:/usr/bin\nodd\n");
	{
		auto_free char *env = contents("env");

		assert_non_null(strstr(env, "OURS=inherited\n"));
	}
	assert_contents("name", "other\n");
}

/* Much of everything: a state beyond a pipe's size, and output beyond any buffer. */
static void streams_do_not_block(void **s)
{
	static char big[300000];
	struct strv notes = { (char *[]){ "big", big }, 2 };
	struct hook_state st = state;
	static const struct {
		char *script;
	} cases[] = {
		{ "cat >in" },
		{ ":" },
		{ "exec <&-; sleep 0.1" },
		{ "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2; sleep 0.05; cat >/dev/null" },
		{ "yes | head -n 300000; yes | head -n 300000 >&2; cat /dev/stdin >in" },
		{ "exec >&- 2>&-; cat >/dev/null" },
	};

	(void)s;
	memset(big, 'x', sizeof(big) - 1);
	st.annotations = &notes;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		Grpc__Hook hook = SCRIPT(cases[i].script), *one = &hook;
		Grpc__Hooks all = GRPC__HOOKS__INIT;
		struct outcome o = { 0 };

		all.n_poststart = 1;
		all.poststart = &one;
		hooks_run(loop, HOOK_POSTSTART, &all, &st, &here, on_over, &o);
		wait_for(&o);
		assert_string_equal(o.err.msg, "");
		if (strstr(cases[i].script, ">in")) {
			auto_free char *in = contents("in");

			assert_in_range(strlen(in), sizeof(big), sizeof(big) + 200);
			assert_int_equal(in[strlen(in) - 1], '}');
		}
	}
}

static pid_t read_pid(const char *name)
{
	auto_free char *text = contents(name);

	return (pid_t)strtol(text, NULL, 10);
}

static bool gone_soon(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	assert_true(pid > 1);
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
		(void)waitpid(pid, NULL, WNOHANG); /* where we are the one who reaps it */
		nanosleep(&pause, NULL);
	}
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* Wait until the hook wrote @name. */
static void await(const char *name)
{
	auto_free char *path = path_join(dir, name);
	int64_t end = loop_now_ms() + 20000;

	while (access(path, F_OK) < 0 && loop_now_ms() < end)
		loop_step(loop, 20);
	assert_int_equal(access(path, F_OK), 0);
}

#define FAMILY "trap '' TERM HUP; sleep 60 & echo $! >child.new; mv child.new child; wait; sleep 60"

static void time_is_limited_for_it_and_its_children(void **s)
{
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT("echo last words >&2; " FAMILY), SCRIPT("echo 2 >order") };
	int64_t begin_ms = loop_now_ms();

	(void)s;
	list[0].timeout = 1;
	assert_int_equal(run(HOOK_PRESTART, list, 2, msg), -EIO);
	assert_string_equal(
		msg,
		"hooks.prestart[0] (/bin/sh): did not end within 1 s and was killed: last words");
	assert_in_range(loop_now_ms() - begin_ms, 1000, 20000);
	assert_true(gone_soon(read_pid("child")));
	assert_contents("order", "(none)");
}

static void a_cancelled_one_is_killed(void **s)
{
	Grpc__Hook list[] = { SCRIPT(FAMILY), SCRIPT("echo 2 >order") }, *pointers[2];
	struct err why = ERR_INIT;
	struct outcome o;
	Grpc__Hooks all;
	struct hooks *h = begin(HOOK_PRESTART, list, 2, &o, &all, pointers);

	(void)s;
	await("child");
	err_set(&why, ECANCELED, "given up");
	hooks_cancel(h, &why);
	assert_false(o.over);
	wait_for(&o);
	assert_int_equal(o.err.code, -ECANCELED);
	assert_string_equal(o.err.msg, "given up");
	assert_true(gone_soon(read_pid("child")));
	assert_contents("order", "(none)");
}

/* The runtime is killed: so is what it ran, to the last. */
static void none_outlives_its_runtime(void **s)
{
	pid_t runtime, child;

	(void)s;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	runtime = fork();
	if (runtime == 0) {
		Grpc__Hook list[] = { SCRIPT(FAMILY) }, *pointers[1];
		struct outcome o;
		Grpc__Hooks all;

		loop = loop_new();
		begin(HOOK_PRESTART, list, 1, &o, &all, pointers);
		for (;;)
			loop_step(loop, -1);
	}
	await("child");
	child = read_pid("child");
	assert_int_equal(kill(child, 0), 0);
	kill(runtime, SIGKILL);
	assert_int_equal(waitpid(runtime, NULL, 0), runtime);
	assert_true(gone_soon(child));
	/* Guard and hook came to us. */
	for (int i = 0; i < 500 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		usleep(10000);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

/* A daemon that a hook starts for the container is meant to stay. */
static void what_it_leaves_in_order_stays(void **s)
{
	char msg[ERR_MSG_MAX];
	Grpc__Hook list[] = { SCRIPT("sleep 60 >&- 2>&- <&- & echo $! >child") };
	pid_t child;

	(void)s;
	assert_int_equal(run(HOOK_PRESTART, list, 1, msg), 0);
	child = read_pid("child");
	assert_int_equal(kill(child, 0), 0);
	kill(child, SIGKILL);

	/* Nor does anybody wait for the end of its output. */
	list[0] = (Grpc__Hook)SCRIPT("echo $$ >child; sleep 60 & echo $! >child; exit 4");
	assert_int_equal(run(HOOK_PRESTART, list, 1, msg), -EIO);
	assert_string_equal(msg, "hooks.prestart[0] (/bin/sh): ended with status 4");
	kill(read_pid("child"), SIGKILL);
}

static void it_enters_namespaces_and_root(void **s)
{
	Grpc__Hook hook = SCRIPT("readlink /proc/self/ns/uts >uts"), *one = &hook;
	struct hook_place place = { .cwd = dir, .n_ns = 1, .root = -1 };
	Grpc__Hooks all = GRPC__HOOKS__INIT;
	struct outcome o = { 0 };
	char link[64], want[80];
	int p[2];
	pid_t other;

	(void)s;
	if (geteuid() != 0) {
		print_message("needs root\n");
		fail();
	}
	assert_int_equal(pipe(p), 0);
	other = fork();
	if (other == 0) {
		if (unshare(CLONE_NEWUTS) < 0 || write(p[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(p[0], link, 1), 1);
	snprintf(want, sizeof(want), "/proc/%d/ns/uts", (int)other);
	place.ns[0] = open(want, O_RDONLY | O_CLOEXEC);
	assert_true(place.ns[0] >= 0);
	link[readlink(want, link, sizeof(link) - 1)] = '\0';
	place.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(want, sizeof(want), "%.20s\n", link);
	all.n_prestart = 1;
	all.prestart = &one;
	hooks_run(loop, HOOK_PRESTART, &all, &state, &place, on_over, &o);
	wait_for(&o);
	assert_string_equal(o.err.msg, "");
	assert_contents("uts", want);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(place.ns[0]);
	close(place.root);
	close(p[0]);
	close(p[1]);
}

static void limits_add_up(void **s)
{
	Grpc__Hook list[] = { SCRIPT(""), SCRIPT(""), SCRIPT("") }, *pointers[3];
	Grpc__Hooks all = GRPC__HOOKS__INIT;

	(void)s;
	for (size_t i = 0; i < 3; i++)
		pointers[i] = &list[i];
	all.prestart = pointers;
	all.n_prestart = 2;
	list[0].timeout = 5;
	assert_int_equal(hooks_limit_ms(&all, HOOK_PRESTART),
			 5000 + HOOK_LIMIT_MS + 2 * HOOK_KILL_MS);
	list[0].timeout = list[1].timeout = INT64_MAX;
	assert_int_equal(hooks_limit_ms(&all, HOOK_PRESTART), INT64_MAX / 2);
	assert_int_equal(hooks_limit_ms(&all, HOOK_POSTSTOP), 0);
	assert_int_equal(hooks_limit_ms(NULL, HOOK_POSTSTOP), 0);
	assert_true(hooks_any(&all, HOOK_PRESTART));
	assert_false(hooks_any(&all, HOOK_CREATE_RUNTIME));
	assert_false(hooks_any(NULL, HOOK_PRESTART));
}

static int setup(void **s)
{
	(void)s;
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	return mkdtemp(dir) && loop ? 0 : -1;
}

static int teardown(void **s)
{
	(void)s;
	loop_free(loop);
	return tree_remove(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_run_in_order_and_are_told_the_state),
		cmocka_unit_test(the_state_has_annotations_and_no_pid_of_nobody),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(what_is_no_program_is_refused),
		cmocka_unit_test(poststop_goes_on),
		cmocka_unit_test(arguments_and_environment_are_as_given),
		cmocka_unit_test(streams_do_not_block),
		cmocka_unit_test(time_is_limited_for_it_and_its_children),
		cmocka_unit_test(a_cancelled_one_is_killed),
		cmocka_unit_test(none_outlives_its_runtime),
		cmocka_unit_test(what_it_leaves_in_order_stays),
		cmocka_unit_test(it_enters_namespaces_and_root),
		cmocka_unit_test(limits_add_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("hooks", tests, setup, teardown);
}
