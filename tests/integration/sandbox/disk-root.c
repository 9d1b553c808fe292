/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk-root CONFIG DIR DISK OPTIONS SCRIPT: a sandbox with the state in DIR, and in it a
 * container whose root file system is DISK (ext4), as containerd's snapshotters hand it
 * over. Prints what the container says, then "status N", then whether the disk left the
 * machine with the container. For what no engine at hand does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "host/sandbox/sandbox.h"
#include "oci/spec.h"

struct run {
	struct loop *loop;
	struct sandbox *sb;
	struct sandbox_disk disk;
	Grpc__Spec *spec;
	int status;
};

static void end(struct run *r, const struct err *err)
{
	if (err)
		fprintf(stderr, "%s\n", err_msg(err));
	loop_stop(r->loop, err ? 1 : 0);
}

static void on_stopped(const struct err *err, void *arg)
{
	struct run *r = arg;

	end(r, err ? err : NULL);
}

static void fail(struct run *r, const struct err *err)
{
	fprintf(stderr, "%s\n", err_msg(err));
	r->status = 1;
	sandbox_stop(r->sb, on_stopped, r);
}

static void on_removed(const struct err *err, void *arg)
{
	struct run *r = arg;

	if (err) {
		fail(r, err);
		return;
	}
	puts("removed");
	sandbox_stop(r->sb, on_stopped, r);
}

static void on_exit_status(const struct err *err, uint32_t status, void *arg)
{
	struct run *r = arg;

	if (err) {
		fail(r, err);
		return;
	}
	printf("status %u\n", status);
	sandbox_remove_container(r->sb, "c1", on_removed, r);
}

static void on_data(const struct err *err, const void *data, size_t len, void *arg)
{
	struct run *r = arg;

	if (err) {
		fail(r, err);
		return;
	}
	fwrite(data, 1, len, stdout);
	if (len > 0)
		sandbox_read_stdout(r->sb, "c1", NULL, 4096, on_data, r);
}

static void on_started(const struct err *err, void *arg)
{
	struct run *r = arg;

	if (err) {
		fail(r, err);
		return;
	}
	sandbox_read_stdout(r->sb, "c1", NULL, 4096, on_data, r);
	sandbox_wait(r->sb, "c1", NULL, on_exit_status, r);
}

static void on_created(const struct err *err, void *arg)
{
	struct run *r = arg;

	if (err)
		fail(r, err);
	else
		sandbox_start_container(r->sb, "c1", on_started, r);
}

static void on_booted(const struct err *err, void *arg)
{
	struct run *r = arg;
	const struct sandbox_container c = {
		.id = "c1", .bundle = "/b", .rootfs = "/b/rootfs", .disk = &r->disk
	};

	if (err)
		end(r, err);
	else
		sandbox_create_container(r->sb, &c, take_ptr(r->spec), on_created, r);
}

static void on_died(const struct err *why, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", err_msg(why));
}

static Grpc__Spec *make_spec(const char *script, struct err *err)
{
	auto_free char *text = xasprintf(
		"{\"ociVersion\": \"1.0.2\", \"process\": {\"args\": [\"/bin/sh\", \"-c\", "
		"\"%s\"], \"cwd\": \"/\", \"env\": [\"PATH=/bin\"]}, \"root\": {\"path\": "
		"\"x\"}, \"mounts\": [{\"destination\": \"/dev\", \"type\": \"tmpfs\", "
		"\"source\": \"tmpfs\"}, {\"destination\": \"/proc\", \"type\": \"proc\", "
		"\"source\": \"proc\"}], \"linux\": {\"namespaces\": [{\"type\": \"mount\"}]}}",
		script);
	Grpc__Spec *spec = NULL;

	oci_spec_parse(text, strlen(text), "spec", &spec, err);
	return spec;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct run r = { .status = 0 };
	struct config *config;
	int status;

	if (argc != 6) {
		fputs("usage: disk-root CONFIG DIR DISK OPTIONS SCRIPT\n", stderr);
		return 2;
	}
	log_open(2, "disk-root", getenv("DEBUG") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		 LOG_FORMAT_TEXT);
	r.loop = loop_new();
	r.disk.source = xstrdup(argv[3]);
	r.disk.fstype = xstrdup("ext4");
	r.disk.read_only = strstr(argv[4], "ro") != NULL;
	strv_add(&r.disk.options, argv[4]);
	r.spec = make_spec(argv[5], &err);
	config = r.spec ? config_load(argv[1], &err) : NULL;
	if (!config || sandbox_new(r.loop,
				   &(const struct sandbox_options){ .id = "disk-root",
								    .root = argv[2],
								    .bundle = "/b",
								    .address = "unix:///none",
								    .disk = &r.disk },
				   on_died, NULL, &r.sb, &err) < 0) {
		fprintf(stderr, "%s\n", err_msg(&err));
		return 1;
	}
	if (!sandbox_takes_disks(config, true))
		puts("this machine takes no disks");
	sandbox_boot(r.sb, config, r.spec, on_booted, &r);
	status = loop_run(r.loop);
	sandbox_destroy(r.sb);
	sandbox_disk_free(&r.disk);
	if (r.spec)
		grpc__spec__free_unpacked(r.spec, NULL);
	loop_free(r.loop);
	return status ? status : r.status;
}
