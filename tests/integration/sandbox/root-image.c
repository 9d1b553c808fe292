/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root-image CACHE WRITABLES ROOTFS MAX_MIB SIZE_MIB|memory [COMMAND…]: what the runtime makes of the
 * directory ROOTFS for a machine without shared files: one line for each disk, "erofs PATH"
 * or "ext4 PATH". They are in use until COMMAND has ended. CACHE is bounded to MAX_MIB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "host/storage/image/prepare.h"

#define LIMIT_MS 60000

struct run {
	struct loop *loop;
	char **command;
};

static int run_command(char **command)
{
	struct str out = STR_INIT;
	struct err err = ERR_INIT;
	int status = proc_run((const char *const *)command, LIMIT_MS, 1 << 20, &out, &err);

	if (status < 0)
		fprintf(stderr, "%s\n", err_msg(&err));
	fputs(str_text(&out), stdout);
	str_free(&out);
	return status == 0 ? 0 : 1;
}

static void on_made(const struct err *err, const struct image_root *root, void *arg)
{
	struct run *r = arg;
	struct image_root mine;
	int status = 0;

	if (err) {
		fprintf(stderr, "%s\n", err_msg(err));
		loop_stop(r->loop, 1);
		return;
	}
	mine = *root;
	for (unsigned i = 0; i < mine.n; i++)
		printf("%s %s\n", mine.writable && i + 1 == mine.n ? "ext4" : "erofs",
		       mine.disks[i].path);
	if (mine.mounts)
		puts("mounts");
	fflush(stdout);
	if (*r->command)
		status = run_command(r->command);
	image_root_release(&mine);
	loop_stop(r->loop, status);
}

int main(int argc, char **argv)
{
	struct image_ask ask = { .place = SOURCE_HERE };
	struct err err = ERR_INIT;
	struct run r;
	int status;

	if (argc < 6) {
		fprintf(stderr,
			"usage: root-image CACHE WRITABLES ROOTFS MAX SIZE|memory [COMMAND…]\n");
		return 2;
	}
	ask.cache = argv[1];
	ask.writables = argv[2];
	ask.rootfs = argv[3];
	ask.cache_max = strtoull(argv[4], NULL, 10) << 20;
	ask.memory = !strcmp(argv[5], "memory");
	ask.size = strtoull(argv[5], NULL, 10) << 20;
	r = (struct run){ .loop = loop_new(), .command = argv + 6 };
	if (!image_prepare(r.loop, &ask, LIMIT_MS, on_made, &r, &err)) {
		fprintf(stderr, "%s\n", err_msg(&err));
		return 1;
	}
	status = loop_run(r.loop);
	loop_free(r.loop);
	return status;
}
