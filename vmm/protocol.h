/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor and whoever drives it agree on: its control socket and the words for
 * how a guest ended. The one header of vmm/ that the driver includes; it needs nothing.
 *
 * The control socket is a unix socket of the type SOCK_SEQPACKET. One message is one
 * line of printable ASCII without its newline, at most VMM_MESSAGE_MAX bytes.
 *
 *	request			what it does			text of the answer
 *	pause			processors and devices rest
 *	resume			and go on
 *	stats			how the machine fares		"key=value key=value …"
 *	balloon MIB		what the guest is to give back
 *	stop			end the machine at once
 *
 * Statistics are numbers that only grow, unless it is said otherwise:
 *
 *	cpus, memory		processors and MiB of memory that the guest was given; fixed
 *	state			running or paused; a word
 *	resident		MiB of the monitor with the guest's memory that are there now
 *	exits			of the guest to the monitor; of these
 *	mmio, io, interrupted, halt, shutdown, system-event, irq-window, fail-entry,
 *	internal-error, other	by kind, those that there were
 *	cpuN			and by processor, as far as there is room for them
 *	kvm-exits		all exits, also those that KVM answers; of these
 *	kvm-halts		a processor had nothing to do
 *	kvm-interrupts		interrupts given to the guest
 *	kvm-faults		pages mapped because the guest touched them
 *	kvm-pages-4k, -2m	pages mapped now, by size; they shrink too
 *	balloon			MiB that the guest has given up, balloon-wanted that it is asked
 *				for; both shrink too; reported: MiB told to be free
 *	free, available		MiB, as the guest said when it was last asked
 *
 * What the host's KVM does not count is missing, and so are words of devices that are not
 * there. More words may come.
 *
 * Each request gets one answer, in the order of the requests: "ok", "ok TEXT" or
 * "error TEXT". Pausing a paused machine and resuming a running one are ok. Between the
 * answers come events:
 *
 *	event started		the guest executes its first instruction; once
 *	event ended WORD TEXT	how it ended, see VMM_ENDS; the last message. TEXT may be
 *				missing
 *
 * The monitor ends when the other side closes the connection.
 */
#ifndef VMM_PROTOCOL_H
#define VMM_PROTOCOL_H

#define VMM_MESSAGE_MAX 1024

#define VMM_REQUEST_PAUSE   "pause"
#define VMM_REQUEST_RESUME  "resume"
#define VMM_REQUEST_STATS   "stats"
#define VMM_REQUEST_BALLOON "balloon"
#define VMM_REQUEST_STOP    "stop"

#define VMM_ANSWER_OK	  "ok"
#define VMM_ANSWER_ERROR  "error"
#define VMM_EVENT_STARTED "event started"
#define VMM_EVENT_ENDED	  "event ended"

/* Exit status of a monitor that was called in a wrong way; there is no socket then. */
#define VMM_EXIT_USAGE 2

/* How a guest ends: X(name, exit status of the monitor, word of the protocol). */
#define VMM_ENDS(X)                              \
	X(POWEROFF, 0, "poweroff")               \
	X(FAILED, 1, "failed") /* the monitor */ \
	X(RESET, 3, "reset")                     \
	X(PANIC, 4, "panic")                     \
	X(TRIPLE_FAULT, 5, "triple-fault")       \
	X(STOPPED, 6, "stopped") /* from outside */

enum vmm_end {
#define VMM_END_ENUM(name, status, word) VMM_END_##name = (status),
	VMM_ENDS(VMM_END_ENUM)
#undef VMM_END_ENUM
};

/* Its word; NULL for what is no end. */
static inline const char *vmm_end_word(enum vmm_end end)
{
	switch (end) {
#define VMM_END_CASE(name, status, word) \
	case VMM_END_##name:             \
		return word;
		VMM_ENDS(VMM_END_CASE)
#undef VMM_END_CASE
	}
	return 0;
}

#endif
