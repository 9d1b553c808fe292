/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/hypervisor/kvm_trial.h"

static struct kvm_probe judged(struct kvm_trial t)
{
	struct kvm_probe p;

	memset(&p, 0xff, sizeof(p));
	kvm_trial_judge(&t, &p);
	assert_true(strlen(p.reason) > 10);
	assert_true(strlen(p.reason) < sizeof(p.reason) - 1);
	return p;
}

static void hardware_is_usable(void **state)
{
	struct kvm_probe p = judged((struct kvm_trial){ .step = KVM_TRIAL_DONE, .loop_us = 200 });

	(void)state;
	assert_true(p.usable && p.present);
	assert_int_equal(p.loops_ms, KVM_TRIAL_ROUNDS * 1000 / 200);
	/* Nested on an emulated processor. */
	assert_true(judged((struct kvm_trial){ .step = KVM_TRIAL_DONE, .loop_us = 12000 }).usable);
}

static void an_interpreter_is_not(void **state)
{
	(void)state;
	assert_false(
		judged((struct kvm_trial){ .step = KVM_TRIAL_DONE, .loop_us = 114000 }).usable);
	assert_false(
		judged((struct kvm_trial){ .step = KVM_TRIAL_LOOP, .timed_out = true }).usable);
}

static void each_failure_is_told(void **state)
{
	struct kvm_probe p;

	(void)state;
	p = judged((struct kvm_trial){ .step = KVM_TRIAL_OPEN, .error = ENOENT });
	assert_false(p.usable || p.present);
	assert_non_null(strstr(p.reason, "opening /dev/kvm failed: No such file"));
	p = judged((struct kvm_trial){ .step = KVM_TRIAL_CREATE, .error = EBUSY });
	assert_true(!p.usable && p.present);
	assert_non_null(strstr(p.reason, "creating a machine failed: Device or resource busy"));
	p = judged((struct kvm_trial){ .step = KVM_TRIAL_CREATE, .timed_out = true });
	assert_non_null(strstr(p.reason, "creating a machine"));
	for (enum kvm_trial_step s = KVM_TRIAL_START; s < KVM_TRIAL_DONE; s++) {
		p = judged((struct kvm_trial){ .step = s, .exit = 17, .loop_us = 200 });
		assert_false(p.usable);
		assert_non_null(strstr(p.reason, "exit 17"));
	}
	p = judged(
		(struct kvm_trial){ .step = KVM_TRIAL_LOOP, .timed_out = true, .starved = true });
	assert_false(p.usable);
	assert_non_null(strstr(p.reason, "busy"));
}

static void only_slowness_is_doubted(void **state)
{
	(void)state;
	assert_true(kvm_trial_in_doubt(
		&(struct kvm_trial){ .step = KVM_TRIAL_DONE, .loop_us = KVM_TRIAL_LOOP_US + 1 }));
	assert_true(kvm_trial_in_doubt(
		&(struct kvm_trial){ .step = KVM_TRIAL_LOOP, .timed_out = true }));
	assert_true(kvm_trial_in_doubt(&(struct kvm_trial){
		.step = KVM_TRIAL_CREATE, .timed_out = true, .starved = true }));
	assert_false(kvm_trial_in_doubt(
		&(struct kvm_trial){ .step = KVM_TRIAL_DONE, .loop_us = KVM_TRIAL_LOOP_US }));
	assert_false(kvm_trial_in_doubt(
		&(struct kvm_trial){ .step = KVM_TRIAL_CREATE, .timed_out = true }));
	assert_false(
		kvm_trial_in_doubt(&(struct kvm_trial){ .step = KVM_TRIAL_XRSTOR, .exit = 17 }));
}

/* Whatever this host is: the verdict is complete, in time, and leaves no child. */
static void the_host_is_measured(void **state)
{
	struct kvm_probe fresh, cached;

	(void)state;
	kvm_probe(&fresh, true);
	assert_true(*fresh.reason);
	assert_true(fresh.present || !fresh.usable);
	assert_true(!fresh.usable || fresh.loops_ms > 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	kvm_probe(&cached, false);
	assert_int_equal(cached.present, fresh.present);
	if (geteuid() == 0 && fresh.present && !strstr(fresh.reason, "busy")) {
		assert_int_equal(cached.usable, fresh.usable);
		assert_int_equal(cached.loops_ms, fresh.loops_ms);
		assert_string_equal(cached.reason, fresh.reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hardware_is_usable),	cmocka_unit_test(an_interpreter_is_not),
		cmocka_unit_test(each_failure_is_told), cmocka_unit_test(only_slowness_is_doubted),
		cmocka_unit_test(the_host_is_measured),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("kvm probe", tests, NULL, NULL);
}
