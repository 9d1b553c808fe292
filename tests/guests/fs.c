/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claim: a file of the host is found, read and written through the server's queue, by FUSE's
 * own messages. The share has a file "hello" of 100000 bytes; its first bytes are changed.
 */
#include <linux/fuse.h>

#include "virtio.h"

#define FILE_SIZE 100000U
#define PIECE	  16384U

enum { HIPRIO, REQUESTS };

static uint64_t unique;
static struct fuse_in_header *in;
static struct fuse_out_header *out;
static uint8_t *argument, *answer, *data;

/*
 * One request with @len bytes at argument, then @extra of data that go out; into answer come
 * at most @room. How many came.
 */
static uint32_t ask(struct device *d, uint32_t opcode, uint64_t node, uint32_t len, uint32_t extra,
		    uint32_t room)
{
	struct desc *desc = d->queue[REQUESTS].desc;

	*in = (struct fuse_in_header){
		.len = (uint32_t)sizeof(*in) + len + extra,
		.opcode = opcode,
		.unique = ++unique,
		.nodeid = node,
		.pid = 1,
	};
	memset(out, 0xee, sizeof(*out));
	desc[0] = (struct desc){ (uintptr_t)in, sizeof(*in), D_NEXT, 1 };
	desc[1] = (struct desc){ (uintptr_t)argument, len, D_NEXT, extra > 0 ? 2 : 3 };
	desc[2] = (struct desc){ (uintptr_t)data, extra, D_NEXT, 3 };
	desc[3] = (struct desc){ (uintptr_t)out, sizeof(*out), D_WRITE | D_NEXT, 4 };
	desc[4] = (struct desc){ (uintptr_t)answer, room, D_WRITE, 0 };
	queue_offer(d, REQUESTS, 0);
	queue_get(d, REQUESTS);
	must(out->unique == unique && out->len >= sizeof(*out));
	if (out->error)
		fail("the server answers with error", (uint64_t)-out->error);
	return out->len - (uint32_t)sizeof(*out);
}

static void begin(struct device *d)
{
	struct fuse_init_in *init = (struct fuse_init_in *)(uintptr_t)argument;

	*init = (struct fuse_init_in){ .major = 7, .minor = 31, .max_readahead = 65536 };
	must(ask(d, FUSE_INIT, 0, sizeof(*init), 0, 4096) >= 24);
	must(((struct fuse_init_out *)(uintptr_t)answer)->major == 7);
}

static uint64_t look_up(struct device *d, const char *name, uint32_t len)
{
	struct fuse_entry_out *entry = (struct fuse_entry_out *)(uintptr_t)answer;

	memcpy(argument, name, len);
	must(ask(d, FUSE_LOOKUP, FUSE_ROOT_ID, len, 0, sizeof(*entry)) == sizeof(*entry));
	must(entry->attr.size == FILE_SIZE);
	return entry->nodeid;
}

static void read_all(struct device *d, uint64_t node, uint64_t handle)
{
	for (uint32_t at = 0; at < FILE_SIZE;) {
		struct fuse_read_in *read = (struct fuse_read_in *)(uintptr_t)argument;
		uint32_t n;

		*read = (struct fuse_read_in){ .fh = handle, .offset = at, .size = PIECE };
		n = ask(d, FUSE_READ, node, sizeof(*read), 0, PIECE);
		must(n == (FILE_SIZE - at < PIECE ? FILE_SIZE - at : PIECE));
		for (uint32_t i = 0; i < n; i++)
			must(answer[i] == (uint8_t)((at + i) * 7 + ((at + i) >> 9)));
		at += n;
	}
}

void guest_main(void)
{
	struct fuse_write_in *write;
	struct fuse_open_in *open;
	struct device d;
	uint64_t node, handle;

	in = take(sizeof(*in), 16);
	out = take(sizeof(*out), 16);
	argument = take(4096, 16);
	answer = take(PIECE, 4096);
	data = take(4096, 16);
	must(device_find(&d, ID_FS, 0));
	must(d.page[REG_CONFIG] == 's' && d.page[REG_CONFIG + 4] == 'e');
	device_start(&d, 0);
	begin(&d);
	node = look_up(&d, "hello", sizeof("hello"));
	open = (struct fuse_open_in *)(uintptr_t)argument;
	*open = (struct fuse_open_in){ .flags = 2 };
	must(ask(&d, FUSE_OPEN, node, sizeof(*open), 0, sizeof(struct fuse_open_out)) ==
	     sizeof(struct fuse_open_out));
	handle = ((struct fuse_open_out *)(uintptr_t)answer)->fh;
	read_all(&d, node, handle);
	ok("fs: a file of the host is read");
	write = (struct fuse_write_in *)(uintptr_t)argument;
	*write = (struct fuse_write_in){ .fh = handle, .size = 13 };
	memcpy(data, "hello, host!\n", 13);
	must(ask(&d, FUSE_WRITE, node, sizeof(*write), 13, sizeof(struct fuse_write_out)) ==
	     sizeof(struct fuse_write_out));
	must(((struct fuse_write_out *)(uintptr_t)answer)->size == 13);
	ok("fs: and written");
}
