/* SPDX-License-Identifier: Apache-2.0 */
#include "host/hypervisor/asset.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Open a regular file that is not empty; its size in *@size. */
static int open_asset(const char *key, const char *path, uint64_t *size, struct err *err)
{
	auto_close int fd = -1;
	struct stat st;

	if (!*path)
		return err_set(err, EINVAL, "%s: is not set", key);
	/* O_NONBLOCK: a FIFO in its place must not stop us. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, errno, "%s %s", key, path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s %s", key, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "%s %s: not a regular file", key, path);
	if (st.st_size == 0)
		return err_set(err, EINVAL, "%s %s: the file is empty", key, path);
	*size = (uint64_t)st.st_size;
	return take_fd(&fd);
}

int asset_check_file(const char *key, const char *path, struct err *err)
{
	uint64_t size;
	auto_close int fd = open_asset(key, path, &size, err);

	return fd < 0 ? fd : 0;
}

/* The processor that this very program is for. */
#if defined(__x86_64__)
#define EM_OWN EM_X86_64
#elif defined(__aarch64__)
#define EM_OWN EM_AARCH64
#endif

static bool is_foreign(int fd)
{
#ifdef EM_OWN
	Elf64_Ehdr eh;

	return pread(fd, &eh, sizeof(eh), 0) == (ssize_t)sizeof(eh) &&
	       !memcmp(eh.e_ident, ELFMAG, SELFMAG) && eh.e_machine != EM_OWN;
#else
	(void)fd;
	return false;
#endif
}

int asset_check_program(const char *key, const char *path, struct err *err)
{
	char magic[SELFMAG] = "";
	uint64_t size;
	auto_close int fd = open_asset(key, path, &size, err);

	if (fd < 0)
		return fd;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return err_set(err, errno, "%s %s: not executable", key, path);
	if (pread(fd, magic, sizeof(magic), 0) < 2 ||
	    (memcmp(magic, ELFMAG, SELFMAG) != 0 && memcmp(magic, "#!", 2) != 0))
		return err_set(err, ENOEXEC, "%s %s: not a program", key, path);
	if (is_foreign(fd))
		return err_set(err, ENOEXEC, "%s %s: a program for another processor", key, path);
	return 0;
}

/* What an ELF file promises in its program headers must be in it. */
static int check_elf(int fd, uint64_t size, const char *key, const char *path, struct err *err)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (pread(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_phentsize != sizeof(ph))
		return err_set(err, ENOEXEC, "%s %s: not a 64-bit ELF kernel", key, path);
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		if (eh.e_phoff > size ||
		    pread(fd, &ph, sizeof(ph), (off_t)(eh.e_phoff + i * sizeof(ph))) !=
			    (ssize_t)sizeof(ph) ||
		    ph.p_filesz > size || ph.p_offset > size - ph.p_filesz)
			return err_set(err, ENOEXEC, "%s %s: the ELF file is cut short", key, path);
	}
	return 0;
}

int asset_check_kernel(const char *key, const char *path, struct err *err)
{
	unsigned char head[0x206] = { 0 };
	uint64_t size;
	auto_close int fd = open_asset(key, path, &size, err);

	if (fd < 0)
		return fd;
	if (pread(fd, head, sizeof(head), 0) < 0)
		return err_sys(err, errno, "%s %s", key, path);
	if (!memcmp(head, ELFMAG, SELFMAG))
		return check_elf(fd, size, key, path, err);
	if (memcmp(head + 0x202, "HdrS", 4) != 0 && memcmp(head + 0x38, "ARM\x64", 4) != 0)
		return err_set(err, ENOEXEC, "%s %s: neither an ELF file nor a bzImage", key, path);
	return 0;
}

int asset_check_vmlinux(const char *key, const char *path, struct err *err)
{
	char magic[SELFMAG] = "";
	uint64_t size;
	auto_close int fd = open_asset(key, path, &size, err);

	if (fd < 0)
		return fd;
	if (pread(fd, magic, sizeof(magic), 0) != SELFMAG || memcmp(magic, ELFMAG, SELFMAG) != 0)
		return err_set(err, ENOEXEC, "%s %s: not an ELF file (vmlinux), which is needed",
			       key, path);
	return check_elf(fd, size, key, path, err);
}

int asset_check_image(const char *key, const char *path, struct err *err)
{
	/* The first of the partition table's entries, and the mark behind its last. */
	enum { SECTOR = 512, ENTRY = 446, ENTRY_START = 8, ENTRY_SIZE = 12, MARK = 510 };
	unsigned char mbr[SECTOR] = { 0 };
	uint32_t start, sectors;
	uint64_t size;
	auto_close int fd = open_asset(key, path, &size, err);

	if (fd < 0)
		return fd;
	if (pread(fd, mbr, sizeof(mbr), 0) < 0)
		return err_sys(err, errno, "%s %s", key, path);
	if (mbr[MARK] != 0x55 || mbr[MARK + 1] != 0xaa)
		return err_set(err, EINVAL, "%s %s: has no partition table", key, path);
	memcpy(&start, mbr + ENTRY + ENTRY_START, sizeof(start));
	memcpy(&sectors, mbr + ENTRY + ENTRY_SIZE, sizeof(sectors));
	start = le32toh(start);
	sectors = le32toh(sectors);
	/* A protective entry covers the whole disk, however large it says it is. */
	if (mbr[ENTRY + 4] == 0xee)
		return 0;
	if (start == 0 || sectors == 0)
		return err_set(err, EINVAL, "%s %s: has no first partition", key, path);
	if (((uint64_t)start + sectors) * SECTOR > size)
		return err_set(err, EINVAL, "%s %s: the image is cut short", key, path);
	return 0;
}

int asset_check_access(const char *key, const char *path, bool directory, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s %s", key, path);
	if (directory && !S_ISDIR(st.st_mode))
		return err_set(err, ENOTDIR, "%s %s: is no directory", key, path);
	if (faccessat(AT_FDCWD, path, directory ? W_OK | X_OK : R_OK, AT_EACCESS) < 0)
		return err_sys(err, errno, "%s %s", key, path);
	return 0;
}
