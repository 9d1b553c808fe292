/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, and what is left of it: nothing. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "fixture.h"

static void run_it(struct fixture *f)
{
	assert_ok(create(f));
	assert_ok(get(f, "Start", ""));
}

static void can_try_again(struct fixture *f)
{
	memset(fake.fail, 0, sizeof(fake.fail));
	fake.new_fails = 0;
	assert_fails(get(f, "State", ""), TTRPC_NOT_FOUND, "container cc not found");
	assert_false(fake.exists);
	assert_ok(create(f));
}

static void survives_a_failed_boot(void **state)
{
	struct fixture *f = *state;

	fake.fail[FAKE_BOOT] = ETIMEDOUT;
	assert_fails(create(f), TTRPC_DEADLINE_EXCEEDED, "fake boot fails");
	assert_int_equal(fake.stops, 0); /* it has undone itself */
	can_try_again(f);
}

static void survives_a_failed_container(void **state)
{
	struct fixture *f = *state;

	fake.fail[FAKE_CREATE] = ENOENT;
	assert_fails(create(f), TTRPC_NOT_FOUND, "fake create fails");
	assert_string_equal(str_text(&fake.log), "boot create:cc stop destroy ");
	can_try_again(f);
}

static void survives_a_taken_id(void **state)
{
	struct fixture *f = *state;

	fake.new_fails = EEXIST;
	assert_fails(create(f), TTRPC_ALREADY_EXISTS, "container cc already exists");
	can_try_again(f);
}

static void expect_create_error(struct fixture *f,
				const Containerd__Task__V2__CreateTaskRequest *req,
				enum ttrpc_code code, const char *text)
{
	struct result r;

	ask_msg(f, "Create", &req->base, NULL, 0, &r);
	run_until(f, &r.done);
	if (!strstr(r.text, text))
		fail_msg("\"%s\" has no \"%s\"", r.text, text);
	assert_int_equal(r.code, ttrpc_errno_of_code(code));
	assert_string_equal(str_text(&fake.log), "");
}

static void names_what_is_wrong_with_a_request(void **state)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct fixture *f = *state;
	auto_free char *config = path_join(f->bundle, "config.json");
	auto_free char *fifo = path_join(f->dir, "no-fifo");

	req.id = (char *)"../c";
	req.bundle = f->bundle;
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, "invalid container ID '../c'");
	req.id = (char *)"cc";
	req.bundle = (char *)"bundle";
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, "\"bundle\" is no absolute path");
	req.bundle = (char *)"/nonexistent";
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, "/nonexistent/config.json");
	req.bundle = f->bundle;
	req.stdout = fifo;
	expect_create_error(f, &req, TTRPC_NOT_FOUND, "stdout: ");
	req.stdout = (char *)"fd:1";
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT,
			    "stdout: no descriptor 1 came with the request");
	req.stdout = (char *)"";
	req.checkpoint = (char *)"/c";
	expect_create_error(f, &req, TTRPC_UNIMPLEMENTED, "checkpoint");
	req.checkpoint = (char *)"";
	assert_int_equal(file_replace(f->config, "[", 1, 0600, NULL), 0);
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, f->config);
	assert_int_equal(unlink(f->config), 0);
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, f->config);
	assert_int_equal(file_replace(config, "{]", 2, 0600, NULL), 0);
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, config);
}

static void takes_the_configuration_that_is_named(void **state)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct fixture *f = *state;
	auto_free char *other = path_join(f->dir, "other.toml");
	uint8_t wire[128] = { 0x12, (uint8_t)strlen(other) }; /* field 2, a string */
	struct result r;

	memcpy(wire + 2, other, strlen(other));
	any.type_url = (char *)"runtimeoptions.v1.Options";
	any.value.data = wire;
	any.value.len = 2 + strlen(other);
	req.id = (char *)"cc";
	req.bundle = f->bundle;
	req.options = &any;
	expect_create_error(f, &req, TTRPC_INVALID_ARGUMENT, other);
	assert_int_equal(rename(f->config, other), 0);
	ask_msg(f, "Create", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	assert_ok(r);
	assert_string_equal(fake.config_path, other);
}

static void gives_up_a_boot_whose_client_left(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fake.hold[FAKE_BOOT] = true;
	ask_create(f, &r);
	settle(f);
	ttrpc_client_free(f->client);
	f->client = NULL;
	settle(f);
	assert_string_equal(str_text(&fake.log), "boot stop destroy ");
	assert_true(list_empty(&f->shim->tasks));
	/* Nobody finds it any more. */
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
}

static void gives_up_a_boot_when_it_ends(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fake.hold[FAKE_BOOT] = true;
	ask_create(f, &r);
	settle(f);
	shim_end(f->shim, "test");
	run_until(f, &r.done);
	assert_fails(r, TTRPC_CANCELLED, "the creation of container cc was given up");
	run_until(f, &f->shim->over);
	assert_string_equal(str_text(&fake.log), "boot stop destroy ");
}

/* The same between the boot and the container. */
static void gives_up_a_container_when_it_ends(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fake.hold[FAKE_CREATE] = true;
	ask_create(f, &r);
	settle(f);
	shim_end(f->shim, "test");
	run_until(f, &r.done);
	assert_fails(r, TTRPC_CANCELLED, "the creation of container cc was given up");
	run_until(f, &f->shim->over);
	assert_string_equal(str_text(&fake.log), "boot create:cc stop destroy ");
}

static void ends_all_waits_with_the_machine(void **state)
{
	struct fixture *f = *state;
	struct result wait, wait_exec;

	run_it(f);
	assert_ok(exec(f, "ee")); /* created only */
	ask(f, "Wait", "", &wait);
	ask(f, "Wait", "ee", &wait_exec);
	settle(f);
	fake_dies("killed by signal 9");
	run_until(f, &wait.done);
	run_until(f, &wait_exec.done);
	assert_ok(wait);
	assert_int_equal(wait.status, 137);
	assert_int_equal(wait_exec.status, 137);
	assert_int_equal(get(f, "State", "").state, CONTAINERD__V1__TYPES__STATUS__STOPPED);
	assert_fails(create(f), TTRPC_ALREADY_EXISTS, "container cc already exists");
	assert_int_equal(get(f, "Delete", "").status, 137);
	assert_fails(create(f), TTRPC_FAILED_PRECONDITION, "killed by signal 9");
	assert_ok(get(f, "Shutdown", ""));
}

static void ends_a_start_with_the_machine(void **state)
{
	struct fixture *f = *state;
	struct result start;

	assert_ok(create(f));
	fake.hold[FAKE_START] = true;
	ask(f, "Start", "", &start);
	settle(f);
	fake_dies("the machine is gone");
	run_until(f, &start.done);
	assert_string_equal(start.text, "the machine is gone");
	assert_int_equal(get(f, "Wait", "").status, 137);
	assert_ok(get(f, "Delete", ""));
}

/* The tasks are killed ones, as for containerd; the last answer says why. */
static void tells_an_attached_client_why(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	fake_dies("the machine is gone");
	assert_int_equal(get(f, "Wait", "").status, 137);
	assert_ok(get(f, "Delete", ""));
	assert_fails(get(f, "Shutdown", ""), TTRPC_UNAVAILABLE, "the machine is gone");
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
}

static void ends_with_its_owner(void **state)
{
	struct fixture *f = *state;

	run_it(f);
	close_fd(&f->owner);
	run_until(f, &f->shim->over);
	assert_string_equal(str_text(&fake.log), "boot create:cc start:cc stop destroy ");
}

static void ends_with_its_owner_during_the_boot(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fake.hold[FAKE_BOOT] = true;
	ask_create(f, &r);
	settle(f);
	close_fd(&f->owner);
	run_until(f, &f->shim->over);
	assert_string_equal(str_text(&fake.log), "boot stop destroy ");
}

static void ends_with_its_owner_before_any_task(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->owner);
	run_until(f, &f->shim->over);
	assert_string_equal(str_text(&fake.log), "");
}

/* With a client, or a task, it stays; without either it does not linger. */
static void ends_when_nobody_comes(void **state)
{
	struct fixture *f = *state;
	struct result r;

	fake.hold[FAKE_BOOT] = true;
	ask_create(f, &r);
	settle(f);
	assert_null(f->shim->idle);
	fake.fail[FAKE_BOOT] = EIO;
	fake_release(FAKE_BOOT);
	run_until(f, &r.done);
	ttrpc_client_free(f->client);
	f->client = NULL;
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
}

/* A containerd that was started anew may hold a connection of which it makes no use. */
static void ends_when_a_client_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct result r;

	ask(f, "Connect", "", &r);
	run_until(f, &r.done);
	run_until(f, &f->shim->over);
	assert_int_equal(f->shim->status, 0);
}

/* What an owner does with his takes as long as it takes. */
static void waits_for_an_owner_who_says_nothing(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 60; i++)
		assert_int_equal(loop_step(f->loop, 5), 0);
	assert_false(f->shim->ending);
}

/* What a path holds as text. */
static char *text_of(const char *path)
{
	struct str s = STR_INIT;

	assert_int_equal(file_read(path, 4096, &s, NULL), 0);
	return str_take(&s);
}

/* The streams from end to end: descriptors in, bytes out. */
static void copies_what_was_handed_over(void **state)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct fixture *f = *state;
	auto_free char *in = path_join(f->dir, "in"), *out = path_join(f->dir, "out");
	auto_free char *err = path_join(f->dir, "err"), *text = NULL, *err_text = NULL;
	auto_free char *err_uri = xasprintf("file://%s", err);
	int fds[2];
	struct result r;

	assert_int_equal(file_replace(in, "0123456789", 10, 0600, NULL), 0);
	fds[0] = open(in, O_RDONLY | O_CLOEXEC);
	fds[1] = open(out, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(lseek(fds[0], 4, SEEK_SET), 4);
	req.id = (char *)"cc";
	req.bundle = f->bundle;
	req.stdin = (char *)"fd:0";
	req.stdout = (char *)"fd:1";
	req.stderr = err_uri;
	ask_msg(f, "Create", &req.base, fds, 2, &r);
	run_until(f, &r.done);
	assert_ok(r);
	assert_ok(get(f, "Start", ""));
	fake_writes("", false, "to stdout", 9);
	fake_writes("", true, "to stderr", 9);
	fake_exits("", 0);
	assert_ok(get(f, "Wait", ""));
	text = text_of(out);
	err_text = text_of(err);
	assert_string_equal(text, "to stdout");
	assert_string_equal(err_text, "to stderr");
	assert_string_equal(str_text(&fake_process("")->in), "456789");
	/* The offset is the caller's too. */
	assert_int_equal(lseek(fds[0], 0, SEEK_CUR), 10);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OWNED(name) cmocka_unit_test_setup_teardown(name, setup_owned, teardown)
	const struct CMUnitTest tests[] = {
		TEST(survives_a_failed_boot),
		TEST(survives_a_failed_container),
		TEST(survives_a_taken_id),
		TEST(names_what_is_wrong_with_a_request),
		TEST(takes_the_configuration_that_is_named),
		TEST(gives_up_a_boot_whose_client_left),
		TEST(gives_up_a_boot_when_it_ends),
		TEST(gives_up_a_container_when_it_ends),
		TEST(ends_all_waits_with_the_machine),
		TEST(ends_a_start_with_the_machine),
		OWNED(tells_an_attached_client_why),
		OWNED(ends_with_its_owner),
		OWNED(ends_with_its_owner_during_the_boot),
		OWNED(ends_with_its_owner_before_any_task),
		cmocka_unit_test_setup_teardown(ends_when_nobody_comes, setup_impatient, teardown),
		cmocka_unit_test_setup_teardown(ends_when_a_client_says_nothing, setup_impatient,
						teardown),
		cmocka_unit_test_setup_teardown(waits_for_an_owner_who_says_nothing,
						setup_owned_impatient, teardown),
		TEST(copies_what_was_handed_over),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
