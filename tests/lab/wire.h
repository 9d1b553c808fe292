/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the keeper outside of the lab and its first process say to each other
 * through one virtio-serial port: frames of a type, a length and that many
 * bytes, in both directions. One stream, so that all output has passed when the
 * command's end is told.
 */
#ifndef TESTS_LAB_WIRE_H
#define TESTS_LAB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_PORT   "lab"	/* the port's name */
#define WIRE_MAX    (32 * 1024) /* bytes in a frame */
#define WIRE_WINDOW (64 * 1024) /* bytes of input that may be under way */

enum wire_type {
	/* From inside. */
	WIRE_BEAT = 1, /* a sign of life, once a second */
	WIRE_OUT,      /* bytes of standard output */
	WIRE_ERR,      /* bytes of standard error */
	WIRE_TAKEN,    /* u32: so many bytes of input have left the window */
	WIRE_TOLD,     /* the answer to WIRE_TELL */
	WIRE_EXIT,     /* u32: the command's exit status; the last frame */
	/* From outside. */
	WIRE_IN,     /* bytes of standard input */
	WIRE_IN_END, /* standard input is at its end */
	WIRE_SIGNAL, /* u32: for the command's process group */
	WIRE_SIZE,   /* u32 rows, u32 columns of the terminal */
	WIRE_TELL,   /* tell on the console what there is: the time is over */
	WIRE_POKE,   /* nothing was heard for a while; a WIRE_BEAT is the answer */
	WIRE_TYPES,  /* what comes from here on is not ours */
};

struct wire_frame {
	enum wire_type type;
	uint32_t size;
	const unsigned char *data; /* until the next wire_next() */
};

struct wire {
	int fd; /* does not block */
	size_t in, in_used, out, out_done;
	unsigned char inbuf[2 * WIRE_MAX], outbuf[8 * WIRE_MAX];
};

void wire_init(struct wire *w, int fd);

/* Is there room for another full frame? Small frames (below 64 bytes) always fit. */
bool wire_room(const struct wire *w);
bool wire_pending(const struct wire *w);

void wire_put(struct wire *w, enum wire_type type, const void *data, size_t size);
void wire_put_u32(struct wire *w, enum wire_type type, uint32_t value);
uint32_t wire_u32(const struct wire_frame *f, size_t index);

/* Writes what can be written without blocking. 0 or a negative errno. */
int wire_flush(struct wire *w);

/* Reads what there is. The number of bytes, 0 when there are none now, -EPIPE at the end. */
int wire_fill(struct wire *w);

/* 1: a frame. 0: none is complete. -EPROTO: nobody of ours sent this. */
int wire_next(struct wire *w, struct wire_frame *f);

#endif
