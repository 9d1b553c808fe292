/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the start of a frame on a serial link (virtio-serial), whose ends
 * come and go without the other's descriptor closing, so that each may meet
 * the tail of an earlier conversation.
 *
 * The side that connects (the host) sends SERIAL_HELLO and 8 bytes of its own
 * choice, again every SERIAL_RETRY_MS, and throws away all it receives until
 * SERIAL_WELCOME and those 8 bytes; then plain ttrpc follows. The side that
 * serves (the agent) drops its parser's state when its peer goes away
 * (POLLHUP), and answers each hello that it finds between frames; one with
 * other bytes than the last is another peer's, and ends the calls of the last.
 * A frame that stays incomplete for SERIAL_STALL_MS counts as torn when a hello
 * is in what came of it, or when nothing more came: the server then goes on
 * from that hello or looks for the next. The first byte of a frame is always zero (its length is
 * below 16 MiB) and that of a hello never is, so the two cannot be confused.
 *
 * An agent that does not know this (the original) never uses serial links.
 */
#ifndef TTRPC_SERIAL_H
#define TTRPC_SERIAL_H

#define SERIAL_MAGIC_LEN 16
#define SERIAL_NONCE_LEN 8
#define SERIAL_HELLO	 "\xffKATA-C-HELLO-1\n"
#define SERIAL_WELCOME	 "\xffKATA-C-READY-1\n"
#define SERIAL_RETRY_MS	 200
#define SERIAL_STALL_MS	 3000

#endif
