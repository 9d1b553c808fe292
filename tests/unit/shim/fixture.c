/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define LIMIT_MS 5000

static const char spec[] =
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
	"\"root\":{\"path\":\"tree\"}}";
static const char process[] = "{\"args\":[\"ls\"],\"cwd\":\"/\"}";

static void write_file(const char *path, const char *text)
{
	assert_int_equal(file_replace(path, text, strlen(text), 0600, NULL), 0);
}

static struct fixture *make(bool owned, int64_t idle_ms)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	auto_free char *json = NULL;
	int pair[2], owner[2] = { -1, -1 };

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-shim-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->root = path_join(f->dir, "root");
	f->bundle = path_join(f->dir, "bundle");
	f->config = path_join(f->dir, "configuration.toml");
	assert_int_equal(dir_make(f->bundle, 0700, NULL), 0);
	json = path_join(f->bundle, "config.json");
	write_file(json, spec);
	write_file(f->config, "[hypervisor.fake]\npath = \"/bin/agent\"\n");
	f->loop = loop_new();
	assert_non_null(f->loop);
	fake_reset(f->loop);
	if (owned)
		assert_int_equal(pipe2(owner, O_CLOEXEC), 0);
	f->owner = owner[1];
	f->shim = shim_new(f->loop, &(const struct shim_options){ .id = "cc",
								  .namespace = "test",
								  .root = f->root,
								  .bundle = f->bundle,
								  .address = "unix:///x",
								  .config = f->config,
								  .owner_fd = owner[0],
								  .idle_ms = idle_ms });
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ttrpc_server_serve(f->shim->server, pair[0]), 0);
	f->client = ttrpc_client_new(f->loop, pair[1], NULL, NULL);
	assert_non_null(f->client);
	return f;
}

int setup(void **state)
{
	*state = make(false, 60000);
	return 0;
}

int setup_owned(void **state)
{
	*state = make(true, 60000);
	return 0;
}

int setup_impatient(void **state)
{
	*state = make(false, IMPATIENT_MS);
	return 0;
}

int setup_owned_impatient(void **state)
{
	*state = make(true, IMPATIENT_MS);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	auto_free char *mine = path_join(f->root, "cc");

	for (int op = 0; op < FAKE_OPS; op++)
		fake.hold[op] = false;
	shim_end(f->shim, "the test is over");
	run_until(f, &f->shim->over);
	settle(f);
	assert_int_not_equal(access(mine, F_OK), 0);
	shim_free(f->shim);
	ttrpc_client_free(f->client);
	fake_check_empty();
	loop_free(f->loop);
	close_fd(&f->owner);
	assert_int_equal(tree_remove(f->dir, NULL), 0);
	free(f->root);
	free(f->bundle);
	free(f->config);
	free(f);
	return 0;
}

void run_until(struct fixture *f, const bool *flag)
{
	int64_t end = loop_now_ms() + LIMIT_MS;

	while (!*flag) {
		assert_true(loop_now_ms() < end);
		assert_int_equal(loop_step(f->loop, 50), 0);
	}
}

void settle(struct fixture *f)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(loop_step(f->loop, 0), 0);
}

static void on_answer(const ProtobufCMessage *rsp, const struct err *err, void *arg)
{
	struct result *r = arg;

	r->done = true;
	if (!rsp) {
		r->code = err->code;
		snprintf(r->text, sizeof(r->text), "%s", err_msg(err));
	} else if (rsp->descriptor == &containerd__task__v2__state_response__descriptor) {
		const Containerd__Task__V2__StateResponse *s = (const void *)rsp;

		r->state = s->status;
		r->pid = s->pid;
		r->status = s->exit_status;
		r->exited_at = s->exited_at;
	} else if (rsp->descriptor == &containerd__task__v2__wait_response__descriptor) {
		const Containerd__Task__V2__WaitResponse *s = (const void *)rsp;

		r->status = s->exit_status;
		r->exited_at = s->exited_at;
	} else if (rsp->descriptor == &containerd__task__v2__delete_response__descriptor) {
		const Containerd__Task__V2__DeleteResponse *s = (const void *)rsp;

		r->pid = s->pid;
		r->status = s->exit_status;
		r->exited_at = s->exited_at;
	} else if (rsp->descriptor == &containerd__task__v2__create_task_response__descriptor) {
		r->pid = ((const Containerd__Task__V2__CreateTaskResponse *)rsp)->pid;
	} else if (rsp->descriptor == &containerd__task__v2__start_response__descriptor) {
		r->pid = ((const Containerd__Task__V2__StartResponse *)rsp)->pid;
	} else if (rsp->descriptor == &containerd__task__v2__connect_response__descriptor) {
		r->pid = ((const Containerd__Task__V2__ConnectResponse *)rsp)->shim_pid;
	} else if (rsp->descriptor == &containerd__task__v2__pids_response__descriptor) {
		const Containerd__Task__V2__PidsResponse *s = (const void *)rsp;

		r->n = s->n_processes;
		r->pid = s->n_processes ? s->processes[0]->pid : 0;
	}
}

void ask_msg(struct fixture *f, const char *method, const ProtobufCMessage *req, const int *fds,
	     size_t n, struct result *r)
{
	memset(r, 0, sizeof(*r));
	ttrpc_client_call_fds(f->client, &containerd__task__v2__task__descriptor, method, req, fds,
			      n, 0, on_answer, r);
}

void ask(struct fixture *f, const char *method, const char *exec_id, struct result *r)
{
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(
		&containerd__task__v2__task__descriptor, method);
	const ProtobufCFieldDescriptor *id, *exec_field;
	char *msg;

	assert_non_null(m);
	msg = xcalloc(1, m->input->sizeof_message);
	protobuf_c_message_init(m->input, msg);
	id = protobuf_c_message_descriptor_get_field_by_name(m->input, "id");
	*(const char **)(void *)(msg + id->offset) = "cc";
	exec_field = protobuf_c_message_descriptor_get_field_by_name(m->input, "exec_id");
	if (exec_field)
		*(const char **)(void *)(msg + exec_field->offset) = exec_id;
	ask_msg(f, method, (const ProtobufCMessage *)(const void *)msg, NULL, 0, r);
	free(msg);
}

struct result get(struct fixture *f, const char *method, const char *exec_id)
{
	struct result r;

	ask(f, method, exec_id, &r);
	run_until(f, &r.done);
	return r;
}

void ask_create(struct fixture *f, struct result *r)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;

	req.id = (char *)"cc";
	req.bundle = f->bundle;
	ask_msg(f, "Create", &req.base, NULL, 0, r);
}

struct result create(struct fixture *f)
{
	struct result r;

	ask_create(f, &r);
	run_until(f, &r.done);
	return r;
}

struct result kill_it(struct fixture *f, const char *exec_id, uint32_t signo)
{
	Containerd__Task__V2__KillRequest req = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;
	struct result r;

	req.id = (char *)"cc";
	req.exec_id = (char *)exec_id;
	req.signal = signo;
	ask_msg(f, "Kill", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	return r;
}

struct result exec(struct fixture *f, const char *exec_id)
{
	Containerd__Task__V2__ExecProcessRequest req =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct result r;

	any.type_url = (char *)"types.containerd.io/opencontainers/runtime-spec/1/Process";
	any.value.data = (uint8_t *)process;
	any.value.len = strlen(process);
	req.id = (char *)"cc";
	req.exec_id = (char *)exec_id;
	req.spec = &any;
	ask_msg(f, "Exec", &req.base, NULL, 0, &r);
	run_until(f, &r.done);
	return r;
}
