/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/acrn/hsm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"

#define HSM "/dev/acrn_hsm"

/* Linux's include/uapi/linux/acrn.h. */
#define HSM_CREATE_VM  0xc030a210U
#define HSM_PAUSE_VM   0xa213U
#define HSM_DESTROY_VM 0xa211U

int acrn_hsm_check(struct err *err)
{
	auto_close int fd = open(HSM, O_RDWR | O_CLOEXEC);
	uint8_t request[48] = { 0 };

	if (fd < 0)
		return err_set(err, ENOTSUP, "this host is no service machine of ACRN: " HSM ": %s",
			       strerror(errno));
	/* An empty request is refused, or else makes a machine that is not wanted. */
	if (ioctl(fd, HSM_CREATE_VM, request) == 0) {
		ioctl(fd, HSM_PAUSE_VM);
		ioctl(fd, HSM_DESTROY_VM);
	} else if (errno == ENOTTY) {
		return err_set(err, ENOTSUP,
			       "this host is no service machine of ACRN: " HSM
			       " is another device");
	}
	return 0;
}
