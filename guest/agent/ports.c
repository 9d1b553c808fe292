/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define PORTS_DIR "/sys/class/virtio-ports"

static bool is_called(const char *port, const char *name)
{
	auto_free char *path = xasprintf(PORTS_DIR "/%s/name", port);
	auto_str struct str text = STR_INIT;

	if (file_read(path, 256, &text, NULL) < 0)
		return false;
	text.data[strcspn(text.data, "\n")] = '\0';
	return !strcmp(text.data, name);
}

int port_open(const char *name)
{
	auto_closedir DIR *d = opendir(PORTS_DIR);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		auto_free char *path = NULL;
		int fd;

		if (e->d_name[0] == '.' || !is_called(e->d_name, name))
			continue;
		path = xasprintf("/dev/%s", e->d_name);
		fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

bool vsock_works(void)
{
	auto_close int dev = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned local;

	return dev >= 0 && ioctl(dev, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &local) == 0 &&
	       local != VMADDR_CID_ANY;
}

int vsock_bind(unsigned cid, unsigned port)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};
	auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	return take_fd(&fd);
}

int vsock_listen(unsigned cid, unsigned port)
{
	return vsock_works() ? vsock_bind(cid, port) : -ENODEV;
}
