/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of all processors, one each, and what is done to all of them at once:
 * start, pause, resume, stop. They are led from the loop's thread.
 */
#ifndef VMM_VCPUS_H
#define VMM_VCPUS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "vmm/ending.h"
#include "vmm/vcpu.h"

enum vcpus_state { VCPUS_RUN, VCPUS_PAUSE, VCPUS_STOP };

/* What a processor's thread does before all else: 0, or -errno and @err. */
typedef int (*vcpus_enter_cb)(struct err *err);

struct vcpus;

struct vcpu_thread {
	struct vcpu cpu;
	struct vcpus *all;
	pthread_t thread;
	bool started;
};

struct vcpus {
	unsigned n;
	struct vcpu_thread *thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;	 /* wanted or running is not what it was */
	enum vcpus_state wanted; /* read without the lock between two entries */
	unsigned running;	 /* threads that may enter the guest */
	struct ending ending;	 /* of the first that ended */
	int event;		 /* eventfd: there is an ending; for the loop */
	vcpus_enter_cb enter;
};

/* @n processors; on failure nothing is left. */
int vcpus_init(struct vcpus *all, unsigned n, const struct kvm *k, struct arch *arch,
	       const struct bus *bus, struct err *err);
/* When they are joined, or never were started. */
void vcpus_done(struct vcpus *all);

/*
 * Make the threads, paused. Each calls @enter (may be NULL) first: the place to give up
 * what a processor's thread does not need. Its failure ends the machine.
 */
int vcpus_start(struct vcpus *all, vcpus_enter_cb enter, struct err *err);

/* Any thread. A stop is for ever. */
void vcpus_want(struct vcpus *all, enum vcpus_state state);

/*
 * Want @state, not to run, and wait at most @ms until no thread is in the guest. A thread
 * may be waiting for the caller's: @meanwhile is called to do what it waits for, and what
 * that takes is not counted.
 * -ETIMEDOUT: some are still in.
 */
int vcpus_rest(struct vcpus *all, enum vcpus_state state, void (*meanwhile)(void *arg), void *arg,
	       int ms);
/* After a stop that is complete. */
void vcpus_join(struct vcpus *all);

/* Any thread: the machine's end, of which only the first counts. @event becomes readable. */
void vcpus_end(struct vcpus *all, enum ending_word word, const char *text);
/* How it ended; ENDING_NONE while it did not. */
enum ending_word vcpus_ending(struct vcpus *all, struct ending *ending);

#endif
