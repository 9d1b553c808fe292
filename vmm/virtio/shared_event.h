/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An eventfd that a process which is not trusted has, too. It may fill the counter and make
 * the descriptor, which is as much its own, one that blocks: a write waits then, for ever. So
 * a signal that comes again and again ends the wait; what is full needs no more.
 */
#ifndef VMM_VIRTIO_SHARED_EVENT_H
#define VMM_VIRTIO_SHARED_EVENT_H

/* Before the first signal, from the thread that will give it and before its jail: 0 or -errno. */
int shared_event_prepare(void);

/* Add one to the counter, as far as that takes no longer than some milliseconds. */
void shared_event_signal(int fd);

#endif
