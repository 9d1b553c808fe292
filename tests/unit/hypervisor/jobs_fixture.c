/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static void on_ready(void *arg)
{
	(void)arg;
}

static void on_event(const char *name, struct json_object *data, void *arg)
{
	struct fixture *f = arg;

	jobs_event(&f->jobs, name, data);
}

static void on_closed(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	qmp_free(take_ptr(f->qmp));
	jobs_fail(&f->jobs, err);
}

static const struct qmp_handler handler = { on_ready, on_event, on_closed, NULL };

struct fixture *make(const char *lines, struct vm_size size)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	auto_free char *text = xasprintf("[hypervisor.qemu]\nmachine_type = \"q35\"\n%s\n", lines);
	char path[] = "/tmp/hypervisor-test-XXXXXX.toml";
	auto_close int fd = mkstemps(path, 5);
	struct err err = ERR_INIT;
	int sv[2];

	assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
	f->config = config_load(path, &err);
	unlink(path);
	if (!f->config)
		fail_msg("%s", err_msg(&err));
	f->loop = loop_new();
	f->spec = (struct vm_spec){ .config = f->config, .size = size, .share_dir = "/s" };
	f->vm = (struct vm){ .loop = f->loop, .spec = &f->spec };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	f->peer = sv[1];
	f->qmp = qmp_new(f->loop, sv[0], &handler, f);
	jobs_init(&f->jobs, &f->vm, &f->qmp);
	return f;
}

void drop(struct fixture *f)
{
	qmp_free(f->qmp);
	jobs_free(&f->jobs);
	loop_free(f->loop);
	close_fd(&f->peer);
	config_free(f->config);
	str_free(&f->in);
	str_free(&f->said);
	str_free(&f->got);
	free(f);
}

static void say(struct fixture *f, const char *line)
{
	if (!line)
		return;
	assert_int_equal(fd_write_full(f->peer, line, strlen(line)), 0);
	assert_int_equal(fd_write_full(f->peer, "\r\n", 2), 0);
}

static struct answer *find_answer(struct fixture *f, const char *command)
{
	for (struct answer *a = f->script; a && a->command; a++)
		if (!a->used && !strcmp(a->command, command))
			return a;
	return NULL;
}

static void on_command(struct fixture *f, const char *line)
{
	struct json_object *o = json_tokener_parse(line), *id, *name, *args;
	struct answer *a;
	auto_free char *reply = NULL;

	assert_true(json_object_object_get_ex(o, "execute", &name));
	assert_true(json_object_object_get_ex(o, "id", &id));
	str_puts(&f->said, json_object_get_string(name));
	if (json_object_object_get_ex(o, "arguments", &args))
		str_printf(&f->said, " %s",
			   json_object_to_json_string_ext(
				   args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	str_putc(&f->said, '\n');
	a = find_answer(f, json_object_get_string(name));
	if (a) {
		a->used = true;
		say(f, a->before);
	}
	if (!a || a->reply) {
		reply = xasprintf("{%s, \"id\": %s}", a ? a->reply : "\"return\": {}",
				  json_object_get_string(id));
		say(f, reply);
	}
	if (a)
		say(f, a->after);
	json_object_put(o);
}

/* Until @ends callbacks have come in all. */
void run(struct fixture *f, struct answer *script, unsigned ends)
{
	f->script = script;
	for (int i = 0; i < ROUNDS_MAX && f->ends < ends; i++) {
		char buf[4096];
		char *nl;
		ssize_t n;

		loop_step(f->loop, 10);
		while ((n = read(f->peer, buf, sizeof(buf))) > 0)
			str_add(&f->in, buf, (size_t)n);
		while (f->in.len && (nl = memchr(f->in.data, '\n', f->in.len))) {
			auto_free char *line = xstrndup(f->in.data, (size_t)(nl - f->in.data));

			str_drop(&f->in, strlen(line) + 1);
			on_command(f, line);
		}
	}
	assert_int_equal(f->ends, ends);
}

void on_plug(const struct err *err, const struct vm_place *at, void *arg)
{
	struct fixture *f = arg;

	f->ends++;
	if (err)
		str_printf(&f->got, "plug: %s;", err_msg(err));
	else
		str_printf(&f->got, "plug %d %s;", at->type, at->at);
}

void on_unplug(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->ends++;
	str_printf(&f->got, "unplug%s%s;", err ? ": " : "", err ? err_msg(err) : "");
}

void on_resize(const struct err *err, unsigned vcpus, uint64_t memory, void *arg)
{
	struct fixture *f = arg;

	f->ends++;
	str_printf(&f->got, "%u, %llu MiB%s%s;", vcpus, (unsigned long long)memory, err ? ": " : "",
		   err ? err_msg(err) : "");
}

void plug(struct fixture *f, const char *id, bool read_only)
{
	struct vm_dev dev = {
		.type = VM_DEV_DISK,
		.id = id,
		.disk = { .path = "/proc/self/exe", .read_only = read_only },
	};

	vm_plug_done done = on_plug;

	jobs_plug(&f->jobs, &dev, done, f);
}
