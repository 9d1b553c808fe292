/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that run as they should. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "oci/spec.h"

static void passes_output_and_status(void **state)
{
	auto_str struct str out = STR_INIT, err = STR_INIT;
	struct sandbox *sb = boot_sandbox("run");
	struct outcome o = { .done = false };
	struct sandbox_state *st = NULL;

	(void)state;
	run_container(sb, "run", "echo out; echo err >&2; exit 7", NULL);
	read_all(sb, "run", NULL, false, 4096, &out);
	read_all(sb, "run", "", true, 4096, &err);
	assert_string_equal(str_text(&out), "out\n");
	assert_string_equal(str_text(&err), "err\n");
	assert_int_equal(wait_exit(sb, "run", NULL), 7);
	/* Again, after the end. */
	assert_int_equal(wait_exit(sb, "run", NULL), 7);
	assert_int_equal(sandbox_set_status(sb, "run", "stopped", NULL), 0);

	assert_int_equal(state_load(fixture_root, "run", &st, NULL), 0);
	assert_string_equal(st->hypervisor, "fake");
	assert_true(state_shim_alive(st));
	assert_int_equal(st->n_containers, 1);
	assert_string_equal(st->containers[0].status, "stopped");
	assert_string_equal(st->containers[0].rootfs, fixture_rootfs);
	assert_string_equal(st->containers[0].annotations.v[1], "v");
	assert_int_equal(strlen(st->containers[0].created), 20);
	state_free(st);

	sandbox_remove_container(sb, "run", on_done, &o);
	assert_int_equal(finish(&o), 0);
	stop_sandbox(sb);
	assert_int_equal(fixture_deaths, 0);
	assert_nothing_left("run", false);
}

/* The status is known without anybody reading, and to all that wait. */
static void tells_all_waiters(void **state)
{
	struct outcome a = { .done = false }, b = { .done = false }, o = { .done = false };
	struct sandbox *sb = boot_sandbox("waiters");

	(void)state;
	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = "c1", .bundle = "/b", .rootfs = fixture_rootfs },
				 make_spec("sleep 100", NULL), on_done, &o);
	assert_int_equal(finish(&o), 0);
	/* One before the start, one after it. */
	sandbox_wait(sb, "c1", NULL, on_exit_status, &a);
	o.done = false;
	sandbox_start_container(sb, "c1", on_done, &o);
	assert_int_equal(finish(&o), 0);
	sandbox_wait(sb, "c1", NULL, on_exit_status, &b);
	o.done = false;
	sandbox_signal(sb, "c1", NULL, SIGKILL, true, on_done, &o);
	assert_int_equal(finish(&o), 0);
	run_until(&a.done);
	run_until(&b.done);
	assert_int_equal(a.status, 137);
	assert_int_equal(b.status, 137);
	stop_sandbox(sb);
	assert_nothing_left("waiters", false);
}

static void passes_input(void **state)
{
	enum { LEN = 50000 }; /* fits a pipe: nobody reads meanwhile */
	struct sandbox *sb = boot_sandbox("input");
	auto_str struct str out = STR_INIT;
	auto_free char *data = xmalloc(LEN);
	struct outcome o = { .done = false };

	(void)state;
	for (size_t i = 0; i < LEN; i++)
		data[i] = (char)(i * 7 % 251);
	run_container(sb, "c1", "cat", NULL);
	sandbox_write_stdin(sb, "c1", NULL, data, LEN, on_done, &o);
	assert_int_equal(finish(&o), 0);
	o.done = false;
	sandbox_write_stdin(sb, "c1", NULL, data, 0, on_done, &o); /* is not the end */
	assert_int_equal(finish(&o), 0);
	o.done = false;
	sandbox_close_stdin(sb, "c1", NULL, on_done, &o);
	assert_int_equal(finish(&o), 0);
	read_all(sb, "c1", NULL, false, 1000, &out);
	assert_int_equal(out.len, LEN);
	assert_memory_equal(out.data, data, LEN);
	assert_int_equal(wait_exit(sb, "c1", NULL), 0);
	stop_sandbox(sb);
}

static void passes_much_output(void **state)
{
	struct sandbox *sb = boot_sandbox("output");
	auto_str struct str out = STR_INIT;

	(void)state;
	run_container(sb, "c1", "head -c 3000000 /dev/zero", NULL);
	read_all(sb, "c1", NULL, false, 8u << 20, &out);
	assert_int_equal(out.len, 3000000);
	assert_int_equal(wait_exit(sb, "c1", NULL), 0);
	stop_sandbox(sb);
}

static int start_exec(struct sandbox *sb, const char *id, const char *exec_id, const char *script,
		      struct outcome *o)
{
	auto_free char *text = xasprintf("{\"args\": [\"/bin/sh\", \"-c\", \"%s\"], \"cwd\": \"/\","
					 " \"user\": {\"uid\": 0, \"gid\": 0},"
					 " \"env\": [\"PATH=/bin\"]}",
					 script);
	Grpc__Process *process = NULL;

	assert_int_equal(oci_process_parse(text, strlen(text), "process", &process, NULL), 0);
	*o = (struct outcome){ .done = false };
	sandbox_exec(sb, id, exec_id, process, on_done, o);
	return finish(o);
}

/* Two containers of one sandbox, and other processes in them. */
static void holds_several_containers(void **state)
{
	struct sandbox *sb = boot_sandbox("pod");
	auto_str struct str out = STR_INIT;
	struct outcome o = { .done = false };

	(void)state;
	run_container(sb, "pod", "sleep 100", NULL);
	run_container(sb, "second", "sleep 100", NULL);
	assert_int_equal(start_exec(sb, "second", "e1", "echo $PATH; exit 3", &o), 0);
	read_all(sb, "second", "e1", false, 4096, &out);
	assert_string_equal(str_text(&out), "/bin\n");
	assert_int_equal(wait_exit(sb, "second", "e1"), 3);
	/* Its name is free again; that of a running one is not. */
	assert_int_equal(start_exec(sb, "second", "e1", "sleep 100", &o), 0);
	assert_int_equal(start_exec(sb, "second", "e1", "true", &o), -EEXIST);
	assert_int_equal(start_exec(sb, "second", "second", "true", &o), -EEXIST);
	assert_int_equal(start_exec(sb, "second", "../x", "true", &o), -EINVAL);
	assert_int_equal(start_exec(sb, "third", "e1", "true", &o), -ENOENT);
	o = (struct outcome){ .done = false };
	sandbox_signal(sb, "second", "e1", SIGTERM, false, on_done, &o);
	assert_int_equal(finish(&o), 0);
	assert_int_equal(wait_exit(sb, "second", "e1"), 128 + SIGTERM);

	o.done = false;
	sandbox_create_container(sb,
				 &(const struct sandbox_container){
					 .id = "second", .bundle = "/b", .rootfs = fixture_rootfs },
				 make_spec("true", NULL), on_done, &o);
	assert_int_equal(finish(&o), -EEXIST);
	o = (struct outcome){ .done = false };
	sandbox_remove_container(sb, "second", on_done, &o);
	assert_int_equal(finish(&o), 0);
	o = (struct outcome){ .done = false };
	sandbox_wait(sb, "second", NULL, on_exit_status, &o);
	assert_int_equal(finish(&o), -ENOENT);
	/* Again, under the same name; the first one never noticed. */
	run_container(sb, "second", "exit 5", NULL);
	assert_int_equal(wait_exit(sb, "second", NULL), 5);
	assert_int_equal(start_exec(sb, "pod", "e9", "true", &o), 0);
	assert_int_equal(wait_exit(sb, "pod", "e9"), 0);
	stop_sandbox(sb);
	assert_nothing_left("pod", false);
}

static void shares_bind_mounts(void **state)
{
	auto_free char *data = path_join(fixture_base, "data"), *file = path_join(data, "file");
	auto_free char *made = path_join(data, "made");
	auto_free char *mounts = xasprintf(
		"{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"%s\","
		" \"options\": [\"rbind\"]},"
		"{\"destination\": \"/etc/hosts\", \"type\": \"bind\", \"source\": \"%s\","
		" \"options\": [\"bind\", \"ro\"]},"
		"{\"destination\": \"/tmp\", \"type\": \"bind\", \"source\": \"%s\","
		" \"options\": [\"rbind\", \"ro\"]},",
		data, file, data);
	struct sandbox *sb = boot_sandbox("binds");
	auto_str struct str out = STR_INIT;

	(void)state;
	assert_int_equal(dir_make(data, 0755, NULL), 0);
	assert_int_equal(file_replace(file, "hello\n", 6, 0644, NULL), 0);
	run_container(sb, "c1",
		      "cat /etc/hosts; echo x >/data/made; echo x >/tmp/no || echo x >/etc/hosts "
		      "|| echo read-only",
		      mounts);
	read_all(sb, "c1", NULL, false, 4096, &out);
	assert_string_equal(str_text(&out), "hello\nread-only\n");
	assert_int_equal(wait_exit(sb, "c1", NULL), 0);
	stop_sandbox(sb);
	assert_nothing_left("binds", false);
	assert_int_equal(access(made, F_OK), 0);
	assert_int_equal(tree_remove(data, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_output_and_status),
		cmocka_unit_test(tells_all_waiters),
		cmocka_unit_test(passes_input),
		cmocka_unit_test(passes_much_output),
		cmocka_unit_test(holds_several_containers),
		cmocka_unit_test(shares_bind_mounts),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("run", tests, fixture_setup, fixture_teardown);
}
