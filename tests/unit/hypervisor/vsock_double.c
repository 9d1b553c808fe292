/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/hypervisor/vsock_double.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "host/hypervisor/vsock.h"
#include "tests/unit/hypervisor/driver_fixture.h"

bool vsock_double_missing;

int __wrap_vsock_open(uint32_t *cid, struct err *err);
int __wrap_vsock_open(uint32_t *cid, struct err *err)
{
	*cid = VSOCK_DOUBLE_CID;
	return vsock_double_missing ?
		       err_set(err, ENOENT, "/dev/vhost-vsock: No such file or directory") :
		       open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* A guest in which the agent listens and says its port. */
struct vsock_dial {
	struct loop_source *src;
	uint32_t port;
	vsock_done done;
	void *arg;
};

static void on_dialled(void *arg)
{
	struct vsock_dial *d = arg;
	auto_free char *text = xasprintf("%u", d->port);
	int sv[2];

	d->src = NULL;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(fd_write_full(sv[1], text, strlen(text)), 0);
	close(sv[1]);
	d->done(sv[0], d->arg);
}

struct vsock_dial *__wrap_vsock_dial(struct loop *loop, uint32_t cid, uint32_t port,
				     vsock_done done, void *arg);
struct vsock_dial *__wrap_vsock_dial(struct loop *loop, uint32_t cid, uint32_t port,
				     vsock_done done, void *arg)
{
	struct vsock_dial *d = xcalloc(1, sizeof(*d));

	assert_int_equal(cid, VSOCK_DOUBLE_CID);
	*d = (struct vsock_dial){ .port = port, .done = done, .arg = arg };
	d->src = loop_defer(loop, on_dialled, d);
	return d;
}

void __wrap_vsock_dial_free(struct vsock_dial *d);
void __wrap_vsock_dial_free(struct vsock_dial *d)
{
	if (d)
		loop_remove(&d->src);
	free(d);
}
