/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cli/program.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

char *own_program(const char *name, const char *room)
{
	auto_free char *libexec = xasprintf("../libexec/kata-containers/%s", name);
	auto_free char *build = xasprintf("../%s/%s", room, name);
	const char *const places[] = { name, libexec, build };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++) {
			auto_free char *path =
				xasprintf("%.*s/%s", (int)(slash - self), self, places[i]);

			if (access(path, X_OK) == 0)
				return take_ptr(path);
		}
	}
	return xstrdup(name);
}
