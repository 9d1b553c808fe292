/* SPDX-License-Identifier: Apache-2.0 */
/* `run` against a shim without a sandbox: what becomes of each way to end. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fake_shim.h"
#include "host/cli/cli.h"
#include "host/sandbox/state.h"
#include "oci/spec.h"

static char dir[] = "/tmp/cli-test-XXXXXX";
static char *root, *bundle, *config, *output;

static void write_file(const char *path, const char *text, mode_t mode)
{
	struct err err = ERR_INIT;

	if (file_replace(path, text, strlen(text), mode, &err) < 0)
		fail_msg("%s", err.msg);
}

static void write_spec(bool terminal)
{
	Grpc__Spec *spec = oci_spec_default();
	auto_free char *path = path_join(bundle, "config.json"), *text = NULL;

	spec->process->terminal = terminal;
	text = oci_spec_to_json(spec);
	write_file(path, text, 0600);
	grpc__spec__free_unpacked(spec, NULL);
}

static void write_script(const char *name, const char *program, const char *flag)
{
	auto_free char *script = path_join(dir, name);
	auto_free char *text = xasprintf("#!/bin/sh\nexec '%s' %s \"$@\"\n", program, flag);

	write_file(script, text, 0755);
}

static int setup(void **state)
{
	auto_free char *self = path_real("/proc/self/exe", NULL), *path = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	root = path_join(dir, "root");
	bundle = path_join(dir, "bundle");
	config = path_join(dir, "configuration.toml");
	output = path_join(dir, "output");
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(mkdir(bundle, 0700), 0);
	write_file(config, "[hypervisor.fake]\npath = \"/bin/true\"\n", 0600);
	write_spec(false);
	write_script("containerd-shim-kata-v2", self, "--shim");
	write_script("kata-standin", self, "--standin");
	path = xasprintf("%s:%s", dir, getenv("PATH"));
	return setenv("PATH", path, 1);
}

static int teardown(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	free(root);
	free(bundle);
	free(config);
	free(output);
	return tree_remove(dir, &err);
}

/* In the child: run container "box", its errors to @output. */
static int run_it(void)
{
	struct cli cli = { .config = config, .root = root };
	auto_free char *runner = xasprintf("%d", (int)getpid());
	char *flags[] = { (char *)"--bundle", bundle, NULL }, *args[] = { (char *)"box", NULL };
	struct err err = ERR_INIT;
	bool help = false;
	int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600), status;

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || setenv("FAKE_RUNNER", runner, 1) < 0)
		return 99;
	close(fd);
	if (flags_parse(cmd_run.flags, 2, flags, &help, &err) != 2)
		return 98;
	status = cmd_run.run(&cli, 1, args, &err);
	if (status < 0)
		cli_error(&err);
	return status < 0 ? 1 : status;
}

/* The exit status; @text receives what was said, "" for nothing. */
static int outcome(const char *happening, struct str *text)
{
	struct err err = ERR_INIT;
	pid_t pid;
	int status;

	setenv("FAKE_SHIM", happening, 1);
	pid = fork();
	if (pid == 0)
		exit(run_it());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	str_free(text);
	assert_int_equal(file_read(output, 4096, text, &err), 0);
	return WEXITSTATUS(status);
}

static void the_status_is_the_containers(void **state)
{
	auto_str struct str text = STR_INIT;

	(void)state;
	assert_int_equal(outcome("", &text), 7);
	assert_string_equal(str_text(&text), "");
	assert_int_equal(outcome("deleted-before", &text), 7);
	assert_string_equal(str_text(&text), "");
	assert_int_equal(outcome("machine-ended", &text), 7);
	assert_string_equal(str_text(&text), "kata-runtime: the machine has ended\n");
}

static void signals_are_the_containers(void **state)
{
	auto_str struct str text = STR_INIT;

	(void)state;
	assert_int_equal(outcome("signal", &text), 128 + SIGUSR1);
	assert_string_equal(str_text(&text), "");
}

static void failures_are_told_once(void **state)
{
	static const struct {
		const char *happening;
		int status;
		const char *text;
	} cases[] = {
		{ "start-fails", 1, "kata-runtime: there is no room\n" },
		/* Nothing that the command could be blamed for. */
		{ "create-fails", 1, "kata-runtime: /x/vmlinux: No such file or directory\n" },
		{ "not-found", 127,
		  "kata-runtime: exec: \"x\": executable file not found in $PATH\n" },
		{ "not-executable", 126, "kata-runtime: exec: \"x\": permission denied\n" },
		{ "create-interrupted", 130, "kata-runtime: container box: given up by SIGINT\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_str struct str text = STR_INIT;

		assert_int_equal(outcome(cases[i].happening, &text), cases[i].status);
		assert_string_equal(str_text(&text), cases[i].text);
	}
}

static void a_shim_that_dies_is_named(void **state)
{
	auto_str struct str text = STR_INIT;

	(void)state;
	assert_int_equal(outcome("dies", &text), 1);
	assert_true(str_starts(str_text(&text), "kata-runtime: container box: the sandbox process "
						"(containerd-shim-kata-v2, pid "));
	assert_true(str_ends(str_text(&text), ") has died\n"));
}

static void a_terminal_is_raw_and_then_as_before(void **state)
{
	struct winsize size = { .ws_row = 31, .ws_col = 97 };
	auto_str struct str text = STR_INIT;
	struct termios before = { 0 }, after = { 0 };
	int master, slave, saved = dup(STDIN_FILENO), status;

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
	assert_int_equal(tcgetattr(slave, &before), 0);
	write_spec(true);
	dup2(slave, STDIN_FILENO);
	status = outcome("terminal", &text);
	dup2(saved, STDIN_FILENO);
	write_spec(false);
	assert_string_equal(str_text(&text), "");
	assert_int_equal(status, 8);
	assert_int_equal(tcgetattr(slave, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	close(master);
	close(slave);
	close(saved);
}

static void an_id_that_is_taken_is_left_alone(void **state)
{
	struct sandbox_state *st = state_new(root, "box");
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;

	(void)state;
	st->bundle = xstrdup(bundle);
	assert_int_equal(state_create(st, &err), 0);
	state_free(st);
	assert_int_equal(outcome("", &text), 1);
	assert_string_equal(str_text(&text), "kata-runtime: container box already exists\n");
	assert_int_equal(state_load(root, "box", &st, &err), 0);
	assert_int_equal(state_clear(st, true, &err), 0);
	state_free(st);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_status_is_the_containers),
		cmocka_unit_test(signals_are_the_containers),
		cmocka_unit_test(failures_are_told_once),
		cmocka_unit_test(a_shim_that_dies_is_named),
		cmocka_unit_test(a_terminal_is_raw_and_then_as_before),
		cmocka_unit_test(an_id_that_is_taken_is_left_alone),
	};

	if (argc > 1 && strcmp(argv[1], "--shim") == 0)
		return fake_shim(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--standin") == 0)
		return fake_standin(argc, argv);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
