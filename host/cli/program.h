/* SPDX-License-Identifier: Apache-2.0 */
/* Where the other programs of the product are. */
#ifndef HOST_CLI_PROGRAM_H
#define HOST_CLI_PROGRAM_H

/*
 * The path of @name: beside this program, in libexec, where the build puts it
 * (host/@room), else the name alone, to be found on PATH. The caller frees.
 */
char *own_program(const char *name, const char *room);

#endif
