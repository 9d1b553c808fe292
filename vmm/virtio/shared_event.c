/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/shared_event.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_US 10000

static void on_alarm(int signo)
{
	(void)signo;
}

int shared_event_prepare(void)
{
	struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigaction(SIGALRM, &action, NULL) < 0)
		return -errno;
	return -pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
}

void shared_event_signal(int fd)
{
	/* Again and again: the first may come before the write. */
	static const struct itimerval on = { { 0, PATIENCE_US }, { 0, PATIENCE_US } }, off;
	static const uint64_t one = 1;
	ssize_t n;

	setitimer(ITIMER_REAL, &on, NULL);
	n = write(fd, &one, sizeof(one));
	setitimer(ITIMER_REAL, &off, NULL);
	(void)n; /* what was not taken was not needed */
}
