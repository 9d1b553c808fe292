/* SPDX-License-Identifier: Apache-2.0 */
/* What may go wrong: each ends with one clear error, in time, and with nothing left. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static void assert_says(const struct err *err, const char *what)
{
	if (!strstr(err->msg, what))
		fail_msg("'%s' does not say '%s'", err->msg, what);
}

/* A boot that fails: its error; sandbox_stop() has nothing left to do. */
static void fail_boot(const char *id, const char *path, const char *more, const char *says)
{
	struct sandbox *sb = new_sandbox(id);
	Grpc__Spec *spec = make_spec("true", NULL);
	struct outcome o = { .done = false };

	sandbox_boot(sb, make_config(path, more), spec, on_done, &o);
	grpc__spec__free_unpacked(spec, NULL);
	assert_true(finish(&o) < 0);
	assert_says(&o.err, says);
	assert_nothing_left(id, true);
	o.done = false;
	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = id, .bundle = "/b", .rootfs = fixture_rootfs },
				 make_spec("true", NULL), on_done, &o);
	assert_true(finish(&o) < 0);
	stop_sandbox(sb);
	assert_int_equal(fixture_deaths, 0);
	assert_nothing_left(id, false);
}

static void make_script(const char *path, const char *text)
{
	assert_int_equal(file_replace(path, text, strlen(text), 0755, NULL), 0);
}

static void boots_fail_clean(void **state)
{
	auto_free char *silent = path_join(fixture_base, "silent");
	auto_free char *short_lived = path_join(fixture_base, "short");

	(void)state;
	fail_boot("missing", "/nonexistent/agent", NULL, "/nonexistent/agent");
	fail_boot("directory", "/tmp", NULL, "/tmp");
	make_script(silent, "#!/bin/sh\nexec sleep 100\n");
	fail_boot("silent", silent, "dial_timeout_ms = 300", "did not answer within 300 ms");
	make_script(short_lived, "#!/bin/sh\necho words >&2\nexit 3\n");
	fail_boot("short", short_lived, NULL, "status 3");
	fail_boot("mounts", NULL, "[runtime]\nsandbox_bind_mounts = [\"/etc\", \"/nonexistent/x\"]",
		  "runtime.sandbox_bind_mounts: /nonexistent/x");
	fail_boot("tracing", NULL, "enable_tracing = true",
		  "agent.kata.enable_tracing: true is not");
}

/* The agent has its policy before it is asked for anything else. */
static void the_agent_obeys_a_policy(void **state)
{
	static const struct {
		const char *policy, *says; /* NULL: it boots */
	} cases[] = {
		{ "package agent_policy\ndefault CreateSandboxRequest := true\n"
		  "default DestroySandboxRequest := true\n",
		  NULL },
		{ "default CreateSandboxRequest := false\n",
		  "CreateSandboxRequest is blocked by policy" },
		{ "CreateSandboxRequest if { input.x }\n", "policy, line 1: only" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct outcome boot = { .done = false }, c = { .done = false };
		struct sandbox *sb = new_sandbox("policy");
		struct config *config = make_config(NULL, NULL);
		Grpc__Spec *spec = make_spec("true", NULL);

		config->agent.policy = xstrdup(cases[i].policy);
		sandbox_boot(sb, config, spec, on_done, &boot);
		grpc__spec__free_unpacked(spec, NULL);
		finish(&boot);
		if (cases[i].says) {
			assert_says(&boot.err, cases[i].says);
		} else {
			assert_int_equal(boot.err.code, 0);
			sandbox_create_container(
				sb,
				&(const struct sandbox_container){
					.id = "c1", .bundle = "/b", .rootfs = fixture_rootfs },
				make_spec("true", NULL), on_done, &c);
			finish(&c);
			assert_says(&c.err, "CreateContainerRequest is blocked by policy");
		}
		stop_sandbox(sb);
		assert_nothing_left("policy", false);
	}
}

static void refuses_a_taken_id(void **state)
{
	struct sandbox_options opt = { .id = "taken", .root = fixture_root, .bundle = "/b" };
	struct sandbox *sb = boot_sandbox("taken"), *other = NULL;
	auto_free char *root = path_join(fixture_base, "other-root");
	Grpc__Spec *spec = make_spec("true", NULL);
	struct outcome o = { .done = false };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(sandbox_new(loop, &opt, NULL, NULL, &other, &err), -EEXIST);
	assert_string_equal(err.msg, "container taken already exists");
	/* The same ID in another root must not touch the first one's directories. */
	opt.root = root;
	assert_int_equal(sandbox_new(loop, &opt, NULL, NULL, &other, &err), 0);
	sandbox_boot(other, make_config(NULL, NULL), spec, on_done, &o);
	grpc__spec__free_unpacked(spec, NULL);
	assert_int_equal(finish(&o), -EEXIST);
	assert_says(&o.err, "/run/vc/vm/taken");
	sandbox_destroy(other);
	run_container(sb, "taken", "exit 4", NULL);
	assert_int_equal(wait_exit(sb, "taken", NULL), 4);
	stop_sandbox(sb);
	assert_nothing_left("taken", false);
	assert_int_equal(tree_remove(root, NULL), 0);
}

static void stops_during_the_boot(void **state)
{
	auto_free char *silent = path_join(fixture_base, "silent");
	struct outcome boot = { .done = false }, stop = { .done = false };
	Grpc__Spec *spec = make_spec("true", NULL);
	struct sandbox *sb = new_sandbox("early");

	(void)state;
	make_script(silent, "#!/bin/sh\nexec sleep 100\n");
	sandbox_boot(sb, make_config(silent, NULL), spec, on_done, &boot);
	grpc__spec__free_unpacked(spec, NULL);
	assert_int_equal(loop_step(loop, 10), 0);
	sandbox_stop(sb, on_done, &stop);
	run_until(&stop.done);
	assert_int_equal(stop.err.code, 0);
	assert_true(boot.done);
	assert_says(&boot.err, "was stopped during its boot");
	sandbox_destroy(sb);
	assert_nothing_left("early", false);
}

/* One container that cannot be made leaves the sandbox as it was. */
static void refuses_bad_containers(void **state)
{
	struct sandbox *sb = boot_sandbox("bad");
	struct outcome o = { .done = false };
	Grpc__Spec *spec = make_spec("true", NULL);

	(void)state;
	sandbox_create_container(
		sb,
		&(const struct sandbox_container){
			.id = "c1", .bundle = "/b", .rootfs = "/nonexistent/rootfs" },
		spec, on_done, &o);
	assert_int_equal(finish(&o), -ENOENT);
	assert_says(&o.err, "/nonexistent/rootfs");
	spec = make_spec("true", "{\"destination\": \"/data\", \"type\": \"bind\","
				 " \"source\": \"/nonexistent/data\"},");
	o = (struct outcome){ .done = false };
	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = "c1", .bundle = "/b", .rootfs = fixture_rootfs },
				 spec, on_done, &o);
	assert_int_equal(finish(&o), -ENOENT);
	assert_says(&o.err, "mount /data: /nonexistent/data");
	spec = make_spec("true", NULL);
	free(spec->process->args[0]);
	spec->process->args[0] = xstrdup("/nonexistent/program");
	o = (struct outcome){ .done = false };
	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = "c1", .bundle = "/b", .rootfs = fixture_rootfs },
				 spec, on_done, &o);
	if (finish(&o) == 0) {
		o = (struct outcome){ .done = false };
		sandbox_start_container(sb, "c1", on_done, &o);
		assert_true(finish(&o) < 0);
		assert_says(&o.err, "agent: StartContainer: ");
		o.done = false;
		sandbox_remove_container(sb, "c1", on_done, &o);
		run_until(&o.done);
	} else {
		assert_says(&o.err, "agent: CreateContainer: ");
	}
	run_container(sb, "c1", "exit 6", NULL);
	assert_int_equal(wait_exit(sb, "c1", NULL), 6);
	stop_sandbox(sb);
	assert_nothing_left("bad", false);
}

static void on_data(const struct err *err, const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	on_done(err, arg);
}

/* Waits end as killed, calls fail and say why, and sandbox_stop() clears up. */
static void tells_of_the_machines_death(void **state)
{
	struct outcome wait = { .done = false }, read = { .done = false }, o = { .done = false };
	struct sandbox *sb = boot_sandbox("death");

	(void)state;
	run_container(sb, "death", "sleep 100", NULL);
	run_container(sb, "second", "exit 3", NULL);
	assert_int_equal(wait_exit(sb, "second", NULL), 3);
	sandbox_wait(sb, "death", NULL, on_exit_status, &wait);
	sandbox_read_stdout(sb, "death", NULL, 4096, on_data, &read);
	assert_int_equal(kill(sandbox_pid(sb), SIGKILL), 0);
	run_until(&wait.done);
	assert_int_equal(wait.status, 137);
	run_until(&read.done);
	assert_says(&read.err, "the sandbox's virtual machine has ended: ");
	assert_int_equal(fixture_deaths, 1);
	assert_says(&fixture_death, "the sandbox's virtual machine has ended: ");
	assert_int_equal(sandbox_pid(sb), 0);
	sandbox_signal(sb, "death", NULL, SIGTERM, false, on_done, &o);
	assert_true(finish(&o) < 0);
	assert_says(&o.err, "the sandbox's virtual machine has ended: ");
	/* What is known stays known; a container can still be removed. */
	assert_int_equal(wait_exit(sb, "second", NULL), 3);
	assert_int_equal(wait_exit(sb, "death", NULL), 137);
	o = (struct outcome){ .done = false };
	sandbox_remove_container(sb, "second", on_done, &o);
	assert_int_equal(finish(&o), 0);
	stop_sandbox(sb);
	assert_int_equal(fixture_deaths, 1);
	assert_nothing_left("death", false);
}

/* Break this process's connection to the agent's socket. */
static int cut_link(void)
{
	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un peer = { .sun_family = AF_UNSPEC };
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sun_family == AF_UNIX && strstr(peer.sun_path, "agent.sock"))
			return shutdown(fd, SHUT_RDWR);
	}
	return -1;
}

static void connects_again(void **state)
{
	struct outcome wait = { .done = false }, o = { .done = false };
	struct sandbox *sb = boot_sandbox("link");

	(void)state;
	run_container(sb, "c1", "sleep 100", NULL);
	sandbox_wait(sb, "c1", NULL, on_exit_status, &wait);
	assert_int_equal(loop_step(loop, 10), 0);
	assert_int_equal(cut_link(), 0);
	/* It is on its way, and nobody knows whether it arrived. */
	sandbox_signal(sb, "c1", NULL, SIGWINCH, false, on_done, &o);
	assert_int_equal(finish(&o), -ECONNRESET);
	o = (struct outcome){ .done = false };
	sandbox_signal(sb, "c1", NULL, SIGKILL, false, on_done, &o);
	assert_int_equal(finish(&o), 0);
	run_until(&wait.done);
	assert_int_equal(wait.status, 137);
	assert_int_equal(fixture_deaths, 0);
	stop_sandbox(sb);
	assert_nothing_left("link", false);
}

static void gives_a_broken_link_up(void **state)
{
	struct outcome wait = { .done = false }, o = { .done = false };
	struct sandbox *sb = new_sandbox("broken");
	Grpc__Spec *spec = make_spec("true", NULL);

	(void)state;
	sandbox_boot(sb, make_config(NULL, "reconnect_timeout_ms = 200"), spec, on_done, &o);
	grpc__spec__free_unpacked(spec, NULL);
	assert_int_equal(finish(&o), 0);
	run_container(sb, "c1", "sleep 100", NULL);
	sandbox_wait(sb, "c1", NULL, on_exit_status, &wait);
	assert_int_equal(unlink(SANDBOX_VM_DIR "/broken/agent.sock"), 0);
	assert_int_equal(cut_link(), 0);
	run_until(&wait.done);
	assert_int_equal(wait.status, 137);
	assert_int_equal(fixture_deaths, 1);
	assert_says(&fixture_death,
		    "the connection to the agent is lost: no new one within 200 ms");
	stop_sandbox(sb);
	assert_nothing_left("broken", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boots_fail_clean),
		cmocka_unit_test(the_agent_obeys_a_policy),
		cmocka_unit_test(refuses_a_taken_id),
		cmocka_unit_test(stops_during_the_boot),
		cmocka_unit_test(refuses_bad_containers),
		cmocka_unit_test(tells_of_the_machines_death),
		cmocka_unit_test(connects_again),
		cmocka_unit_test(gives_a_broken_link_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("faults", tests, fixture_setup, fixture_teardown);
}
