/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/capable.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

char *capable_find_program(const char *name)
{
	const char *path = getenv("PATH");

	for (const char *p = path ? path : "/usr/bin:/bin"; p;) {
		const char *end = strchrnul(p, ':');
		auto_free char *full = xasprintf("%.*s/%s", (int)(end - p), p, name);

		if (end > p && access(full, X_OK) == 0)
			return take_ptr(full);
		p = *end ? end + 1 : NULL;
	}
	return NULL;
}

static bool opens(const char *device)
{
	auto_close int fd = open(device, O_RDWR | O_CLOEXEC);

	return fd >= 0;
}

void capable_look(struct capable *host)
{
	struct utsname uts;
	auto_free char *emulator = NULL;

	*host = (struct capable){ 0 };
	kvm_probe(&host->kvm, false);
	uname(&uts);
	emulator = xasprintf("qemu-system-%s", uts.machine);
	host->emulator = capable_find_program(emulator);
	host->vhost_vsock = opens("/dev/vhost-vsock");
	host->vhost_net = opens("/dev/vhost-net");
	host->capable = host->kvm.usable || host->emulator;
}

void capable_free(struct capable *host)
{
	free(host->emulator);
	*host = (struct capable){ 0 };
}
