/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor's answer: whatever that is, it is understood or refused with words, has no
 * more than it may, and means the same if it comes in two parts.
 */
#include <string.h>

#include "fuzz.h"
#include "http/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_str struct str in = STR_INIT;
	struct http_answer whole, part = { 0 };
	struct err err = ERR_INIT;
	int r, half;

	str_add(&in, data, size);
	half = size ? http_answer_parse(&(struct str){ .data = in.data, .len = size / 2 }, false,
					&part, &err) :
		      0;
	r = http_answer_parse(&in, true, &whole, &err);
	if (r > 0) {
		must(whole.status >= 200 && whole.status <= 599);
		must(whole.body.len <= size);
	} else {
		must(r < 0 && err.code == r && *err.msg && whole.body.len == 0);
	}
	if (half > 0) {
		must(r > 0 && part.status == whole.status && part.body.len == whole.body.len);
		must(part.body.len == 0 || !memcmp(part.body.data, whole.body.data, part.body.len));
	}
	must(half >= 0 || r < 0);
	str_free(&part.body);
	str_free(&whole.body);
	return 0;
}
