/* SPDX-License-Identifier: Apache-2.0 */
/* A process's standard streams: pipes or a terminal, for the calls or for who has connected. */
#ifndef AGENT_PROCESS_IO_H
#define AGENT_PROCESS_IO_H

#include "guest/agent/process.h"

/* Nothing open yet. Takes over @streams. */
void process_io_init(struct process *p, struct passfd *streams);

/*
 * Without a terminal: our ends to @p, its ends to @theirs (the caller's, also when it
 * fails), -1 for what nobody is connected to.
 */
int process_make_pipes(struct process *p, int theirs[3], struct err *err);

/*
 * Take over its terminal's @master, which is stdin and stdout; two descriptors,
 * so that each can close.
 */
int process_take_terminal(struct process *p, int master, struct err *err);

/* It has ended: who waits for it is told when its output is delivered. */
void process_io_exited(struct process *p);

/* Close all, fail who reads and writes. */
void process_io_done(struct process *p);

#endif
