/* SPDX-License-Identifier: Apache-2.0 */
/* What this build calls itself, the same in every program. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* The release of the OCI runtime specification that is followed. */
#define OCI_SPEC_VERSION "1.2.1"

/* The project's version: "MAJOR.MINOR.PATCH". */
extern const char kata_version[];

/* The commit that was built, in hexadecimal; "unknown" outside a git tree. */
extern const char kata_commit[];

#endif
