/* SPDX-License-Identifier: Apache-2.0 */
#include "base/program.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

char *own_program(const char *name, const char *build)
{
	auto_free char *libexec = xasprintf("../libexec/kata-containers/%s", name);
	auto_free char *built = xasprintf("%s/%s", build, name);
	const char *const places[] = { name, libexec, built };
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
