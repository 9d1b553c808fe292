/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/storage_block.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"
#include "guest/agent/device_wait.h"
#include "guest/agent/helper.h"

#define MKFS_MS 30000
#define LOOK_MS 50
#define SECTOR	512

/* fs/ext4/ext4.h and fs/xfs/libxfs/xfs_fs.h: not in the headers for programs. */
#define EXT4_RESIZE _IOW('f', 16, uint64_t)

struct xfs_growth {
	uint64_t blocks;
	uint32_t imaxpct, pad;
};

struct xfs_shape {
	uint32_t blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
	uint64_t datablocks, rtblocks, rtextents, logstart;
	unsigned char uuid[16];
	uint32_t sunit, swidth;
	int32_t version;
	uint32_t flags, logsectsize, rtsectsize, dirblocksize;
};

#define XFS_SHAPE _IOR('X', 100, struct xfs_shape) /* XFS_IOC_FSGEOMETRY_V1 */
#define XFS_GROW  _IOW('X', 110, struct xfs_growth)

bool block_driver(const char *driver)
{
	return !strcmp(driver, "blk") || !strcmp(driver, "mmioblk") || !strcmp(driver, "scsi") ||
	       !strcmp(driver, "nvdimm");
}

/* The kernel shows the node of a disk a moment before it lets anybody open it. */
static void await_open(const char *node)
{
	int64_t deadline = loop_now_ms() + device_wait_ms;

	while (loop_now_ms() < deadline) {
		int fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 || errno != ENXIO) {
			close_fd(&fd);
			return;
		}
		usleep(1000);
	}
}

int block_node(const char *driver, const char *source, char **node, struct err *err)
{
	auto_free char *found = NULL;
	int r;

	if (!strcmp(driver, "scsi"))
		r = device_wait_scsi_disk(source, &found, err);
	else if (!strcmp(driver, "blk") && !str_starts(source, "/dev/"))
		r = device_wait_pci_disk(source, &found, err);
	else
		r = device_wait_node(source, err);
	if (r == 0)
		await_open(found ? found : source);
	if (r == 0 && node)
		*node = found ? take_ptr(found) : xstrdup(source);
	return r;
}

int block_prepare(const Grpc__Storage *s, const char *node, struct err *err)
{
	/* The disk of an emptyDir: it lives as long as the pod, a journal is for nothing. */
	const char *const argv[] = { "mkfs.ext4", "-F",	    "-O", "^has_journal", "-m", "0",
				     "-i",	  "163840", "-I", "128",	  node, NULL };
	bool make = false;

	for (size_t i = 0; i < s->n_driver_options; i++) {
		make |= !strcmp(s->driver_options[i], "create_filesystem");
		if (str_starts(s->driver_options[i], "encryption_key="))
			return err_set(err, EOPNOTSUPP,
				       "\"%s\" wants a confidential data hub, which is not "
				       "supported",
				       s->driver_options[i]);
	}
	if (!make)
		return 0;
	if (strcmp(s->fstype, "ext4"))
		return err_set(err, EOPNOTSUPP, "cannot make a file system \"%s\"", s->fstype);
	return helper_run(argv, -1, -1, MKFS_MS, err);
}

/* The size in bytes of the disk that @st's file lies on; 0 when that is none. */
static uint64_t disk_size(const struct stat *st)
{
	auto_free char *path =
		xasprintf("/sys/dev/block/%u:%u/size", major(st->st_dev), minor(st->st_dev));
	auto_str struct str text = STR_INIT;

	if (file_read(path, 64, &text, NULL) < 0)
		return 0;
	return strtoull(str_text(&text), NULL, 10) * SECTOR;
}

/* The guest learns of a larger disk a moment after its hypervisor. */
static int await_size(const struct stat *st, uint64_t size, struct err *err)
{
	int64_t deadline = loop_now_ms() + device_wait_ms;
	uint64_t now;

	while ((now = disk_size(st)) < size) {
		if (now == 0)
			return err_set(err, EOPNOTSUPP, "it lies on no disk");
		if (loop_now_ms() >= deadline)
			return err_set(err, ENOSPC, "its disk has %" PRIu64 " bytes", now);
		usleep(LOOK_MS * 1000);
	}
	return 0;
}

static int grow_xfs(int fd, uint64_t size, struct err *err)
{
	struct xfs_growth g = { .pad = 0 };
	struct xfs_shape shape;

	if (ioctl(fd, XFS_SHAPE, &shape) < 0)
		return err_sys(err, errno, "xfs");
	g.blocks = size / shape.blocksize;
	g.imaxpct = shape.imaxpct;
	if (g.blocks < shape.datablocks)
		return err_set(err, EINVAL, "it has more blocks already");
	if (g.blocks == shape.datablocks)
		return 0;
	return ioctl(fd, XFS_GROW, &g) < 0 ? err_sys(err, errno, "xfs") : 0;
}

int block_resize(const char *path, uint64_t size, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;
	uint64_t blocks;
	int r;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "volume %s", path);
	if (fs.f_type != EXT4_SUPER_MAGIC && fs.f_type != XFS_SUPER_MAGIC)
		return err_set(err, EOPNOTSUPP, "volume %s: only ext4 and xfs can be resized",
			       path);
	/* What the file system keeps for itself is not in its number of blocks. */
	if (size < (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize)
		return err_set(err, EINVAL, "volume %s: %" PRIu64 " bytes are fewer than it has",
			       path, size);
	r = await_size(&st, size, err);
	if (r < 0)
		return err_wrap(err, "volume %s", path);
	if (fs.f_type == XFS_SUPER_MAGIC) {
		r = grow_xfs(fd, size, err);
		return r < 0 ? err_wrap(err, "volume %s", path) : 0;
	}
	blocks = size / (uint64_t)fs.f_bsize;
	return ioctl(fd, EXT4_RESIZE, &blocks) < 0 ? err_sys(err, errno, "volume %s", path) : 0;
}
