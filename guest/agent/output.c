/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent/output.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct output *output_new(size_t size, struct err *err)
{
	struct output *o = mmap(NULL, sizeof(*o) + size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (o == MAP_FAILED) {
		err_sys(err, errno, "memory for the answer");
		return NULL;
	}
	o->size = size;
	return o;
}

void output_free(struct output *o)
{
	if (o)
		munmap(o, sizeof(*o) + o->size);
}

int output_read(struct output *o, int fd)
{
	uint8_t more;
	ssize_t n;

	while (o->len < o->size) {
		n = read(fd, o->data + o->len, o->size - o->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		o->len += (size_t)n;
	}
	return read(fd, &more, 1) == 0 ? 0 : -EFBIG;
}
