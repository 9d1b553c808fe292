/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define SEGMENTS_MAX 64
#define NOTES_MAX    (64 << 10)

#define NOTE_OWNER     "Xen"
#define NOTE_PVH_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */

#ifdef __x86_64__
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

/* All of @len bytes at @offset of the file. */
static int read_at(int fd, void *buf, uint64_t len, uint64_t offset, const char *what,
		   struct err *err)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n;

		if (offset > INT64_MAX)
			return err_set(err, ENOEXEC, "kernel: %s lies beyond the file's end", what);
		n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, errno, "kernel: cannot read %s", what);
		if (n == 0)
			return err_set(err, ENOEXEC, "kernel: %s lies beyond the file's end", what);
		p += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int check_header(const Elf64_Ehdr *h, struct err *err)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return err_set(err, ENOEXEC, "kernel: not an ELF file (a vmlinux, not a bzImage)");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != MACHINE)
		return err_set(err, ENOEXEC, "kernel: an ELF file for another machine");
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return err_set(err, ENOEXEC, "kernel: an ELF file that is no program");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0)
		return err_set(err, ENOEXEC, "kernel: an ELF file without segments");
	if (h->e_phnum > SEGMENTS_MAX)
		return err_set(err, ENOEXEC, "kernel: more than %d segments", SEGMENTS_MAX);
	return 0;
}

static int load_segment(int fd, const struct memory *m, gpa_t lowest, const Elf64_Phdr *p,
			struct elf_kernel *kernel, struct err *err)
{
	void *at;

	if (p->p_memsz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return err_set(err, ENOEXEC, "kernel: a segment larger in the file than in memory");
	if (p->p_paddr < lowest)
		return err_set(err, ENOEXEC, "kernel: a segment at %#" PRIx64 ", below %#" PRIx64,
			       (uint64_t)p->p_paddr, lowest);
	at = memory_at(m, p->p_paddr, p->p_memsz);
	if (!at)
		return err_set(err, ENOSPC,
			       "kernel: a segment of %" PRIu64 " KiB at %" PRIu64
			       " MiB is outside of the guest's memory",
			       (uint64_t)p->p_memsz >> 10, (uint64_t)p->p_paddr >> 20);
	if (p->p_paddr < kernel->start)
		kernel->start = p->p_paddr;
	if (p->p_paddr + p->p_memsz > kernel->end)
		kernel->end = p->p_paddr + p->p_memsz;
	/* What the file does not fill is zero already. */
	return read_at(fd, at, p->p_filesz, p->p_offset, "a segment", err);
}

static uint64_t padded(uint32_t size)
{
	return ((uint64_t)size + 3) & ~3ULL;
}

/* Look for the entry among @len bytes of notes: 1 when found. */
static int find_entry(const uint8_t *notes, uint64_t len, uint32_t *entry)
{
	Elf64_Nhdr n;

	while (len >= sizeof(n)) {
		uint64_t desc, next;

		memcpy(&n, notes, sizeof(n));
		desc = sizeof(n) + padded(n.n_namesz);
		next = desc + padded(n.n_descsz);
		if (desc + n.n_descsz > len)
			return 0;
		if (n.n_type == NOTE_PVH_ENTRY && n.n_namesz == sizeof(NOTE_OWNER) &&
		    memcmp(notes + sizeof(n), NOTE_OWNER, sizeof(NOTE_OWNER)) == 0 &&
		    n.n_descsz >= sizeof(*entry)) {
			memcpy(entry, notes + desc, sizeof(*entry));
			return 1;
		}
		if (next > len)
			return 0;
		notes += next;
		len -= next;
	}
	return 0;
}

static int read_notes(int fd, const Elf64_Phdr *p, uint32_t *entry, struct err *err)
{
	auto_free uint8_t *notes = NULL;
	int r;

	if (p->p_filesz > NOTES_MAX)
		return err_set(err, ENOEXEC, "kernel: more than %d bytes of notes", NOTES_MAX);
	notes = malloc(p->p_filesz + 1);
	if (!notes)
		return err_set(err, ENOMEM, "no memory for the kernel's notes");
	r = read_at(fd, notes, p->p_filesz, p->p_offset, "a note", err);
	return r < 0 ? r : find_entry(notes, p->p_filesz, entry);
}

int elf_load(int fd, const struct memory *m, gpa_t lowest, struct elf_kernel *kernel,
	     struct err *err)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr h;
	int found = 0;
	int r = read_at(fd, &h, sizeof(h), 0, "the ELF header", err);

	*kernel = (struct elf_kernel){ .start = UINT64_MAX };
	if (r == 0)
		r = check_header(&h, err);
	if (r == 0)
		r = read_at(fd, segments, h.e_phnum * sizeof(segments[0]), h.e_phoff,
			    "the table of segments", err);
	for (unsigned i = 0; r >= 0 && i < h.e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD) {
			r = load_segment(fd, m, lowest, &segments[i], kernel, err);
		} else if (segments[i].p_type == PT_NOTE && !found) {
			r = read_notes(fd, &segments[i], &kernel->entry, err);
			found = r > 0;
		}
	}
	if (r < 0)
		return r;
	if (!found)
		return err_set(err, ENOEXEC,
			       "kernel: no PVH entry (a Linux with CONFIG_PVH has one)");
	if (kernel->entry < kernel->start || kernel->entry >= kernel->end)
		return err_set(err, ENOEXEC, "kernel: its PVH entry %#x is outside of it",
			       kernel->entry);
	return 0;
}
