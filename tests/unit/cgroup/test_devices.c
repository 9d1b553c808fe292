/* SPDX-License-Identifier: Apache-2.0 */
/* Device rules: the program is run here as the kernel would, the lines are compared. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cgroup/device_program.h"

#define ALL   CGROUP_DEVICE_ALL
#define READ  CGROUP_DEVICE_READ
#define WRITE CGROUP_DEVICE_WRITE
#define MKNOD CGROUP_DEVICE_MKNOD

static uint32_t load(const struct bpf_cgroup_dev_ctx *ctx, int off)
{
	uint32_t v;

	assert_in_range(off, 0, sizeof(*ctx) - sizeof(v));
	memcpy(&v, (const char *)ctx + off, sizeof(v));
	return v;
}

static void alu(const struct bpf_insn *i, uint64_t *r)
{
	uint64_t v = BPF_SRC(i->code) == BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;

	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		r[i->dst_reg] = v;
		break;
	case BPF_AND:
		r[i->dst_reg] &= v;
		break;
	case BPF_RSH:
		r[i->dst_reg] >>= v;
		break;
	default:
		fail_msg("operation %#x", i->code);
	}
}

/* What the program answers; it must end, within itself. */
static int run(const struct bpf_insn *code, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[11] = { 0 };

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *i = &code[pc];
		bool jump;

		switch (BPF_CLASS(i->code)) {
		case BPF_LDX:
			assert_int_equal(i->src_reg, BPF_REG_1);
			r[i->dst_reg] = load(ctx, i->off);
			break;
		case BPF_ALU64:
			alu(i, r);
			break;
		case BPF_JMP32:
			assert_int_equal(BPF_OP(i->code), BPF_JNE);
			if ((uint32_t)r[i->dst_reg] != (uint32_t)i->imm)
				pc += (size_t)i->off;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_EXIT)
				return (int)r[0];
			jump = r[i->dst_reg] == (uint64_t)(int64_t)i->imm;
			if (BPF_OP(i->code) == BPF_JNE)
				jump = !jump;
			if (jump)
				pc += (size_t)i->off;
			break;
		default:
			fail_msg("class of %#x", i->code);
		}
	}
	fail_msg("the program does not end");
	return -1;
}

static bool allowed(const struct cgroup_device_rule *rules, size_t n, char type, unsigned major,
		    unsigned minor, unsigned access)
{
	struct bpf_cgroup_dev_ctx ctx = {
		.access_type =
			access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	struct bpf_insn *code;
	size_t len = device_program(rules, n, &code);
	int r = run(code, len, &ctx);

	free(code);
	return r == 1;
}

static void test_nothing_without_rules(void **state)
{
	(void)state;
	assert_false(allowed(NULL, 0, 'c', 1, 3, READ));
	assert_false(allowed(NULL, 0, 'b', 8, 0, MKNOD));
}

static void test_rules(void **state)
{
	static const struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, ALL }, { true, 'c', 1, 3, ALL },
		{ true, 'c', 136, -1, ALL }, { true, 'c', -1, -1, MKNOD },
		{ true, 'b', 8, 0, READ },   { false, 'c', 136, 7, WRITE },
	};
	size_t n = ARRAY_SIZE(rules);

	(void)state;
	assert_true(allowed(rules, n, 'c', 1, 3, ALL));
	assert_true(allowed(rules, n, 'c', 1, 3, READ | WRITE));
	assert_false(allowed(rules, n, 'b', 1, 3, READ));
	assert_false(allowed(rules, n, 'c', 1, 4, READ));
	assert_true(allowed(rules, n, 'c', 1, 4, MKNOD));
	assert_false(allowed(rules, n, 'c', 1, 4, MKNOD | READ));
	assert_true(allowed(rules, n, 'b', 8, 0, READ));
	assert_false(allowed(rules, n, 'b', 8, 0, READ | WRITE));
	assert_false(allowed(rules, n, 'b', 8, 0, MKNOD));
	assert_true(allowed(rules, n, 'c', 136, 6, READ | WRITE));
	assert_true(allowed(rules, n, 'c', 136, 7, READ));
	assert_false(allowed(rules, n, 'c', 136, 7, WRITE));
	assert_false(allowed(rules, n, 'c', 136, 7, READ | WRITE));
}

/* The parts of an access may be allowed by different rules. */
static void test_parts(void **state)
{
	static const struct cgroup_device_rule rules[] = {
		{ true, 'c', 5, 1, READ },
		{ true, 'c', 5, 1, WRITE },
	};

	(void)state;
	assert_true(allowed(rules, 2, 'c', 5, 1, READ | WRITE));
	assert_false(allowed(rules, 2, 'c', 5, 1, ALL));
}

static void test_all_but(void **state)
{
	static const struct cgroup_device_rule rules[] = {
		{ false, 'c', 1, 1, ALL },
		{ true, 'a', -1, -1, ALL },
		{ false, 'c', 10, -1, WRITE },
	};

	(void)state;
	assert_true(allowed(rules, 3, 'c', 1, 1, ALL));
	assert_true(allowed(rules, 3, 'b', 4294967295u, 1048575, ALL));
	assert_false(allowed(rules, 3, 'c', 10, 229, WRITE));
	assert_true(allowed(rules, 3, 'c', 10, 229, READ));
}

static void lines(const struct cgroup_device_rule *rules, size_t n, bool all, const char *want)
{
	auto_strv struct strv out = { .n = 0 };
	auto_str struct str text = STR_INIT;
	struct err err = ERR_INIT;
	bool allow_all;

	assert_int_equal(device_exceptions(rules, n, &allow_all, &out, &err), 0);
	assert_int_equal(allow_all, all);
	for (size_t i = 0; i < out.n; i++)
		str_printf(&text, "%s;", out.v[i]);
	assert_string_equal(str_text(&text), want);
}

static void test_version_1(void **state)
{
	static const struct cgroup_device_rule rules[] = {
		{ true, 'a', -1, -1, ALL },   { false, 'a', -1, -1, ALL },
		{ true, 'c', 1, 3, READ },    { true, 'c', 1, 3, WRITE },
		{ true, 'b', -1, -1, MKNOD }, { true, 'a', 7, -1, READ },
		{ true, 'c', 9, 9, ALL },     { false, 'c', 9, -1, ALL },
		{ false, 'c', 10, 229, ALL },
	};
	static const struct cgroup_device_rule but[] = {
		{ true, 'a', -1, -1, ALL },
		{ false, 'c', 10, -1, WRITE },
		{ true, 'b', 1, 1, READ },
	};

	(void)state;
	lines(rules, ARRAY_SIZE(rules), false, "c 1:3 rw;b *:* m;c 7:* r;b 7:* r;");
	lines(but, ARRAY_SIZE(but), true, "c 10:* w;");
	lines(NULL, 0, false, "");
}

static void test_version_1_cannot(void **state)
{
	static const struct cgroup_device_rule hole[] = {
		{ true, 'c', 1, -1, ALL },
		{ false, 'c', 1, 3, WRITE },
	};
	auto_strv struct strv out = { .n = 0 };
	struct err err = ERR_INIT;
	bool all;

	(void)state;
	assert_int_equal(device_exceptions(hole, 2, &all, &out, &err), -EINVAL);
	assert_non_null(strstr(err_msg(&err), "c 1:3"));
	/* Version 2 can. */
	assert_false(allowed(hole, 2, 'c', 1, 3, WRITE));
	assert_true(allowed(hole, 2, 'c', 1, 3, READ));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_without_rules),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_all_but),
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_version_1_cannot),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
