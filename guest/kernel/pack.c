/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack IN OUT: a vmlinux without the pages of it that are only filler: zeroes, and the
 * int3 that aligns the kernel's parts to 2 MiB. A monitor has to copy all that the file
 * has, and touches memory of the guest for it; of ours that were 6 of 16 MiB.
 *
 * Each segment is cut in pieces where there is enough filler. A piece is larger in memory
 * than in the file by the filler behind it, so that whoever loads it leaves zeroes there.
 * Sections are only for linkers and debuggers; the notes, which tell the entry, stay.
 */
#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	   4096UL
#define PIECES_MAX 60 /* what monitors take is not much more */
#define GAP_MIN	   8  /* pages: less is not worth a piece */
#define INT3	   0xcc

static uint8_t *in;
static size_t in_size;
static Elf64_Phdr piece[PIECES_MAX];
static unsigned n_pieces;

__attribute__((noreturn)) static void fail(const char *what)
{
	fprintf(stderr, "pack: %s\n", what);
	exit(1);
}

static void read_all(const char *path)
{
	FILE *f = fopen(path, "rb");
	long size;

	if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < (long)sizeof(Elf64_Ehdr))
		fail("the kernel cannot be read");
	rewind(f);
	in_size = (size_t)size;
	in = malloc(in_size);
	if (!in || fread(in, 1, in_size, f) != in_size)
		fail("the kernel cannot be read");
	fclose(f);
}

static bool is_filler(const uint8_t *p, size_t len)
{
	return (p[0] == 0 || p[0] == INT3) && memcmp(p, p + 1, len - 1) == 0;
}

/* The piece of @s from @from to @to, which is in memory as large as up to @next. */
static void add(const Elf64_Phdr *s, size_t from, size_t to, size_t next)
{
	Elf64_Phdr *p = &piece[n_pieces];

	if (n_pieces++ == PIECES_MAX)
		fail("too many pieces");
	*p = *s;
	p->p_offset += from;
	p->p_vaddr += from;
	p->p_paddr += from;
	p->p_filesz = to - from;
	p->p_memsz = next - from;
	if (p->p_type == PT_LOAD)
		p->p_align = PAGE;
}

static void cut(const Elf64_Phdr *s)
{
	size_t from = 0, content = 0, page;

	for (page = 0; page < s->p_filesz; page += PAGE) {
		size_t len = s->p_filesz - page < PAGE ? s->p_filesz - page : PAGE;

		if (is_filler(in + s->p_offset + page, len))
			continue;
		if (page - content >= GAP_MIN * PAGE && page > 0) {
			add(s, from, content, page);
			from = page;
		}
		content = page + len;
	}
	add(s, from, content, s->p_memsz);
}

static void write_at(FILE *f, size_t offset, const void *data, size_t len)
{
	if (fseek(f, (long)offset, SEEK_SET) < 0 || fwrite(data, 1, len, f) != len)
		fail("the result cannot be written");
}

/* Pieces follow each other on pages, as in memory, so that a monitor may also map them. */
static void write_all(FILE *f, Elf64_Ehdr *h)
{
	size_t at = PAGE;

	for (unsigned i = 0; i < n_pieces; i++) {
		size_t from = piece[i].p_offset;

		at = ((at + PAGE - 1) & ~(PAGE - 1)) + piece[i].p_vaddr % PAGE;
		piece[i].p_offset = at;
		write_at(f, at, in + from, piece[i].p_filesz);
		at += piece[i].p_filesz;
	}
	h->e_phoff = sizeof(*h);
	h->e_phnum = (Elf64_Half)n_pieces;
	h->e_shoff = h->e_shnum = h->e_shstrndx = 0;
	write_at(f, 0, h, sizeof(*h));
	write_at(f, sizeof(*h), piece, n_pieces * sizeof(piece[0]));
}

int main(int argc, char **argv)
{
	Elf64_Ehdr h;
	FILE *out;

	if (argc != 3)
		fail("usage: pack IN OUT");
	read_all(argv[1]);
	memcpy(&h, in, sizeof(h));
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
	    h.e_phentsize != sizeof(Elf64_Phdr) ||
	    h.e_phoff + h.e_phnum * sizeof(Elf64_Phdr) > in_size)
		fail("not an ELF file of 64 bits");
	for (unsigned i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr s;

		memcpy(&s, in + h.e_phoff + i * sizeof(s), sizeof(s));
		if (s.p_offset > in_size || s.p_filesz > in_size - s.p_offset)
			fail("a segment is not all in the file");
		if (s.p_type == PT_LOAD && s.p_filesz > 0)
			cut(&s);
		else if (s.p_type == PT_NOTE)
			add(&s, 0, s.p_filesz, s.p_memsz);
	}
	out = fopen(argv[2], "wb");
	if (!out)
		fail("the result cannot be written");
	write_all(out, &h);
	if (fclose(out) != 0)
		fail("the result cannot be written");
	return 0;
}
