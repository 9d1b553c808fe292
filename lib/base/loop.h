/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one epoll set, one thread. Callbacks run from loop_run()
 * only, never from the function that registers them. A source may be removed
 * at any time, from its own callback or another's; its callback is not called
 * again after that.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/types.h>

struct loop;
struct loop_source;

/* Make a loop. Aborts only when memory is out; NULL and errno when the kernel refuses. */
struct loop *loop_new(void);

/* Release the loop and all its sources. NULL is allowed. */
void loop_free(struct loop *loop);

/*
 * Run until loop_stop() or until no source is left. Returns the status given
 * to loop_stop(), 0 when sources ran out, -errno when waiting failed.
 */
int loop_run(struct loop *loop);

/* One round: wait at most @timeout_ms (-1: for ever), dispatch. 0 or -errno. */
int loop_step(struct loop *loop, int timeout_ms);

/* Make loop_run() return @status after the callbacks at hand. */
void loop_stop(struct loop *loop, int status);

/* CLOCK_MONOTONIC in milliseconds. */
int64_t loop_now_ms(void);

/*
 * Watch @fd (borrowed: the caller closes it after removing the source) for
 * EPOLLIN | EPOLLOUT | …, level triggered unless EPOLLET is among them. Returns NULL and errno when epoll
 * refuses: EPERM for a regular file.
 */
typedef void (*loop_fd_cb)(struct loop_source *src, int fd, uint32_t events, void *arg);
struct loop_source *loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_cb cb,
				void *arg);

/* Change the events of a source of loop_add_fd(). 0 pauses it. */
void loop_set_events(struct loop_source *src, uint32_t events);

/* Call @cb once, @ms milliseconds from now; the source is removed before the call. */
typedef void (*loop_timer_cb)(void *arg);
struct loop_source *loop_add_timer(struct loop *loop, int64_t ms, loop_timer_cb cb, void *arg);

/* Call @cb in the next round. */
struct loop_source *loop_defer(struct loop *loop, loop_timer_cb cb, void *arg);

/* Block signal @signo and call @cb for each. One source for a signal. NULL + errno. */
typedef void (*loop_signal_cb)(const struct signalfd_siginfo *info, void *arg);
struct loop_source *loop_add_signal(struct loop *loop, int signo, loop_signal_cb cb, void *arg);

/*
 * Reap the child @pid with waitpid() when it ends, through its @pidfd (taken
 * over; -1 opens one); @status is as of waitpid(). The source is removed
 * before the call.
 */
typedef void (*loop_child_cb)(pid_t pid, int status, void *arg);
struct loop_source *loop_add_child(struct loop *loop, pid_t pid, int pidfd, loop_child_cb cb,
				   void *arg);

/* Remove and release. *@src becomes NULL; NULL in it is allowed. */
void loop_remove(struct loop_source **src);

#endif
