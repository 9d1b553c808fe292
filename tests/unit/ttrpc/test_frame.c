/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of frames, and the codes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "ttrpc/frame.h"
#include "ttrpc/ttrpc.h"

static void feed(struct frame_parser *p, const void *data, size_t len)
{
	const uint8_t *from = data;

	while (len > 0) {
		size_t room;
		uint8_t *to = frame_room(p, &room);
		size_t n = len < room ? len : room;

		assert_true(room > 0);
		memcpy(to, from, n);
		frame_filled(p, n);
		from += n;
		len -= n;
	}
}

static void put(struct str *s, uint32_t stream, const void *data, size_t len)
{
	struct frame_header h = { (uint32_t)len, stream, FRAME_REQUEST, FRAME_REMOTE_CLOSED };
	uint8_t head[TTRPC_HEADER_LEN];

	frame_encode(head, &h);
	str_add(s, head, sizeof(head));
	str_add(s, data, len);
}

static void expect(struct frame_parser *p, uint32_t stream, const char *data)
{
	struct frame f;

	assert_true(frame_next(p, &f));
	assert_int_equal(f.head.stream, stream);
	assert_int_equal(f.head.type, FRAME_REQUEST);
	assert_int_equal(f.head.flags, FRAME_REMOTE_CLOSED);
	assert_false(f.too_long);
	assert_int_equal(f.head.length, strlen(data));
	assert_memory_equal(f.data, data, strlen(data));
}

static void header_is_as_the_protocol_says(void **state)
{
	const uint8_t wire[TTRPC_HEADER_LEN] = { 0, 1, 2, 3, 0x84, 5, 6, 7, 2, 4 };
	struct frame_header h;
	uint8_t out[TTRPC_HEADER_LEN];

	(void)state;
	frame_decode(wire, &h);
	assert_int_equal(h.length, 0x010203);
	assert_int_equal(h.stream, 0x84050607);
	assert_int_equal(h.type, FRAME_RESPONSE);
	assert_int_equal(h.flags, FRAME_NO_DATA);
	frame_encode(out, &h);
	assert_memory_equal(out, wire, sizeof(wire));
}

static void frames_split_anywhere(void **state)
{
	auto_str struct str s = STR_INIT;
	struct frame f;

	(void)state;
	put(&s, 1, "first", 5);
	put(&s, 3, "", 0);
	put(&s, 5, "third", 5);
	for (size_t at = 0; at <= s.len; at++) {
		struct frame_parser p = { 0 };
		size_t n = 0;

		feed(&p, s.data, at);
		while (n < 3 && frame_next(&p, &f)) {
			assert_int_equal(f.head.stream, 2 * n + 1);
			n++;
		}
		assert_int_equal(n, (at >= 15) + (at >= 25) + (at >= 40));
		assert_int_equal(frame_partial(&p), at != 0 && at != 15 && at != 25 && at != 40);
		feed(&p, s.data + at, s.len - at);
		while (n < 3 && frame_next(&p, &f)) {
			assert_int_equal(f.head.stream, 2 * n + 1);
			n++;
		}
		assert_int_equal(n, 3);
		assert_false(frame_next(&p, &f));
		assert_int_equal(p.taken, s.len);
		frame_reset(&p);
	}
}

static void frames_by_single_bytes(void **state)
{
	struct frame_parser p = { 0 };
	auto_str struct str s = STR_INIT;
	struct frame f;

	(void)state;
	put(&s, 7, "some data", 9);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < s.len; i++) {
			assert_false(frame_next(&p, &f));
			feed(&p, s.data + i, 1);
		}
		expect(&p, 7, "some data");
	}
	frame_reset(&p);
}

/* The longest frame that is allowed, and the shortest that is not. */
static void limits_the_length(void **state)
{
	struct frame_parser p = { 0 };
	auto_str struct str s = STR_INIT;
	auto_free char *data = xcalloc(1, TTRPC_DATA_MAX + 1);
	struct frame f;
	size_t room;

	(void)state;
	put(&s, 1, data, TTRPC_DATA_MAX);
	feed(&p, s.data, s.len);
	assert_true(frame_next(&p, &f));
	assert_false(f.too_long);
	assert_int_equal(f.head.length, TTRPC_DATA_MAX);
	frame_room(&p, &room);
	assert_true(p.cap <= 64 * 1024); /* what a big frame needed is given back */

	str_free(&s);
	put(&s, 3, data, TTRPC_DATA_MAX + 1);
	put(&s, 5, "next", 4);
	for (size_t i = 0, n = 0; i < s.len; i += n) {
		bool whole;

		n = s.len - i < 1000 ? s.len - i : 1000;
		feed(&p, s.data + i, n);
		whole = i + n < s.len && frame_next(&p, &f);
		assert_int_equal(whole, i == 0);
		if (whole)
			assert_true(f.too_long && !f.data && f.head.stream == 3);
		assert_true(p.cap <= 64 * 1024);
	}
	expect(&p, 5, "next");
	frame_reset(&p);
}

/* A header alone costs nothing, whatever it claims. */
static void memory_follows_the_bytes(void **state)
{
	struct frame_header h = { TTRPC_DATA_MAX, 1, FRAME_REQUEST, 0 };
	struct frame_parser p = { 0 };
	uint8_t head[TTRPC_HEADER_LEN], chunk[4096] = { 0 };
	struct frame f;
	size_t room;

	(void)state;
	frame_encode(head, &h);
	feed(&p, head, sizeof(head));
	assert_false(frame_next(&p, &f));
	frame_room(&p, &room);
	assert_true(p.cap <= 16384);
	for (size_t got = 0; got < TTRPC_DATA_MAX; got += sizeof(chunk)) {
		assert_false(frame_next(&p, &f));
		feed(&p, chunk, sizeof(chunk));
		assert_true(p.cap <= 16384 + 2 * (got + sizeof(head) + sizeof(chunk)));
	}
	assert_true(frame_next(&p, &f));
	frame_reset(&p);
}

/* Whatever comes, the parser ends with less than a frame or with something to skip. */
static void swallows_garbage(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct frame_parser p = { 0 };
		uint64_t fed = 0;

		for (int i = 0; i < 50; i++) {
			uint8_t junk[64];
			struct frame f;

			for (size_t k = 0; k < sizeof(junk); k++) {
				seed = seed * 1664525 + 1013904223;
				/* mostly small numbers, so that frames come about */
				junk[k] = (seed >> 16) % 4 ? 0 : (uint8_t)(seed >> 24);
			}
			feed(&p, junk, 1 + seed % sizeof(junk));
			fed += 1 + seed % sizeof(junk);
			while (frame_next(&p, &f)) {
				if (f.too_long)
					assert_true(f.head.length > TTRPC_DATA_MAX);
				else
					assert_true(f.head.length <= fed);
			}
			assert_true(p.taken <= fed);
			assert_int_equal(p.taken + (p.end - p.start), fed);
		}
		frame_reset(&p);
	}
}

static void codes_and_errnos(void **state)
{
	(void)state;
	assert_int_equal(ttrpc_errno_of_code(TTRPC_OK), 0);
	assert_int_equal(ttrpc_code_of_errno(0), TTRPC_OK);
	for (int code = TTRPC_CANCELLED; code <= TTRPC_UNAVAILABLE; code++) {
		int e = ttrpc_errno_of_code((enum ttrpc_code)code);

		assert_true(e < 0);
		assert_int_equal(ttrpc_code_of_errno(e), code);
		assert_int_equal(ttrpc_code_of_errno(-e), code);
	}
	assert_int_equal(ttrpc_errno_of_code((enum ttrpc_code)99), -EIO);
	assert_int_equal(ttrpc_errno_of_code((enum ttrpc_code) - 1), -EIO);
	assert_int_equal(ttrpc_code_of_errno(-ESRCH), TTRPC_NOT_FOUND);
	assert_int_equal(ttrpc_code_of_errno(EXDEV), TTRPC_UNKNOWN);
	assert_int_equal(ttrpc_code_of_errno(-999999), TTRPC_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_is_as_the_protocol_says),
		cmocka_unit_test(frames_split_anywhere),
		cmocka_unit_test(frames_by_single_bytes),
		cmocka_unit_test(limits_the_length),
		cmocka_unit_test(memory_follows_the_bytes),
		cmocka_unit_test(swallows_garbage),
		cmocka_unit_test(codes_and_errnos),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
