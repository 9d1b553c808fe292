/* SPDX-License-Identifier: Apache-2.0 */
/* Loading: kernels, most of them broken, an initrd, the command line, the boot data. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "vmm/boot/elf.h"
#include "vmm/boot/initrd.h"
#include "vmm/boot/kernel_line.h"
#include "vmm/boot/pvh.h"

#define MIB   (1ULL << 20)
#define ENTRY 0x200010U

struct note {
	Elf64_Nhdr h;
	char owner[4];
	uint32_t entry;
};

/* A kernel of one segment at 2 MiB, 16 bytes in the file and 32 in memory. */
struct file {
	Elf64_Ehdr h;
	Elf64_Phdr load, note;
	struct note n;
	char text[16];
};

static const struct file good = {
	.h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
	       .e_type = ET_EXEC,
	       .e_machine = EM_X86_64,
	       .e_phoff = offsetof(struct file, load),
	       .e_phentsize = sizeof(Elf64_Phdr),
	       .e_phnum = 2 },
	.load = { .p_type = PT_LOAD,
		  .p_offset = offsetof(struct file, text),
		  .p_paddr = 0x200000,
		  .p_filesz = 16,
		  .p_memsz = 32 },
	.note = { .p_type = PT_NOTE,
		  .p_offset = offsetof(struct file, n),
		  .p_filesz = sizeof(struct note) },
	.n = { { 4, 4, 18 }, "Xen", ENTRY },
	.text = "the kernel's 15",
};

static int memfd(const void *data, size_t len)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	return fd;
}

static int load(const void *data, size_t len, struct elf_kernel *k, struct err *err)
{
	auto_close int fd = memfd(data, len);
	struct memory m;
	int r;

	assert_int_equal(memory_init(&m, 4 * MIB, 3 * MIB << 10, 4 * MIB << 10, false, NULL), 0);
	r = elf_load(fd, &m, MIB, k, err);
	if (r == 0) {
		assert_memory_equal(memory_at(&m, 0x200000, 16), good.text, 16);
		assert_int_equal(*(uint8_t *)memory_at(&m, 0x200010, 1), 0);
	}
	memory_done(&m);
	return r;
}

static void test_loads(void **state)
{
	struct elf_kernel k;

	(void)state;
	assert_int_equal(load(&good, sizeof(good), &k, NULL), 0);
	assert_int_equal(k.entry, ENTRY);
	assert_int_equal(k.start, 0x200000);
	assert_int_equal(k.end, 0x200020);
}

#define FIELD(member) offsetof(struct file, member), sizeof(good.member)

static void test_broken(void **state)
{
	static const struct {
		const char *name;
		size_t at, len;
		uint64_t value;
		const char *says;
	} broken[] = {
		{ "no ELF", FIELD(h.e_ident[1]), 'X', "not an ELF file" },
		{ "32 bits", FIELD(h.e_ident[EI_CLASS]), ELFCLASS32, "another machine" },
		{ "big endian", FIELD(h.e_ident[EI_DATA]), ELFDATA2MSB, "another machine" },
		{ "another machine", FIELD(h.e_machine), EM_S390, "another machine" },
		{ "an object", FIELD(h.e_type), ET_REL, "no program" },
		{ "no segments", FIELD(h.e_phnum), 0, "without segments" },
		{ "many segments", FIELD(h.e_phnum), 65, "more than 64" },
		{ "odd segments", FIELD(h.e_phentsize), 32, "without segments" },
		{ "table far away", FIELD(h.e_phoff), 1ULL << 40, "beyond the file's end" },
		{ "table at the end of numbers", FIELD(h.e_phoff), UINT64_MAX, "beyond" },
		{ "table across the file's end", FIELD(h.e_phoff), sizeof(good) - 8, "beyond" },
		{ "longer in the file", FIELD(load.p_filesz), 33, "larger in the file" },
		{ "text beyond the end", FIELD(load.p_offset), sizeof(good) - 8, "a segment lies" },
		{ "text at the end of numbers", FIELD(load.p_offset), UINT64_MAX - 4, "beyond" },
		{ "below the kernel's place", FIELD(load.p_paddr), 0x1000, "below 0x100000" },
		{ "above memory", FIELD(load.p_paddr), 64 * MIB, "outside of the guest's memory" },
		{ "across memory's end", FIELD(load.p_paddr), 4 * MIB - 16, "outside" },
		{ "address wraps", FIELD(load.p_paddr), UINT64_MAX - 8, "outside" },
		{ "length wraps", FIELD(load.p_memsz), UINT64_MAX - 8, "outside" },
		{ "4 GiB", FIELD(load.p_memsz), 4 * MIB << 10, "outside" },
		{ "nothing to load", FIELD(load.p_memsz), 0, "is outside of it" },
		{ "no note", FIELD(note.p_type), PT_NULL, "no PVH entry" },
		{ "large notes", FIELD(note.p_filesz), MIB, "bytes of notes" },
		{ "notes beyond the end", FIELD(note.p_offset), sizeof(good), "a note lies" },
		{ "a note of another", FIELD(n.owner[0]), 'Y', "no PVH entry" },
		{ "another note", FIELD(n.h.n_type), 17, "no PVH entry" },
		{ "a long name", FIELD(n.h.n_namesz), UINT32_MAX, "no PVH entry" },
		{ "a long note", FIELD(n.h.n_descsz), UINT32_MAX, "no PVH entry" },
		{ "a short note", FIELD(n.h.n_descsz), 2, "no PVH entry" },
		{ "entry outside", FIELD(n.entry), 0x300000, "is outside of it" },
		{ "entry below", FIELD(n.entry), 0, "is outside of it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct file f = good;
		struct err err = ERR_INIT;
		struct elf_kernel k;

		memcpy((char *)&f + broken[i].at, &broken[i].value, broken[i].len);
		if (load(&f, sizeof(f), &k, &err) == 0 || !strstr(err.msg, broken[i].says))
			fail_msg("%s: \"%s\", not \"%s\"", broken[i].name, err.msg, broken[i].says);
	}
}

/* Whatever is cut off a kernel, it is none. */
static void test_cut(void **state)
{
	struct elf_kernel k;

	(void)state;
	for (size_t len = 0; len < offsetof(struct file, text) + sizeof(good.text); len++)
		assert_int_equal(load(&good, len, &k, NULL), -ENOEXEC);
}

static void test_initrd(void **state)
{
	auto_close int fd = memfd("0123456789", 10), empty = memfd("", 0);
	struct initrd i = { 0 };
	struct err err = ERR_INIT;
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 2 * MIB, MIB << 10, MIB << 11, false, NULL), 0);
	assert_int_equal(initrd_load(fd, &m, 0x100001, MIB << 10, &i, NULL), 0);
	assert_int_equal(i.start, 0x101000);
	assert_int_equal(i.size, 10);
	assert_memory_equal(memory_at(&m, i.start, i.size), "0123456789", 10);
	assert_int_equal(initrd_load(empty, &m, MIB, MIB << 10, &i, NULL), -EINVAL);
	assert_int_equal(initrd_load(fd, &m, 2 * MIB - 8, MIB << 10, &i, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "do not fit"));
	assert_int_equal(initrd_load(fd, &m, MIB, MIB + 4, &i, NULL), -ENOSPC);
	memory_done(&m);
}

static void test_line(void **state)
{
	struct kernel_line l = { 0 };

	(void)state;
	assert_int_equal(kernel_line_add(&l, 12, "", NULL), 0);
	assert_int_equal(kernel_line_add(&l, 12, "quiet", NULL), 0);
	assert_int_equal(kernel_line_add(&l, 12, "a=\"b\"", NULL), 0);
	assert_string_equal(l.text, "quiet a=\"b\"");
	assert_int_equal(kernel_line_add(&l, 12, "x", NULL), -E2BIG);
	assert_int_equal(kernel_line_add(&l, 13, "x", NULL), 0);
	assert_int_equal(kernel_line_add(&l, 100, "a\nb", NULL), -EINVAL);
	assert_string_equal(l.text, "quiet a=\"b\" x");
}

static void test_boot_data(void **state)
{
	struct pvh p = {
		.start_info = 0x6000,
		.memory_map = 0x7000,
		.cmdline = 0x8000,
		.line = "quiet",
		.initrd = { 0x100000, 10 },
		.rsdp = 0xe0000,
		.n_ranges = 1,
		.range = { { 0, 0x9fc00, PVH_RAM } },
	};
	struct memory m;
	uint32_t *info;
	uint64_t *wide;

	(void)state;
	assert_int_equal(memory_init(&m, MIB, MIB << 10, MIB << 11, false, NULL), 0);
	assert_int_equal(pvh_write(&p, &m, NULL), 0);
	info = memory_at(&m, 0x6000, 56);
	wide = memory_at(&m, 0x6000, 56);
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[3], 1);
	assert_int_equal(*(uint64_t *)memory_at(&m, wide[2], 8), 0x100000);
	assert_string_equal(memory_at(&m, wide[3], 6), "quiet");
	assert_int_equal(wide[4], 0xe0000);
	assert_int_equal(((uint64_t *)memory_at(&m, wide[5], 16))[1], 0x9fc00);
	p.cmdline = MIB - 2;
	assert_int_equal(pvh_write(&p, &m, NULL), -ENOSPC);
	memory_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loads), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_initrd),
		cmocka_unit_test(test_line),  cmocka_unit_test(test_boot_data),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
