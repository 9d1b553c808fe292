/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting stand-ins: the processes on the host that stand for those in a machine.
 * See host/standin/protocol.h. One is made for a container and for each process
 * that is added to it, always as a child of kata-runtime:
 *
 *	standin_for_container() or standin_for_exec()	what it is to look like
 *	standin_start()		it is there, and ends with this process; or, with something
 *				else to do meanwhile, standin_begin() and standin_await()
 *	the request to the shim, with st.shim and st.pid: task_create()
 *	standin_release()	it goes on without this process
 */
#ifndef HOST_CLI_STANDIN_H
#define HOST_CLI_STANDIN_H

#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"
#include "proto/oci.pb-c.h"

struct standin {
	pid_t pid;   /* 0: none. A child of this process */
	int pidfd;   /* -1: none */
	int control; /* -1: none, or released */
	int shim;    /* the shim's end of their socket; -1: none */
	pid_t maker; /* which makes it and ends: standin_await() is due; 0: none */
};

#define STANDIN_NONE             \
	{                        \
		0, -1, -1, -1, 0 \
	}

/*
 * The flags of kata-standin for a container of @spec with its root file system at @rootfs.
 * @elsewhere: what lies there is not what the container sees and writes.
 */
void standin_for_container(const Grpc__Spec *spec, const char *rootfs, bool no_pivot,
			   bool elsewhere, struct strv *flags);

/* For another process of the container whose stand-in is @container: in its namespaces. */
void standin_for_exec(pid_t container, struct strv *flags);

/*
 * Begin to start one for container @id; @terminal, unless -1, becomes its controlling terminal
 * (borrowed). 0, or -errno and @err, and nothing is left. *@st is STANDIN_NONE before.
 */
int standin_begin(const char *id, const struct strv *flags, int terminal, struct standin *st,
		  struct err *err);

/*
 * What was begun is all that its flags say, within 5 s. 0, or -errno and @err, and nothing is
 * left. Of what was not begun: 0.
 */
int standin_await(const char *id, struct standin *st, struct err *err);

/* One after the other. */
int standin_start(const char *id, const struct strv *flags, int terminal, struct standin *st,
		  struct err *err);

/* It lives on when this process ends. 0, or -errno when it has died. Repeatedly: nothing. */
int standin_release(struct standin *st);

/*
 * Close what is held of it, so that one that was not released ends, and wait for its
 * end at most @ms; 0: not at all, as for one that lives on.
 */
void standin_close(struct standin *st, int ms);

#endif
