/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vcpus.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "base/loop.h"

#define KICK	   SIGUSR1     /* gets a thread out of the guest, and does nothing else */
#define STACK_SIZE (128 << 10) /* deepest: a log line of a device that breaks the rules */

static void on_kick(int signo)
{
	(void)signo;
}

int vcpus_init(struct vcpus *all, unsigned n, const struct kvm *k, struct arch *arch,
	       const struct bus *bus, struct err *err)
{
	pthread_condattr_t monotonic;
	int r = 0;

	*all = (struct vcpus){ .event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			       .ending = { .word = ENDING_NONE } };
	pthread_mutex_init(&all->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&all->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	all->thread = calloc(n, sizeof(all->thread[0]));
	if (all->event < 0 || !all->thread)
		r = err_sys(err, all->thread ? errno : ENOMEM, "cannot lead processors");
	while (r == 0 && all->n < n) {
		struct vcpu_thread *t = &all->thread[all->n];

		t->all = all;
		r = vcpu_init(&t->cpu, all->n, k, arch, bus, err);
		all->n += r == 0;
	}
	if (r < 0)
		vcpus_done(all);
	return r;
}

void vcpus_done(struct vcpus *all)
{
	for (unsigned i = 0; i < all->n; i++)
		vcpu_done(&all->thread[i].cpu);
	free(all->thread);
	all->thread = NULL;
	all->n = 0;
	close_fd(&all->event);
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
}

static enum vcpus_state wanted(const struct vcpus *all)
{
	return __atomic_load_n(&all->wanted, __ATOMIC_SEQ_CST);
}

/* Wait until the guest may be entered (true) or the thread has to end (false). */
static bool rest(struct vcpu_thread *t)
{
	struct vcpus *all = t->all;
	bool run;

	vcpu_settle(&t->cpu);
	pthread_mutex_lock(&all->lock);
	if (--all->running == 0)
		pthread_cond_broadcast(&all->changed);
	while (all->wanted == VCPUS_PAUSE)
		pthread_cond_wait(&all->changed, &all->lock);
	run = all->wanted == VCPUS_RUN;
	all->running += run;
	pthread_mutex_unlock(&all->lock);
#ifdef KVM_KVMCLOCK_CTRL
	/* Or the guest would take the pause for a processor that hangs. No clock, no need. */
	if (run)
		(void)ioctl(t->cpu.fd, KVM_KVMCLOCK_CTRL, 0);
#endif
	return run;
}

static void *run(void *arg)
{
	struct vcpu_thread *t = arg;
	struct ending ending = { .word = ENDING_NONE };
	struct err err = ERR_INIT;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", t->cpu.index);
	pthread_setname_np(pthread_self(), name);
	if (t->all->enter && t->all->enter(&err) < 0)
		vcpus_end(t->all, ENDING_FAILED, err_msg(&err));
	for (;;) {
		if (wanted(t->all) != VCPUS_RUN && !rest(t))
			return NULL;
		if (vcpu_enter(&t->cpu, &ending) != ENDING_NONE)
			vcpus_end(t->all, ending.word, ending.text);
	}
}

/* The threads inherit the mask: all is blocked for them but the kick. */
static int start_threads(struct vcpus *all)
{
	pthread_attr_t attr;
	sigset_t mask, old;
	int r = 0;

	sigfillset(&mask);
	sigdelset(&mask, KICK);
	/* Faults of our own shall end the process with their name. */
	sigdelset(&mask, SIGSEGV);
	sigdelset(&mask, SIGBUS);
	sigdelset(&mask, SIGSYS);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &mask, &old);
	for (unsigned i = 0; r == 0 && i < all->n; i++) {
		struct vcpu_thread *t = &all->thread[i];

		/* One that ends the machine at once finds the others whole. */
		pthread_mutex_lock(&all->lock);
		r = pthread_create(&t->thread, &attr, run, t);
		t->started = r == 0;
		all->running += t->started;
		pthread_mutex_unlock(&all->lock);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

int vcpus_start(struct vcpus *all, vcpus_enter_cb enter, struct err *err)
{
	struct sigaction kick = { .sa_handler = on_kick };
	int r;

	sigaction(KICK, &kick, NULL);
	all->enter = enter;
	all->wanted = VCPUS_PAUSE;
	r = start_threads(all);
	return r < 0 ? err_sys(err, r, "cannot start the processors' threads") : 0;
}

void vcpus_want(struct vcpus *all, enum vcpus_state state)
{
	pthread_mutex_lock(&all->lock);
	if (all->wanted != VCPUS_STOP)
		__atomic_store_n(&all->wanted, state, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&all->changed);
	for (unsigned i = 0; all->wanted != VCPUS_RUN && i < all->n; i++) {
		struct vcpu_thread *t = &all->thread[i];

		if (!t->started)
			continue;
		vcpu_interrupt(&t->cpu);
		pthread_kill(t->thread, KICK);
	}
	pthread_mutex_unlock(&all->lock);
}

/* True: all rest. False: a millisecond has gone. */
static bool wait_a_moment(struct vcpus *all)
{
	struct timespec until;
	bool at_rest;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&all->lock);
	if (all->running > 0)
		pthread_cond_timedwait(&all->changed, &all->lock, &until);
	at_rest = all->running == 0;
	pthread_mutex_unlock(&all->lock);
	return at_rest;
}

int vcpus_rest(struct vcpus *all, enum vcpus_state state, void (*meanwhile)(void *arg), void *arg,
	       int ms)
{
	int64_t limit = loop_now_ms() + ms;

	vcpus_want(all, state);
	while (!wait_a_moment(all)) {
		int64_t now = loop_now_ms();

		if (now >= limit)
			return -ETIMEDOUT;
		meanwhile(arg);
		/* A slow disk's reset is not the fault of who waited for it. */
		limit += loop_now_ms() - now;
	}
	return 0;
}

void vcpus_join(struct vcpus *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->thread[i].started)
			pthread_join(all->thread[i].thread, NULL);
		all->thread[i].started = false;
	}
}

void vcpus_end(struct vcpus *all, enum ending_word word, const char *text)
{
	pthread_mutex_lock(&all->lock);
	if (all->ending.word == ENDING_NONE)
		ending_set(&all->ending, word, "%s", text);
	pthread_mutex_unlock(&all->lock);
	vcpus_want(all, VCPUS_STOP);
	/* A full counter says the same. */
	(void)eventfd_write(all->event, 1);
}

enum ending_word vcpus_ending(struct vcpus *all, struct ending *ending)
{
	pthread_mutex_lock(&all->lock);
	*ending = all->ending;
	pthread_mutex_unlock(&all->lock);
	return ending->word;
}
