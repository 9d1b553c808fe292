/* SPDX-License-Identifier: Apache-2.0 */
/* Where the other programs of the product are. */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

/*
 * The path of @name: beside this program, in libexec, or where the build puts it, which
 * is the directory @build as seen from that of this program. Else the name alone, to be
 * found on PATH. The caller frees.
 */
char *own_program(const char *name, const char *build);

#endif
