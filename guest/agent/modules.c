/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "guest/agent/init.h"

#define MODULES_LIST "/lib/kata/modules.list"

static void load(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* A kernel may have it built in (EEXIST) or do without; who needs it fails by name. */
	if (fd < 0)
		log_warn("module %s: %s, ignoring", path, strerror(errno));
	else if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		log_warn("module %s: %s, ignoring", path, strerror(errno));
}

void init_modules(void)
{
	auto_str struct str text = STR_INIT;
	char *save = NULL;

	if (access(MODULES_LIST, F_OK) < 0)
		return;
	if (file_read(MODULES_LIST, 65536, &text, NULL) < 0) {
		log_warn("%s cannot be read, ignoring", MODULES_LIST);
		return;
	}
	if (!text.len) /* a kernel that has all of it built in */
		return;
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		if (*l == '/')
			load(l);
}
