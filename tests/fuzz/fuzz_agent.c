/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the agent, as far as they are looked at before the guest is
 * touched. The first byte chooses: a container with its devices, storages and
 * mounts; a file, which may only come below a directory of this target's.
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "fuzz.h"
#include "guest/agent/copy_file.h"
#include "guest/agent/device_spec.h"
#include "guest/agent/mount_options.h"
#include "guest/agent/storage_layers.h"
#include "guest/agent/termination_log.h"
#include "proto/agent.pb-c.h"

#define DEVICES_MAX 64

static void look_at_options(char *const *options, size_t n)
{
	struct mount_options o;

	mount_options_parse(options, n, &o);
	mount_options_done(&o);
}

static void look_at_devices(Grpc__CreateContainerRequest *req)
{
	struct device_found *found = xcalloc(DEVICES_MAX, sizeof(*found));

	for (size_t i = 0; i < DEVICES_MAX; i++) {
		found[i] = (struct device_found){ .type = 'b', .major = 8, .minor = (unsigned)i };
		found[i].addresses = 1;
		memcpy(found[i].host[0], "0000:01:00.0", 13);
		memcpy(found[i].guest[0], "0000:09:00.0", 13);
	}
	if (req->n_devices <= DEVICES_MAX && req->oci &&
	    device_spec_check(req->devices, req->n_devices, NULL) == 0 &&
	    device_spec_apply(req->oci, req->devices, req->n_devices, found, NULL) == 0)
		for (size_t i = 0; i < req->n_devices; i++)
			must(req->oci->linux);
	free(found);
}

static void fuzz_container(const uint8_t *data, size_t size)
{
	Grpc__CreateContainerRequest *req =
		grpc__create_container_request__unpack(NULL, size, data);
	auto_strv struct strv mounts = { NULL, 0 };
	auto_free char *log = NULL;
	struct layers l;

	if (!req)
		return;
	if (layers_plan(req->storages, req->n_storages, "c1", &l, NULL) == 0) {
		must(l.n > 0 && l.n <= LAYERS_MAX && l.target[0] == '/');
		layers_mounts(&l, &mounts);
		layers_done(&l);
	}
	for (size_t i = 0; i < req->n_storages; i++)
		look_at_options(req->storages[i]->options, req->storages[i]->n_options);
	for (size_t i = 0; req->oci && i < req->oci->n_mounts; i++)
		look_at_options(req->oci->mounts[i]->options, req->oci->mounts[i]->n_options);
	log = req->oci ? termination_log_path(req->oci) : NULL;
	look_at_devices(req);
	grpc__create_container_request__free_unpacked(req, NULL);
}

/* The request's path is taken as one below the directory. */
static void fuzz_file(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/fuzz-agent-XXXXXX";
	Grpc__CopyFileRequest *req = grpc__copy_file_request__unpack(NULL, size, data);
	auto_free char *shared = NULL;
	auto_free char *canary = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	char *path;

	if (!req)
		return;
	must(mkdtemp(dir));
	shared = xasprintf("%s/shared", dir);
	canary = xasprintf("%s/canary", dir);
	must(file_replace(canary, "x", 1, 0640, NULL) == 0);
	path = xasprintf("%s/%s", shared, req->path);
	if (req->path != protobuf_c_empty_string)
		free(req->path);
	req->path = path;
	req->uid = (int32_t)getuid();
	req->gid = (int32_t)getgid();
	req->dir_mode |= 0700; /* so that all of it can be removed by anybody */
	for (int i = 0; i < 2; i++)
		(void)copy_file(req, shared, &err);
	must(stat(canary, &st) == 0 && st.st_size == 1 && (st.st_mode & 07777) == 0640);
	must(unlink(canary) == 0);
	must(tree_remove(shared, NULL) == 0);
	must(rmdir(dir) == 0); /* nothing came beside it */
	grpc__copy_file_request__free_unpacked(req, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		fuzz_file(data + 1, size - 1);
	else
		fuzz_container(data + 1, size - 1);
	return 0;
}
