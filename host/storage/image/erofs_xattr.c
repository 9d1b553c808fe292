/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/erofs_xattr.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "host/storage/image/erofs_format.h"

#define LIST_MAX  65536 /* XATTR_LIST_MAX and XATTR_SIZE_MAX of the kernel */
#define VALUE_MAX 65536

static const struct {
	const char *prefix;
	uint8_t index;
} kinds[] = {
	{ "user.", 1 },
	{ "system.posix_acl_access", 2 },
	{ "system.posix_acl_default", 3 },
	{ "trusted.", 4 },
	{ "security.", 6 },
};

#define TRUSTED_OVERLAY "trusted.overlay."
#define USER_OVERLAY	"user.overlay."

/* The name that it has in the image, in @room bytes; false: it has none. */
static bool rename_it(const char *name, enum erofs_overlay overlay, char *as, size_t room)
{
	bool user = str_starts(name, USER_OVERLAY);

	if ((user || str_starts(name, TRUSTED_OVERLAY)) && overlay == EROFS_OVERLAY_DROP)
		return false;
	if (user)
		snprintf(as, room, TRUSTED_OVERLAY "%.255s", name + strlen(USER_OVERLAY));
	else
		snprintf(as, room, "%.255s", name);
	return true;
}

static void add(struct str *out, const char *name, const void *value, size_t len)
{
	struct erofs_xattr x = { .value_len = htole16((uint16_t)len) };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *rest = name + strlen(kinds[i].prefix);

		if (!str_starts(name, kinds[i].prefix))
			continue;
		x.index = kinds[i].index;
		x.name_len = (uint8_t)strlen(rest);
		str_add(out, &x, sizeof(x));
		str_puts(out, rest);
		str_add(out, value, len);
		while (out->len % EROFS_XATTR_ALIGN)
			str_putc(out, '\0');
		return;
	}
}

int erofs_xattrs(struct node *node, const char *name, enum erofs_overlay overlay, struct err *err)
{
	static char list[LIST_MAX], value[VALUE_MAX]; /* there is one writer in a process */
	ssize_t n = llistxattr(name, list, sizeof(list));
	auto_str struct str out = STR_INIT;
	char as[512];

	if (n < 0 && errno != EOPNOTSUPP)
		return err_sys(err, errno, "%s: attributes", name);
	if (n <= 0)
		return 0;
	for (size_t i = 0; i < EROFS_XATTR_IBODY; i++)
		str_putc(&out, '\0');
	for (const char *x = list; x < list + n; x += strlen(x) + 1) {
		ssize_t len;

		if (!rename_it(x, overlay, as, sizeof(as)))
			continue;
		len = lgetxattr(name, x, value, sizeof(value));
		if (len < 0)
			return err_sys(err, errno, "%s: attribute %s", name, x);
		if (len > UINT16_MAX)
			return err_set(err, E2BIG, "%s: attribute %s is longer than %d bytes", name,
				       x, UINT16_MAX);
		add(&out, as, value, (size_t)len);
	}
	if (out.len == EROFS_XATTR_IBODY)
		return 0;
	if (out.len > EROFS_XATTR_MAX)
		return err_set(err, E2BIG, "%s: attributes of %zu bytes", name, out.len);
	node->xattr_size = out.len;
	node->xattrs = (uint8_t *)str_take(&out);
	return 0;
}
