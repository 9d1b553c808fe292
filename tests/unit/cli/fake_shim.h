/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim without a sandbox, as which the test program starts itself: `start`
 * leaves a process behind that serves the Task service and ends when the
 * owner's pipe does. The environment says how it behaves:
 *
 *	FAKE_SHIM	the method at which something happens, and what: see fake_shim.c
 *	FAKE_RUNNER	the process of kata-runtime, to send signals to
 */
#ifndef TEST_FAKE_SHIM_H
#define TEST_FAKE_SHIM_H

/* @argv: as the shim's own. Returns the exit status. */
int fake_shim(int argc, char **argv);

/* A stand-in without namespaces, which ends with its control socket. */
int fake_standin(int argc, char **argv);

#endif
