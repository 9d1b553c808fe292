/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One trial of KVM: a throw-away machine with one processor that runs a loop
 * and a few instructions on which a KVM that interprets guest code fails. What
 * runs is up to the architecture; judging the outcome is not.
 */
#ifndef HOST_HYPERVISOR_KVM_TRIAL_H
#define HOST_HYPERVISOR_KVM_TRIAL_H

#include <stdint.h>

#include "host/hypervisor/kvm_probe.h"

/* Rounds of the loop, two instructions each; after some to warm up. */
#define KVM_TRIAL_ROUNDS  200000
#define KVM_TRIAL_WARM_UP 1000

/*
 * What the loop may take. Hardware needs 0.2 ms, nested paging on an emulated
 * processor 4 ms, an interpreting KVM 110 ms and more.
 */
#define KVM_TRIAL_LOOP_US 20000

/*
 * For the guest's code, and for making the machine, which says little: it waits
 * for all processors, long on emulated ones.
 */
#define KVM_TRIAL_LIMIT_MS  50
#define KVM_TRIAL_CREATE_MS 1500

/* The step that the trial was at when it ended. */
enum kvm_trial_step {
	KVM_TRIAL_OPEN,
	KVM_TRIAL_CREATE,
	KVM_TRIAL_START, /* the warm-up */
	KVM_TRIAL_LOOP,
	KVM_TRIAL_BREAKPOINT,
	KVM_TRIAL_CMPXCHG16B,
	KVM_TRIAL_XRSTOR,
	KVM_TRIAL_DONE,
};

struct kvm_trial {
	enum kvm_trial_step step;
	int error;	  /* errno of the step that failed, 0: another reason */
	uint32_t exit;	  /* KVM_EXIT_* that was not expected; 0: none */
	uint32_t loop_us; /* 0: the loop did not end */
	bool timed_out;	  /* killed at a limit */
	bool starved;	  /* killed, and it had hardly run: nothing is known */
};

struct kvm_guest {
	int vcpu;
	void *run; /* struct kvm_run */
};

/* Make the machine of /dev/kvm's descriptor @kvm; it ends with the process. 0 or -errno. */
int kvm_guest_create(int kvm, struct kvm_guest *guest);

/* Run its code from KVM_TRIAL_START on; fills in all but the flags. */
void kvm_guest_run(struct kvm_guest *guest, struct kvm_trial *trial);

/* May it only have been too slow because others had the processor? */
bool kvm_trial_in_doubt(const struct kvm_trial *trial);

/* The verdict; pure. */
void kvm_trial_judge(const struct kvm_trial *trial, struct kvm_probe *result);

#endif
