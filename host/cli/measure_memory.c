/* SPDX-License-Identifier: Apache-2.0 */
/* The weight of a sandbox's processes, and the little program that they run. */
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "host/cli/measure.h"

#define PROC_FILE_MAX 4096

/* ---- the program --------------------------------------------------------------- */

#define LOAD_AT 0x400000

/* Sleep, for ever. */
#if defined(__x86_64__)
#define MACHINE EM_X86_64
static const unsigned char code[] = {
	0xb8, 0x22, 0x00, 0x00, 0x00, /* mov $SYS_pause, %eax */
	0x0f, 0x05,		      /* syscall */
	0xeb, 0xf7,		      /* jmp to the start */
};
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
static const unsigned char code[] = {
	0x00, 0x00, 0x80, 0xd2, /* mov x0, #0 */
	0x01, 0x00, 0x80, 0xd2, /* mov x1, #0 */
	0x02, 0x00, 0x80, 0xd2, /* mov x2, #0 */
	0x03, 0x00, 0x80, 0xd2, /* mov x3, #0 */
	0x04, 0x00, 0x80, 0xd2, /* mov x4, #0 */
	0x28, 0x09, 0x80, 0xd2, /* mov x8, #SYS_ppoll */
	0x01, 0x00, 0x00, 0xd4, /* svc #0 */
	0xf9, 0xff, 0xff, 0x17, /* b to the start */
};
#else
#error "no program to measure with for this processor"
#endif

const void *measure_program(size_t *size)
{
	static struct {
		Elf64_Ehdr head;
		Elf64_Phdr load;
		unsigned char code[sizeof(code)];
	} program;

	program.head = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = MACHINE,
		.e_version = EV_CURRENT,
		.e_entry = LOAD_AT + sizeof(program.head) + sizeof(program.load),
		.e_phoff = sizeof(program.head),
		.e_ehsize = sizeof(program.head),
		.e_phentsize = sizeof(program.load),
		.e_phnum = 1,
	};
	program.load = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_vaddr = LOAD_AT,
		.p_paddr = LOAD_AT,
		.p_filesz = sizeof(program),
		.p_memsz = sizeof(program),
		.p_align = 0x1000,
	};
	memcpy(program.code, code, sizeof(code));
	*size = sizeof(program);
	return &program;
}

/* ---- the weight ------------------------------------------------------------------ */

struct family {
	int *pids;
	size_t n;
};

static bool is_member(const struct family *f, int pid)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->pids[i] == pid)
			return true;
	return false;
}

static void add_member(struct family *f, int pid)
{
	f->pids = xrealloc(f->pids, (f->n + 1) * sizeof(*f->pids));
	f->pids[f->n++] = pid;
}

/* proc(5): "pid (name) state ppid …"; the name may hold anything. 0 when it is gone. */
static int parent_of(int pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", pid);
	auto_str struct str text = STR_INIT;
	const char *end;
	int parent = 0;

	if (file_read(path, PROC_FILE_MAX, &text, NULL) < 0)
		return 0;
	end = strrchr(str_text(&text), ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Those whose parent is a member; true when there were some. */
static bool add_children(struct family *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	bool any = false;

	while (dir && (e = readdir(dir))) {
		int pid = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;

		if (pid > 0 && !is_member(f, pid) && is_member(f, parent_of(pid))) {
			add_member(f, pid);
			any = true;
		}
	}
	if (dir)
		closedir(dir);
	return any;
}

static long pss_of(int pid)
{
	auto_free char *path = xasprintf("/proc/%d/smaps_rollup", pid);
	auto_str struct str text = STR_INIT;
	const char *line;
	long kib = -1;

	if (file_read(path, PROC_FILE_MAX, &text, NULL) < 0)
		return -1;
	line = strstr(str_text(&text), "\nPss:");
	return line && sscanf(line, "\nPss: %ld", &kib) == 1 ? kib : -1;
}

long measure_memory(const int *pids, size_t n)
{
	struct family f = { 0 };
	long sum = 0;

	for (size_t i = 0; i < n; i++)
		add_member(&f, pids[i]);
	while (add_children(&f))
		;
	for (size_t i = 0; i < f.n && sum >= 0; i++) {
		long kib = pss_of(f.pids[i]);

		if (kib >= 0)
			sum += kib;
		else if (i < n)
			sum = -1;
	}
	free(f.pids);
	return sum;
}
