/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "host/sandbox/sandbox.h"

void sandbox_disk_copy(struct sandbox_disk *to, const struct sandbox_disk *from)
{
	*to = (struct sandbox_disk){
		.source = xstrdup(from->source),
		.fstype = xstrdup(from->fstype),
		.read_only = from->read_only,
	};
	for (size_t i = 0; i < from->options.n; i++)
		strv_add(&to->options, from->options.v[i]);
}

void sandbox_disk_free(struct sandbox_disk *disk)
{
	free(disk->source);
	free(disk->fstype);
	strv_free(&disk->options);
	*disk = (struct sandbox_disk){ .source = NULL };
}
