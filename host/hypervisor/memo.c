/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/memo.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

#define DIR   "/run/kata-containers/programs"
#define MAGIC "kata-c-program-1"

/* The file behind @program, whatever its name; false: nothing is kept of such a one. */
static bool identify(const char *program, const char *option, struct str *key, struct stat *st)
{
	auto_close int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char magic[SELFMAG];

	if (fd < 0 || fstat(fd, st) < 0 || !S_ISREG(st->st_mode) ||
	    read(fd, magic, sizeof(magic)) != SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0)
		return false;
	str_printf(key, MAGIC " %s %lld %lld.%09ld %lld.%09ld\n", option, (long long)st->st_size,
		   (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		   (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	return true;
}

const char *memo_dir(void)
{
	return geteuid() == 0 ? DIR : NULL;
}

void memo_init(struct memo *m, const char *dir, const char *program, const char *option)
{
	struct stat st;

	*m = (struct memo)MEMO_INIT;
	if (!dir || !identify(program, option, &m->key, &st))
		return;
	m->dir = xstrdup(dir);
	m->program = xstrdup(program);
	m->option = xstrdup(option);
	m->path = xasprintf("%s/%llx-%llx", dir, (unsigned long long)st.st_dev,
			    (unsigned long long)st.st_ino);
}

char *memo_read(const struct memo *m)
{
	auto_str struct str text = STR_INIT;

	if (!m->path || file_read(m->path, m->key.len + MEMO_MAX, &text, NULL) < 0 ||
	    !str_starts(str_text(&text), str_text(&m->key)))
		return NULL;
	return xstrdup(str_text(&text) + m->key.len);
}

void memo_write(const struct memo *m, const char *text)
{
	auto_str struct str now = STR_INIT, all = STR_INIT;
	struct stat st;

	if (!m->path || strlen(text) > MEMO_MAX || !identify(m->program, m->option, &now, &st) ||
	    strcmp(str_text(&now), str_text(&m->key)) != 0)
		return;
	/* What cannot be kept is asked again; nothing else is lost. */
	if (dir_make(m->dir, 0755, NULL) < 0)
		return;
	str_printf(&all, "%s%s", str_text(&m->key), text);
	(void)file_replace(m->path, all.data, all.len, 0644, NULL);
}

void memo_free(struct memo *m)
{
	free(m->dir);
	free(m->path);
	free(m->program);
	free(m->option);
	str_free(&m->key);
	*m = (struct memo)MEMO_INIT;
}
