/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of all processors, one each, and what is done to all of them at once:
 * start, pause, resume, stop. They are led from the loop's thread, which they may be
 * waiting for (a device that is being reset), so nothing here waits for them but
 * vcpus_join(), which lets the loop go on meanwhile.
 */
#ifndef VMM_VCPUS_H
#define VMM_VCPUS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"
#include "vmm/ending.h"
#include "vmm/vcpu.h"

enum vcpus_state { VCPUS_RUN, VCPUS_PAUSE, VCPUS_STOP };

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
	pthread_cond_t changed;	 /* wanted is not what it was */
	enum vcpus_state wanted; /* read without the lock between two entries */
	unsigned running;	 /* threads that may enter the guest */
	int event;		 /* eventfd: something below or above changed; for the loop */
	struct ending ending;	 /* of the first that ended */
};

/* @n processors; on failure nothing is left. */
int vcpus_init(struct vcpus *all, unsigned n, const struct kvm *k, struct arch *arch,
	       const struct bus *bus, struct err *err);
/* When they are joined, or never were started. */
void vcpus_done(struct vcpus *all);

/*
 * Make the threads, in state @first. Each calls @enter (may be NULL) before all else: the
 * place to give up what a processor's thread does not need. Its failure ends the machine.
 */
typedef int (*vcpus_enter_cb)(struct err *err);
int vcpus_start(struct vcpus *all, enum vcpus_state first, vcpus_enter_cb enter, struct err *err);

/* Any thread. @event becomes readable when a pause or stop is complete. */
void vcpus_want(struct vcpus *all, enum vcpus_state state);
/* No thread is in the guest, nor will be until another state is wanted. */
bool vcpus_at_rest(struct vcpus *all);

/* Any thread: the machine's end, of which only the first counts. @event becomes readable. */
void vcpus_end(struct vcpus *all, enum ending_word word, const char *text);
/* How it ended; ENDING_NONE while it did not. */
enum ending_word vcpus_ending(struct vcpus *all, struct ending *ending);

/* Stop, and wait at most @ms while @loop goes on. -ETIMEDOUT: some did not. */
int vcpus_join(struct vcpus *all, struct loop *loop, int ms);

#endif
