/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest writes to its console: whatever that is, the words of it that reach a
 * log or an error are plain text of bounded length.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "host/hypervisor/console.h"
#include "host/hypervisor/tail.h"

#define ROUNDS_MAX 64
#define PIPE_BYTES 65536

static void check_plain(const char *text)
{
	for (; *text; text++)
		must(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_str struct str words = STR_INIT, text = STR_INIT;
	auto_strv struct strv lines = { NULL, 0 };
	struct loop *loop = loop_new();
	struct err err = ERR_INIT;
	size_t kept = 0;
	struct tail *tail;
	int fds[2];

	must(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	if (size > PIPE_BYTES)
		size = PIPE_BYTES;
	must(write(fds[1], data, size) == (ssize_t)size);
	close(fds[1]);
	tail = tail_new(loop, fds[0], "f", LOG_LEVEL_INFO, NULL, NULL, &err);
	must(tail);
	for (int i = 0; i < ROUNDS_MAX && !tail_ended(tail); i++)
		must(loop_step(loop, 0) == 0);
	must(tail_ended(tail));
	tail_lines(tail, &lines);
	for (size_t i = 0; i < lines.n; i++) {
		check_plain(lines.v[i]);
		must(strlen(lines.v[i]) <= TAIL_LINE_MAX);
		kept += strlen(lines.v[i]);
	}
	must(kept <= TAIL_KEEP);
	console_words(tail, &words);
	check_plain(str_text(&words));
	must(words.len <= CONSOLE_WORDS_MAX);
	tail_text(tail, 100, &text);
	check_plain(str_text(&text));
	must(text.len <= 100);
	tail_free(tail);
	loop_free(loop);
	return 0;
}
