/* SPDX-License-Identifier: Apache-2.0 */
#include "host/storage/image/erofs_dir.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "host/storage/image/erofs_format.h"

/*
 * One after the other in the order of their names, "." and ".." among them, which are not
 * always the first: "!" comes before.
 */
struct walk {
	const struct node *dir, *parent;
	size_t next; /* of the children */
	int dots;    /* given out */
};

static const struct node *step(struct walk *w, const char **name)
{
	static const char *const dots[] = { ".", ".." };
	const struct node *kid = w->next < w->dir->n_kids ? w->dir->kids[w->next] : NULL;

	if (w->dots < 2 && (!kid || strcmp(dots[w->dots], kid->name) < 0)) {
		*name = dots[w->dots];
		return w->dots++ ? w->parent : w->dir;
	}
	if (!kid)
		return NULL;
	*name = kid->name;
	w->next++;
	return kid->same ? kid->same : kid;
}

static uint8_t type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFDIR:
		return 2;
	case S_IFCHR:
		return 3;
	case S_IFBLK:
		return 4;
	case S_IFIFO:
		return 5;
	case S_IFSOCK:
		return 6;
	default:
		return 7;
	}
}

/*
 * How many entries from @w on go into one block, and how many bytes these take. A name has
 * 255 bytes at most, so there is always one.
 */
static size_t fit(struct walk w, size_t *bytes)
{
	const char *name;
	size_t n = 0;

	*bytes = 0;
	while (step(&w, &name)) {
		size_t more = sizeof(struct erofs_dirent) + strlen(name);

		if (*bytes + more > EROFS_BLOCK)
			break;
		*bytes += more;
		n++;
	}
	return n;
}

uint64_t erofs_dir_size(const struct node *dir)
{
	struct walk w = { .dir = dir, .parent = dir };
	uint64_t blocks = 0;
	const char *name;
	size_t n, bytes, last = 0;

	while ((n = fit(w, &bytes)) > 0) {
		while (n-- > 0)
			(void)step(&w, &name);
		last = bytes;
		blocks++;
	}
	return (blocks - 1) * EROFS_BLOCK + last;
}

void erofs_dir_fill(const struct node *dir, const struct node *parent, uint8_t *content)
{
	struct walk w = { .dir = dir, .parent = parent };
	size_t n, bytes;

	while ((n = fit(w, &bytes)) > 0) {
		size_t name_at = n * sizeof(struct erofs_dirent);

		for (size_t i = 0; i < n; i++) {
			const char *name = "";
			const struct node *node = step(&w, &name);
			struct erofs_dirent e = {
				.nid = htole64(node->at / EROFS_SLOT),
				.name_at = htole16((uint16_t)name_at),
				.type = type_of(node->mode),
			};

			memcpy(content + i * sizeof(e), &e, sizeof(e));
			memcpy(content + name_at, name, strlen(name));
			name_at += strlen(name);
		}
		content += EROFS_BLOCK;
	}
}
