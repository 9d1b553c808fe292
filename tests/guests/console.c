/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim: what is printed comes out whole and in order, and what is typed comes in. The host
 * types a line, which comes back, and counts what else there is.
 */
#include "virtio.h"

#define ROOM	  64
#define LINES	  512
#define LINE_SIZE 128

enum { RX, TX };

static void print(struct device *d, const char *text, uint32_t len)
{
	struct desc *desc = d->queue[TX].desc;
	uint32_t half = len / 2;

	/* A chain of two, to see that it is one. */
	desc[0] = (struct desc){ (uintptr_t)text, half, D_NEXT, 1 };
	desc[1] = (struct desc){ (uintptr_t)text + half, len - half, 0, 0 };
	queue_do(d, TX, 0);
}

static uint32_t read_line(struct device *d, char *line, uint32_t size)
{
	char *room = take(ROOM, 16);
	uint32_t len = 0, n;

	do {
		queue_put(d, RX, 0, room, ROOM, D_WRITE);
		n = queue_get(d, RX);
		must(n > 0 && n <= ROOM && len + n <= size);
		memcpy(line + len, room, n);
		len += n;
	} while (line[len - 1] != '\n');
	return len;
}

void guest_main(void)
{
	char *line = take(4096, 16), *many = take(LINE_SIZE, 16);
	struct device d;
	uint32_t len;

	must(device_find(&d, ID_CONSOLE, 0));
	device_start(&d, 0);
	memcpy(line, "heard: ", 7);
	len = 7 + read_line(&d, line + 7, 1024);
	print(&d, line, len);
	memset(many, '.', LINE_SIZE);
	many[LINE_SIZE - 1] = '\n';
	for (uint32_t i = 0; i < LINES; i++) {
		for (uint32_t digit = 0, n = i; digit < 4; digit++, n /= 10)
			many[3 - digit] = (char)('0' + n % 10);
		print(&d, many, LINE_SIZE);
	}
	ok("console: what is typed comes in, what is printed goes out");
}
