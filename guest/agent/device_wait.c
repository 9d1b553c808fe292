/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/device_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"
#include "guest/agent/sysfs.h"
#include "guest/agent/uevent.h"

#define SYS	"/sys"
#define LOOK_MS 100 /* without an event, which may be lost or not allowed */

int device_wait_ms = 3000;

/* What is looked for; its answer is what was found, or NULL while it is not there. */
typedef char *(*look_fn)(const void *what);

static int await(look_fn look, const void *what, char **found, const char *kind, const char *name,
		 struct err *err)
{
	int64_t deadline = loop_now_ms() + device_wait_ms;
	auto_close int fd = uevent_open(); /* before the first look, so that no event is missed */

	for (;;) {
		int64_t left = deadline - loop_now_ms();

		*found = look(what);
		if (*found)
			return 0;
		if (left <= 0)
			return err_set(err, ETIMEDOUT, "%s %s: not there after %d ms", kind, name,
				       device_wait_ms);
		if (left > LOOK_MS)
			left = LOOK_MS;
		if (fd < 0)
			usleep((useconds_t)left * 1000);
		else if (fd_poll(fd, POLLIN, (int)left) > 0)
			uevent_drain(fd);
	}
}

/* "/dev/NAME" once that is a block device; takes @name over. */
static char *node_of(char *name)
{
	auto_free char *own = name;
	char *node = own ? xasprintf("/dev/%s", own) : NULL;
	struct stat st;

	if (node && stat(node, &st) == 0 && S_ISBLK(st.st_mode))
		return node;
	free(node);
	return NULL;
}

static char *look_pci_disk(const void *what)
{
	auto_free char *dir = sysfs_pci(SYS, what);

	return dir ? node_of(sysfs_disk_of(dir)) : NULL;
}

int device_wait_pci_disk(const char *path, char **node, struct err *err)
{
	struct pci_path p;
	int r = pci_path_parse(path, &p, err);

	return r < 0 ? r : await(look_pci_disk, &p, node, "disk at PCI path", path, err);
}

static char *look_scsi_disk(const void *what)
{
	return node_of(sysfs_scsi_disk(SYS, what));
}

int device_wait_scsi_disk(const char *address, char **node, struct err *err)
{
	int r = sysfs_scsi_scan(SYS, address, err);

	return r < 0 ? r :
		       await(look_scsi_disk, address, node, "disk at SCSI address", address, err);
}

/* Some monitors have a disk of no size where one is about to be plugged in. */
static bool is_empty(const char *name)
{
	auto_free char *path = xasprintf(SYS "/class/block/%s/size", name);
	auto_str struct str size = STR_INIT;

	return file_read(path, 64, &size, NULL) == 0 && !strcmp(str_text(&size), "0\n");
}

static char *look_node(const void *what)
{
	const char *name = (const char *)what + strlen("/dev/");

	return is_empty(name) ? NULL : node_of(xstrdup(name));
}

int device_wait_node(const char *node, struct err *err)
{
	auto_free char *found = NULL;

	if (!str_starts(node, "/dev/") || strstr(node, ".."))
		return err_set(err, EINVAL, "\"%s\" is no path below /dev", node);
	return await(look_node, node, &found, "disk", node, err);
}

static char *look_pci(const void *what)
{
	return sysfs_pci(SYS, what);
}

int device_wait_pci(const char *path, char **dir, struct err *err)
{
	struct pci_path p;
	int r = pci_path_parse(path, &p, err);

	return r < 0 ? r : await(look_pci, &p, dir, "device at PCI path", path, err);
}

static char *look_path(const void *what)
{
	return access(what, F_OK) == 0 ? xstrdup(what) : NULL;
}

int device_wait_path(const char *path, struct err *err)
{
	auto_free char *found = NULL;

	return await(look_path, path, &found, "device", path, err);
}
