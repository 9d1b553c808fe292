/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "ttrpc/ttrpc.h"

/*
 * The first row of a code is the errno that stands for it; the others are
 * errors of the same kind that it is told for. What is not here is UNKNOWN,
 * as containerd does with an error that it cannot classify.
 */
static const struct {
	int error;
	enum ttrpc_code code;
} codes[] = {
	{ ECANCELED, TTRPC_CANCELLED },
	{ EIO, TTRPC_UNKNOWN },
	{ EINVAL, TTRPC_INVALID_ARGUMENT },
	{ ENAMETOOLONG, TTRPC_INVALID_ARGUMENT },
	{ E2BIG, TTRPC_INVALID_ARGUMENT },
	{ ENOTDIR, TTRPC_INVALID_ARGUMENT },
	{ EISDIR, TTRPC_INVALID_ARGUMENT },
	{ ELOOP, TTRPC_INVALID_ARGUMENT },
	{ ETIMEDOUT, TTRPC_DEADLINE_EXCEEDED },
	{ ENOENT, TTRPC_NOT_FOUND },
	{ ESRCH, TTRPC_NOT_FOUND },
	{ ENODEV, TTRPC_NOT_FOUND },
	{ ENXIO, TTRPC_NOT_FOUND },
	{ EEXIST, TTRPC_ALREADY_EXISTS },
	{ EADDRINUSE, TTRPC_ALREADY_EXISTS },
	{ EACCES, TTRPC_PERMISSION_DENIED },
	{ EPERM, TTRPC_PERMISSION_DENIED },
	{ EROFS, TTRPC_PERMISSION_DENIED },
	{ ENOSPC, TTRPC_RESOURCE_EXHAUSTED },
	{ ENOMEM, TTRPC_RESOURCE_EXHAUSTED },
	{ ENOBUFS, TTRPC_RESOURCE_EXHAUSTED },
	{ EDQUOT, TTRPC_RESOURCE_EXHAUSTED },
	{ EMFILE, TTRPC_RESOURCE_EXHAUSTED },
	{ ENFILE, TTRPC_RESOURCE_EXHAUSTED },
	{ EMSGSIZE, TTRPC_RESOURCE_EXHAUSTED },
	{ EBUSY, TTRPC_FAILED_PRECONDITION },
	{ ENOTEMPTY, TTRPC_FAILED_PRECONDITION },
	{ ENOEXEC, TTRPC_FAILED_PRECONDITION },
	{ ECONNABORTED, TTRPC_ABORTED },
	{ ERANGE, TTRPC_OUT_OF_RANGE },
	{ EOVERFLOW, TTRPC_OUT_OF_RANGE },
	{ EFBIG, TTRPC_OUT_OF_RANGE },
	{ ENOSYS, TTRPC_UNIMPLEMENTED },
	{ EOPNOTSUPP, TTRPC_UNIMPLEMENTED },
	{ EPROTO, TTRPC_INTERNAL },
	{ EBADMSG, TTRPC_INTERNAL },
	{ EFAULT, TTRPC_INTERNAL },
	{ ECONNREFUSED, TTRPC_UNAVAILABLE },
	{ ECONNRESET, TTRPC_UNAVAILABLE },
	{ ENOTCONN, TTRPC_UNAVAILABLE },
	{ EPIPE, TTRPC_UNAVAILABLE },
	{ EHOSTUNREACH, TTRPC_UNAVAILABLE },
	{ EAGAIN, TTRPC_UNAVAILABLE },
};

enum ttrpc_code ttrpc_code_of_errno(int code)
{
	if (code == 0)
		return TTRPC_OK;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].error == abs(code))
			return codes[i].code;
	}
	return TTRPC_UNKNOWN;
}

int ttrpc_errno_of_code(enum ttrpc_code code)
{
	if (code == TTRPC_OK)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].code == code)
			return -codes[i].error;
	}
	return -EIO;
}
