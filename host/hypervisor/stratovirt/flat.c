/* SPDX-License-Identifier: Apache-2.0 */
/* A vmlinux without its ELF: each part that is to be loaded, at its physical address. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "host/hypervisor/stratovirt/flat.h"

#define PARTS_MAX  64
#define COPY_BYTES (256U << 10)

struct flat {
	const char *path;
	int fd;
	uint64_t size; /* of the file */
	Elf64_Ehdr head;
	Elf64_Phdr parts[PARTS_MAX];
};

static int broken(const struct flat *f, const char *how, struct err *err)
{
	return err_set(err, ENOEXEC, "%s: %s", f->path, how);
}

/* All of @len bytes at @at. */
static int read_at(const struct flat *f, void *buf, size_t len, uint64_t at, struct err *err)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(f->fd, (char *)buf + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "%s", f->path);
		if (n == 0)
			return broken(f, "is cut short", err);
		done += (size_t)n;
	}
	return 0;
}

static bool inside(uint64_t start, uint64_t len, uint64_t end)
{
	return start <= end && len <= end - start;
}

static int check_parts(const struct flat *f, struct err *err)
{
	uint64_t end = FLAT_START;

	for (size_t i = 0; i < f->head.e_phnum; i++) {
		const Elf64_Phdr *p = &f->parts[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		if (!inside(p->p_offset, p->p_filesz, f->size))
			return broken(f, "is cut short", err);
		if (p->p_filesz > p->p_memsz || p->p_paddr < end)
			return broken(f, "its parts are not one behind the other from 16 MiB on",
				      err);
		if (!inside(p->p_paddr - FLAT_START, p->p_memsz, FLAT_MAX))
			return err_set(err, EFBIG, "%s: is larger than %u MiB in memory", f->path,
				       FLAT_MAX >> 20);
		end = p->p_paddr + p->p_memsz;
	}
	return end == FLAT_START ? broken(f, "has nothing to be loaded", err) : 0;
}

/* 1: a vmlinux that fits, 0: no ELF file. */
static int look(struct flat *f, struct err *err)
{
	struct stat st;
	int r;

	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_sys(err, errno, "%s", f->path);
	f->size = (uint64_t)st.st_size;
	if (f->size < SELFMAG)
		return 0;
	r = read_at(f, f->head.e_ident, SELFMAG, 0, err);
	if (r < 0)
		return r;
	if (memcmp(f->head.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	r = read_at(f, &f->head, sizeof(f->head), 0, err);
	if (r < 0)
		return r;
	if (f->head.e_ident[EI_CLASS] != ELFCLASS64 || f->head.e_machine != EM_X86_64)
		return broken(f, "is not for x86-64", err);
	if (f->head.e_entry != FLAT_START)
		return broken(f, "does not start at 16 MiB, where StratoVirt would start it", err);
	if (f->head.e_phentsize != sizeof(Elf64_Phdr) || f->head.e_phnum > PARTS_MAX)
		return broken(f, "has strange program headers", err);
	r = read_at(f, f->parts, f->head.e_phnum * sizeof(Elf64_Phdr), f->head.e_phoff, err);
	if (r == 0)
		r = check_parts(f, err);
	return r < 0 ? r : 1;
}

static int copy_part(const struct flat *f, const Elf64_Phdr *p, int to, char *buf, struct err *err)
{
	uint64_t done = 0;

	if (lseek(to, (off_t)(p->p_paddr - FLAT_START), SEEK_SET) < 0)
		return err_sys(err, errno, "seek");
	while (done < p->p_filesz) {
		uint64_t left = p->p_filesz - done;
		size_t n = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
		int r = read_at(f, buf, n, p->p_offset + done, err);

		if (r < 0)
			return r;
		r = fd_write_full(to, buf, n);
		if (r < 0)
			return err_sys(err, -r, "write");
		done += n;
	}
	return 0;
}

static int copy(const struct flat *f, const char *out, struct err *err)
{
	auto_close int to = open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	auto_free char *buf = xmalloc(COPY_BYTES);
	int r = 0;

	if (to < 0)
		return err_sys(err, errno, "%s", out);
	for (size_t i = 0; r == 0 && i < f->head.e_phnum; i++)
		if (f->parts[i].p_type == PT_LOAD)
			r = copy_part(f, &f->parts[i], to, buf, err);
	if (r < 0) {
		unlink(out);
		err_wrap(err, "%s", out);
	}
	return r;
}

int flat_kernel(const char *path, const char *out, struct err *err)
{
	struct flat f = { .path = path, .fd = -1 };
	int r = look(&f, err);

	int failed = r == 1 && out ? copy(&f, out, err) : 0;

	close_fd(&f.fd);
	return failed < 0 ? failed : r;
}
