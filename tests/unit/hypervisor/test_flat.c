/* SPDX-License-Identifier: Apache-2.0 */
/* A vmlinux made flat, or refused. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "host/hypervisor/stratovirt/flat.h"

#define PARTS 3
#define DATA  4096 /* where the parts' bytes begin */
#define SIZE  (DATA + 300)

/* A kernel of two parts with a gap between them, and a note that is not loaded. */
struct kernel {
	Elf64_Ehdr head;
	Elf64_Phdr parts[PARTS];
	char rest[SIZE - sizeof(Elf64_Ehdr) - PARTS * sizeof(Elf64_Phdr)];
};

struct place {
	char *dir;
	char *in, *out;
};

static void make(struct kernel *k)
{
	*k = (struct kernel){
		.head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT },
			  .e_machine = EM_X86_64,
			  .e_entry = FLAT_START,
			  .e_phoff = sizeof(Elf64_Ehdr),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = PARTS },
		.parts = { { .p_type = PT_LOAD,
			     .p_offset = DATA,
			     .p_paddr = FLAT_START,
			     .p_filesz = 100,
			     .p_memsz = 0x1000 },
			   { .p_type = PT_NOTE, .p_offset = DATA, .p_paddr = 0, .p_filesz = 10 },
			   { .p_type = PT_LOAD,
			     .p_offset = DATA + 200,
			     .p_paddr = FLAT_START + 0x2000,
			     .p_filesz = 100,
			     .p_memsz = 0x5000 } },
	};
	memset((char *)k + DATA, 'a', 100);
	memset((char *)k + DATA + 100, 'x', 100);
	memset((char *)k + DATA + 200, 'b', 100);
}

static int setup(void **state)
{
	struct place *p = xcalloc(1, sizeof(*p));

	p->dir = xstrdup("/tmp/flat-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->in = path_join(p->dir, "vmlinux");
	p->out = path_join(p->dir, "flat");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	assert_int_equal(tree_remove(p->dir, NULL), 0);
	free(p->dir);
	free(p->in);
	free(p->out);
	free(p);
	return 0;
}

static int flatten(const struct place *p, const struct kernel *k, size_t len, struct err *err)
{
	err_clear(err);
	assert_int_equal(file_replace(p->in, k, len, 0600, NULL), 0);
	return flat_kernel(p->in, p->out, err);
}

static void parts_lie_where_they_belong(void **state)
{
	const struct place *p = *state;
	auto_str struct str flat = STR_INIT;
	struct err err = ERR_INIT;
	struct kernel k;

	make(&k);
	assert_int_equal(flatten(p, &k, SIZE, &err), 1);
	assert_int_equal(file_read(p->out, 1 << 20, &flat, NULL), 0);
	assert_int_equal(flat.len, 0x2000 + 100);
	for (size_t i = 0; i < flat.len; i++)
		assert_int_equal(str_text(&flat)[i], i < 100 ? 'a' : i < 0x2000 ? 0 : 'b');
	/* What is there already is somebody's. */
	assert_int_equal(flat_kernel(p->in, p->out, &err), -EEXIST);
	assert_int_equal(access(p->out, F_OK), 0);
}

static void others_stay_as_they_are(void **state)
{
	const struct place *p = *state;
	struct err err = ERR_INIT;
	struct kernel k = { 0 };

	assert_int_equal(flatten(p, &k, SIZE, &err), 0);
	assert_int_equal(flatten(p, &k, 0, &err), 0);
	assert_int_equal(flatten(p, &k, 3, &err), 0);
	assert_int_equal(access(p->out, F_OK), -1);
	assert_int_equal(flat_kernel("/nonexistent/k", NULL, &err), -ENOENT);
	assert_non_null(strstr(err_msg(&err), "/nonexistent/k"));
}

static void what_cannot_start_is_refused(void **state)
{
	static const struct {
		size_t offset, size;
		uint64_t value;
		int code;
		const char *want;
	} cases[] = {
#define HEAD(field) offsetof(struct kernel, head.field), sizeof(((struct kernel *)0)->head.field)
#define PART(i, field) \
	offsetof(struct kernel, parts[i].field), sizeof(((struct kernel *)0)->parts[i].field)
		{ HEAD(e_machine), EM_AARCH64, -ENOEXEC, "not for x86-64" },
		{ HEAD(e_ident[EI_CLASS]), ELFCLASS32, -ENOEXEC, "not for x86-64" },
		{ HEAD(e_entry), FLAT_START + 1, -ENOEXEC, "does not start at 16 MiB" },
		{ HEAD(e_phentsize), 1, -ENOEXEC, "strange program headers" },
		{ HEAD(e_phnum), 65, -ENOEXEC, "strange program headers" },
		{ HEAD(e_phnum), 0, -ENOEXEC, "nothing to be loaded" },
		{ HEAD(e_phoff), SIZE, -ENOEXEC, "cut short" },
		{ HEAD(e_phoff), UINT64_MAX, -EINVAL, "Invalid argument" },
		{ PART(0, p_paddr), FLAT_START - 1, -ENOEXEC, "one behind the other" },
		{ PART(0, p_memsz), 99, -ENOEXEC, "one behind the other" },
		{ PART(0, p_memsz), 0x2001, -ENOEXEC, "one behind the other" },
		{ PART(0, p_memsz), UINT64_MAX, -EFBIG, "larger than 256 MiB" },
		{ PART(2, p_paddr), FLAT_START + FLAT_MAX, -EFBIG, "larger than 256 MiB" },
		{ PART(2, p_paddr), UINT64_MAX, -EFBIG, "larger than 256 MiB" },
		{ PART(2, p_offset), DATA + 201, -ENOEXEC, "cut short" },
		{ PART(2, p_offset), UINT64_MAX, -ENOEXEC, "cut short" },
		{ PART(2, p_filesz), UINT64_MAX, -ENOEXEC, "cut short" },
	};
	const struct place *p = *state;
	struct err err = ERR_INIT;
	struct kernel k;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		make(&k);
		memcpy((char *)&k + cases[i].offset, &cases[i].value, cases[i].size);
		r = flatten(p, &k, SIZE, &err);
		if (r != cases[i].code || !strstr(err_msg(&err), cases[i].want))
			fail_msg("case %zu: %d %s", i, r, err_msg(&err));
		assert_int_equal(access(p->out, F_OK), -1);
	}
	/* Of every length that is too short. */
	make(&k);
	for (size_t len = SELFMAG; len < SIZE; len++)
		assert_int_equal(flatten(p, &k, len, &err), -ENOEXEC);
	assert_int_equal(access(p->out, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(parts_lie_where_they_belong, setup, teardown),
		cmocka_unit_test_setup_teardown(others_stay_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_start_is_refused, setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("flat kernels", tests, NULL, NULL);
}
